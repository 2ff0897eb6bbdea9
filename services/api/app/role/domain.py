"""Permissions, and the roles that every workspace starts with."""

from collections.abc import Collection
from enum import StrEnum


class Permission(StrEnum):
    """What a role may allow."""

    USER_READ = "user:read"
    USER_WRITE = "user:write"
    ROLE_READ = "role:read"
    ROLE_WRITE = "role:write"
    EXPORT_CREATE = "export:create"
    JOB_READ = "job:read"
    JOB_READ_ALL = "job:read_all"
    JOB_MANAGE = "job:manage"
    AUDIT_READ = "audit:read"


DESCRIPTIONS = {
    Permission.USER_READ: "See users",
    Permission.USER_WRITE: "Create and change users",
    Permission.ROLE_READ: "See roles and permissions",
    Permission.ROLE_WRITE: "Create, change and delete roles",
    Permission.EXPORT_CREATE: "Start, cancel and retry exports",
    Permission.JOB_READ: "See and download one's own jobs",
    Permission.JOB_READ_ALL: "See everybody's jobs",
    Permission.JOB_MANAGE: "Replay and discard everybody's failed jobs",
    Permission.AUDIT_READ: "See the audit log",
}

ADMIN = "admin"
VIEWER = "viewer"

# Name -> (description, permissions). `admin` always has every permission there is.
BUILT_IN_ROLES: dict[str, tuple[str, tuple[Permission, ...]]] = {
    ADMIN: ("May do everything", tuple(Permission)),
    "manager": (
        "Looks after users and exports",
        (
            Permission.USER_READ,
            Permission.USER_WRITE,
            Permission.ROLE_READ,
            Permission.EXPORT_CREATE,
            Permission.JOB_READ,
            Permission.JOB_READ_ALL,
        ),
    ),
    VIEWER: ("Looks, but changes nothing", (Permission.USER_READ, Permission.JOB_READ)),
}


def may_grant(own: Collection[str], granted: Collection[str]) -> bool:
    """Whether somebody with the permissions `own` may give or take away `granted`.

    Nobody hands out more than they have, or else `user:write` would mean everything.
    """
    return set(granted) <= set(own)

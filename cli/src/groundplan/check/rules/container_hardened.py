"""A container of production can do no more than its work needs."""

import re
from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.model.workspace import Service

ID = "container-hardened"
TITLE = "Containers of production run without root, rights and a writable root"
WHY = "A hole in one program should open that program's container only."
FIX = "State it in the production file; a writable folder is a tmpfs or a volume."
LEVEL = Level.ERROR

_NUMERIC_USER = re.compile(r"[1-9]\d*(?::\d+)?")
_HARMLESS_CAPABILITIES = {"NET_BIND_SERVICE"}
_HOST_FOLDERS = {"/", "/dev", "/etc", "/proc", "/root", "/run", "/sys", "/var/run"}

Problem = tuple[str, str, str]
"""The key of the service where it is, what is wrong, and what to write."""


def check(facts: Facts) -> Iterator[Finding]:
    """Yield what the containers of production may do and should not."""
    for service in facts.production.services.values():
        for key, problem, fix in _problems(service):
            place = facts.place(facts.production, "services", service.name, key)
            yield Finding(f"{service.name} {problem}.", *place, fix=fix)


def _problems(service: Service) -> Iterator[Problem]:
    yield from _user(service)
    yield from _rights(service)
    yield from _shared_with_host(service)
    if not service.confinement.is_read_only:
        fix = "Write `read_only: true`; a writable folder is a tmpfs or a volume."
        yield "read_only", "can write to its root file system", fix


def _user(service: Service) -> Iterator[Problem]:
    user = service.confinement.user
    if _NUMERIC_USER.fullmatch(user):
        return
    fix = 'Write the number that the image has for it, as `user: "999:999"`.'
    if user:
        why = "root" if user.split(":")[0] in ("0", "root") else "no number"
        yield "user", f"runs as {user}, which is {why}", fix
    elif not service.context:  # of what is built here the Dockerfile tells
        yield "user", "runs as whom its image says, which may be root", fix


def _rights(service: Service) -> Iterator[Problem]:
    own = service.confinement
    if own.is_privileged:
        yield "privileged", "is privileged: it has the whole host", "Delete `privileged`."
    if "ALL" not in map(_capability, own.dropped_capabilities):
        yield "cap_drop", "keeps capabilities of root", "Write `cap_drop: [ALL]`."
    if added := set(map(_capability, own.added_capabilities)) - _HARMLESS_CAPABILITIES:
        names = ", ".join(sorted(added))
        yield "cap_add", f"is given {names}", "Delete `cap_add`."
    options = {option.replace("=", ":").lower() for option in own.security_options}
    if not options & {"no-new-privileges", "no-new-privileges:true"}:
        fix = 'Write `security_opt: ["no-new-privileges:true"]`.'
        yield "security_opt", "may gain rights by a setuid program", fix
    if any(option.endswith(":unconfined") for option in options):
        yield "security_opt", "is freed from a filter of the engine", "Delete `…:unconfined`."


def _capability(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _shared_with_host(service: Service) -> Iterator[Problem]:
    for kind, value in service.confinement.namespaces.items():
        if value == "host":
            yield kind, f"shares `{kind}` with the host", f"Delete `{kind}: host`."
    for mount in service.mounts:
        source = (mount.source or "").rstrip("/") or "/"
        if mount.is_bind and source.endswith("docker.sock"):
            fix = "Delete it: who talks to the engine is root on the host."
            yield "volumes", "mounts the socket of the engine", fix
        elif mount.is_bind and source in _HOST_FOLDERS:
            yield "volumes", f"mounts {source} of the host", "Mount only what it needs."

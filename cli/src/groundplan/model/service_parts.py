"""The keys below a service of a Compose file, with their shapes."""

import re
from typing import Any

from groundplan.model import short
from groundplan.model.containers import Items, Keys, Named, Pairs
from groundplan.model.forms import Contexts, Hosts, Mount, Port, Ulimit
from groundplan.model.scalars import (
    DURATION,
    FLAG,
    INTEGER,
    NUMBER,
    PATH,
    SIZE,
    TEXT,
    Scalar,
    Test,
    Words,
    choice,
)
from groundplan.model.shapes import Place

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def is_name(text: str) -> bool:
    """True if Compose takes `text` as the name of a service, network or volume."""
    return bool(_NAME.fullmatch(text))


def _source(value: Any, _: Place) -> dict[str, Any]:
    return {"source": str(value)}


def granted(folder: str) -> Items:
    """A list of `secrets` or `configs` that a service may read below `folder`."""
    fields = {"source": TEXT, "target": TEXT, "uid": TEXT, "gid": TEXT, "mode": INTEGER}

    def target(item: dict[str, Any]) -> str:
        return str(item.get("target") or f"{folder}/{item['source']}")

    return Items(Keys(fields, required=("source",), short=_source), key=target)


TEXTS = Items()
TEXT_OR_TEXTS = Items(allows_single=True)
NUMBERS = Items(Scalar((str, int), "text or a number", str))
LABELS = Pairs(missing="")
OPTIONS = Pairs()
ULIMITS = Named(Ulimit())
HOOK = Keys(
    {
        "command": Words(),
        "user": TEXT,
        "privileged": FLAG,
        "working_dir": TEXT,
        "environment": Pairs(),
    }
)

WATCH = Keys(
    {
        "path": PATH,
        "action": choice("rebuild", "sync", "restart", "sync+restart", "sync+exec"),
        "target": TEXT,
        "ignore": TEXT_OR_TEXTS,
        "include": TEXT_OR_TEXTS,
        "exec": HOOK,
    },
    required=("path", "action"),
)

BUILD = Keys(
    {
        **dict.fromkeys(("cache_from", "cache_to", "entitlements", "tags", "platforms"), TEXTS),
        **dict.fromkeys(
            ("dockerfile", "dockerfile_inline", "target", "network", "isolation"), TEXT
        ),
        **dict.fromkeys(("no_cache", "pull", "privileged"), FLAG),
        "context": PATH,
        "args": Pairs(),
        "labels": LABELS,
        "additional_contexts": Contexts(),
        "extra_hosts": Hosts(),
        "secrets": granted(""),
        "shm_size": SIZE,
        "ulimits": ULIMITS,
    },
    short=lambda value, _: {"context": value},
    unsupported=("ssh", "provenance", "sbom"),
)

_DEVICE = Keys(
    {
        "capabilities": TEXTS,
        "count": Scalar((int, str), "a number or `all`"),
        "device_ids": TEXTS,
        "driver": TEXT,
        "options": Pairs(),
    }
)
_UPDATE = Keys(
    {
        "parallelism": INTEGER,
        "delay": DURATION,
        "failure_action": TEXT,
        "monitor": DURATION,
        "max_failure_ratio": NUMBER,
        "order": choice("start-first", "stop-first"),
    }
)


class Nullable(Keys):
    """A mapping that may be empty."""

    is_nullable = True


DEPLOY = Nullable(
    {
        "mode": TEXT,
        "endpoint_mode": TEXT,
        "replicas": INTEGER,
        "labels": LABELS,
        "update_config": _UPDATE,
        "rollback_config": _UPDATE,
        "placement": Keys(
            {
                "constraints": TEXTS,
                "preferences": Items(Keys({"spread": TEXT})),
                "max_replicas_per_node": INTEGER,
            }
        ),
        "resources": Keys(
            {
                "limits": Keys({"cpus": NUMBER, "memory": SIZE, "pids": INTEGER}),
                "reservations": Keys(
                    {
                        "cpus": NUMBER,
                        "memory": SIZE,
                        "generic_resources": Items(
                            Keys({"discrete_resource_spec": Keys({"kind": TEXT, "value": NUMBER})})
                        ),
                        "devices": Items(_DEVICE),
                    }
                ),
            }
        ),
        "restart_policy": Keys(
            {"condition": TEXT, "delay": DURATION, "max_attempts": INTEGER, "window": DURATION}
        ),
    }
)

HEALTHCHECK = Keys(
    {
        "disable": FLAG,
        "test": Test(),
        "retries": INTEGER,
        **dict.fromkeys(("interval", "timeout", "start_period", "start_interval"), DURATION),
    }
)

DEPENDENCY = Keys(
    {
        "condition": choice("service_started", "service_healthy", "service_completed_successfully"),
        "restart": FLAG,
        "required": FLAG,
    },
    required=("condition",),
)

ATTACHMENT = Nullable(
    {
        **dict.fromkeys(("aliases", "link_local_ips"), TEXTS),
        **dict.fromkeys(("ipv4_address", "ipv6_address", "mac_address", "interface_name"), TEXT),
        "driver_opts": OPTIONS,
        "priority": INTEGER,
        "gw_priority": INTEGER,
    }
)

MOUNT = Mount(
    {
        "type": choice("bind", "volume", "tmpfs", "cluster", "npipe", "image"),
        "source": TEXT,
        "target": TEXT,
        "read_only": FLAG,
        "consistency": TEXT,
        "bind": Keys(
            {"propagation": TEXT, "create_host_path": FLAG, "selinux": TEXT, "recursive": TEXT}
        ),
        "volume": Keys({"nocopy": FLAG, "subpath": TEXT, "labels": LABELS}),
        "tmpfs": Keys({"size": SIZE, "mode": INTEGER}),
        "image": Keys({"subpath": TEXT}),
    },
    required=("type", "target"),
    short=short.volume,
)

PORT = Port(
    {
        **dict.fromkeys(("name", "mode", "host_ip", "protocol", "app_protocol"), TEXT),
        "target": INTEGER,
        "published": Scalar((str, int), "a port"),
    },
    required=("target",),
)


def port_key(port: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two ports the same."""
    return tuple(port.get(key) for key in ("host_ip", "published", "target", "protocol"))

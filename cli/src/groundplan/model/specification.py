"""The keys of a Compose file with their shapes, and those of `x-groundplan`."""

from groundplan.model import short
from groundplan.model.containers import Items, Keys, Named, Pairs, Spread
from groundplan.model.forms import Hosts
from groundplan.model.scalars import (
    DURATION,
    FLAG,
    INTEGER,
    NUMBER,
    PATH,
    SIZE,
    TEXT,
    Words,
    choice,
)
from groundplan.model.service_parts import (
    ATTACHMENT,
    BUILD,
    DEPENDENCY,
    DEPLOY,
    HEALTHCHECK,
    HOOK,
    LABELS,
    MOUNT,
    NUMBERS,
    OPTIONS,
    PORT,
    TEXT_OR_TEXTS,
    TEXTS,
    ULIMITS,
    WATCH,
    Nullable,
    granted,
    is_name,
    port_key,
)
from groundplan.model.shapes import ANY

EXTENSION = Keys(
    {
        **dict.fromkeys(("ready", "title", "role", "scaling", "contract"), TEXT),
        **dict.fromkeys(("tool", "public"), FLAG),
        "tier": choice("edge", "application", "data", "tools"),
        "commands": Named(Words()),
        "programs": Items(choice("postgresql", "redis", "restic")),
        "protocols": Pairs(),
    }
)
"""`x-groundplan` of a service: what Compose has no word for."""

SERVICE = Keys(
    {
        **dict.fromkeys(
            (
                *("cgroup", "cgroup_parent", "container_name", "cpuset", "domainname", "hostname"),
                *("image", "ipc", "isolation", "mac_address", "network_mode", "pid", "platform"),
                *("restart", "runtime", "stop_signal", "user", "userns_mode", "uts", "working_dir"),
            ),
            TEXT,
        ),
        **dict.fromkeys(
            ("attach", "init", "oom_kill_disable", "privileged", "read_only", "stdin_open", "tty"),
            FLAG,
        ),
        **dict.fromkeys(
            ("cap_add", "cap_drop", "device_cgroup_rules", "dns_opt", "external_links", "links"),
            TEXTS,
        ),
        **dict.fromkeys(("security_opt", "volumes_from", "profiles"), TEXTS),
        **dict.fromkeys(("dns", "dns_search", "tmpfs"), TEXT_OR_TEXTS),
        **dict.fromkeys(("mem_limit", "mem_reservation", "memswap_limit", "shm_size"), SIZE),
        **dict.fromkeys(
            (
                *("cpu_count", "cpu_percent", "cpu_shares", "cpu_quota", "mem_swappiness"),
                *(
                    "oom_score_adj",
                    "pids_limit",
                    "scale",
                    "cpu_period",
                    "cpu_rt_period",
                    "cpu_rt_runtime",
                ),
            ),
            INTEGER,
        ),
        "cpus": NUMBER,
        **dict.fromkeys(("labels", "annotations"), LABELS),
        **dict.fromkeys(("command", "entrypoint"), Words()),
        **dict.fromkeys(("post_start", "pre_stop"), Items(HOOK)),
        **dict.fromkeys(("blkio_config", "credential_spec"), ANY),
        "develop": Keys({"watch": Items(WATCH, key=id)}),
        "build": BUILD,
        "configs": granted(""),
        "depends_on": Named(
            DEPENDENCY, is_name, listed={"condition": "service_started", "required": True}
        ),
        "deploy": DEPLOY,
        "devices": Items(
            Keys(dict.fromkeys(("source", "target", "permissions"), TEXT), short=short.device),
            key=lambda item: item.get("target") or item["source"],
        ),
        "env_file": Items(
            Keys(
                {"path": PATH, "required": FLAG, "format": TEXT},
                required=("path",),
                short=lambda value, _: {"path": value},
            ),
            allows_single=True,
        ),
        "environment": Pairs(),
        "expose": NUMBERS,
        "extends": Keys(
            {"service": TEXT, "file": PATH},
            required=("service",),
            short=lambda value, _: {"service": value},
        ),
        "extra_hosts": Hosts(),
        "group_add": NUMBERS,
        "healthcheck": HEALTHCHECK,
        "logging": Keys({"driver": TEXT, "options": OPTIONS}, same="driver"),
        "networks": Named(ATTACHMENT, is_name, listed=None),
        "ports": Spread(PORT, key=port_key),
        "pull_policy": choice("always", "never", "if_not_present", "missing", "build"),
        "secrets": granted("/run/secrets"),
        "stop_grace_period": DURATION,
        "storage_opt": OPTIONS,
        "sysctls": OPTIONS,
        "ulimits": ULIMITS,
        "volumes": Items(MOUNT, key=lambda item: item["target"]),
        "x-groundplan": EXTENSION,
    },
    unsupported=(
        "gpus",
        "label_file",
        "models",
        "provider",
        "pull_refresh_after",
        "use_api_socket",
    ),
)

_RESOURCE = {"name": TEXT, "external": FLAG, "labels": LABELS}
_DRIVEN = {"driver": TEXT, "driver_opts": OPTIONS}
_IPAM = Keys(
    {
        "driver": TEXT,
        "options": OPTIONS,
        "config": Items(
            Keys({"subnet": TEXT, "ip_range": TEXT, "gateway": TEXT, "aux_addresses": OPTIONS})
        ),
    }
)
NETWORK = Nullable(
    {
        **_RESOURCE,
        **_DRIVEN,
        **dict.fromkeys(("internal", "attachable", "enable_ipv4", "enable_ipv6"), FLAG),
        "ipam": _IPAM,
    }
)
VOLUME = Nullable({**_RESOURCE, **_DRIVEN, "x-groundplan": Keys({"holds": TEXT, "backup": TEXT})})
_MATERIAL = {**_RESOURCE, "file": PATH, "environment": TEXT, "template_driver": TEXT}
SECRET = Keys({**_MATERIAL, **_DRIVEN})
CONFIG = Keys({**_MATERIAL, "content": TEXT})

FILE = Keys(
    {
        "version": TEXT,
        "name": TEXT,
        "services": Named(SERVICE, is_name),
        "networks": Named(NETWORK, is_name),
        "volumes": Named(VOLUME, is_name),
        "secrets": Named(SECRET, is_name),
        "configs": Named(CONFIG, is_name),
        "x-groundplan": Keys({"machine": Keys({"cpus": NUMBER, "memory": SIZE})}),
    },
    unsupported=("include", "models"),
)
"""A whole Compose file."""

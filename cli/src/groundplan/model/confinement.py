"""What the container of a service may do on its host, and how much it may leave there."""

from dataclasses import dataclass, field

from groundplan.model.source import Tree


@dataclass(frozen=True)
class Confinement:
    """The limits of a container besides CPU and memory, as Compose names them."""

    user: str = ""
    """Empty where the image says it."""
    is_privileged: bool = False
    is_read_only: bool = False
    added_capabilities: tuple[str, ...] = ()
    dropped_capabilities: tuple[str, ...] = ()
    security_options: tuple[str, ...] = ()
    namespaces: dict[str, str] = field(default_factory=dict)
    """Kind ("pid", "ipc", …) → what is stated there, e.g. "host"."""
    pids: int = 0
    """Processes and threads at most; 0 where there is no limit."""
    log_driver: str = ""
    log_options: dict[str, str] = field(default_factory=dict)


def confinement_of(node: Tree) -> Confinement:
    """The confinement of a service's merged node."""
    limits = (node.get("deploy") or {}).get("resources", {}).get("limits", {})
    logging = node.get("logging", {})
    kinds = ("pid", "ipc", "uts", "cgroup", "userns_mode")
    return Confinement(
        user=str(node.get("user", "")),
        is_privileged=node.get("privileged", False),
        is_read_only=node.get("read_only", False),
        added_capabilities=tuple(node.get("cap_add", [])),
        dropped_capabilities=tuple(node.get("cap_drop", [])),
        security_options=tuple(node.get("security_opt", [])),
        namespaces={kind: node[kind] for kind in kinds if kind in node},
        pids=max(limits.get("pids") or node.get("pids_limit") or 0, 0),
        log_driver=logging.get("driver", ""),
        log_options={name: value or "" for name, value in logging.get("options", {}).items()},
    )

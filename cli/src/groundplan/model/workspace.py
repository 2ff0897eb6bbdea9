"""The workspace: what the Compose files say, as typed objects."""

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from groundplan.errors import UserError
from groundplan.model import compose, settings
from groundplan.model.place import (
    BASE_FILE,
    DEVELOPMENT,
    FILES,
    instance_name,
    servers_folder,
    settings_file,
    state_folder,
)

_PORT_VARIABLE = re.compile(r"\$\{(\w+):?-(\d+)\}")
_REQUIRED_VARIABLE = re.compile(r"\$\{(\w+):?\?")
_TIERS = {"BACKING_SERVICES": "data", "DEVELOPMENT_SERVICES": "tools"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|h|m|s)")
_DURATION_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000001}


@dataclass(frozen=True)
class Port:
    """A port that a service listens on, and where it is published on this machine."""

    target: int
    published: int | None = None
    variable: str | None = None
    """The variable that moves `published`; None where the number is fixed."""
    host: str | None = None
    """The address of this machine that it is published on; None means all of them."""
    protocol: str = "TCP"
    """What is spoken there, for people: "HTTP", "AMQP"; from `x-groundplan.protocols`."""


@dataclass(frozen=True)
class Mount:
    """A volume or a folder of this machine at a path in the service."""

    target: str
    source: str | None
    """Absolute path of a bind mount, name of a volume, or None for an anonymous volume."""
    is_bind: bool = False
    read_only: bool = False


@dataclass(frozen=True)
class Volume:
    """A named volume."""

    name: str
    holds: str | None = None
    """What is in it, for people."""
    backup: str | None = None
    """How it is backed up; "none: WHY" where losing it is harmless."""


@dataclass(frozen=True)
class Network:
    """A network that services share."""

    name: str
    driver: str = "bridge"
    subnet: str | None = None
    internal: bool = False


@dataclass(frozen=True)
class Healthcheck:
    """When a service counts as healthy; times in seconds."""

    test: tuple[str, ...] = ()
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0


@dataclass(frozen=True)
class Service:
    """One service of the Compose files."""

    name: str
    image: str
    context: Path | None
    """Folder of its source, for services that are built here."""
    command: tuple[str, ...]
    environment: dict[str, str]
    ports: tuple[Port, ...]
    mounts: tuple[Mount, ...]
    depends_on: dict[str, str]
    """Service name → condition, e.g. "service_healthy"."""
    healthcheck: Healthcheck | None
    restart: str = "no"
    stop_grace_period: float = 10.0
    memory_limit: str | None = None
    cpu_limit: str | None = None
    ready: str | None = None
    """HTTP path that answers 2xx once the service is ready."""
    is_tool: bool = False
    """Tools are started on demand only."""
    commands: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Further commands that run in the service's environment, e.g. "migrate"."""
    section: str | None = None
    """The markers between which it stands: "SERVICES", "BACKING_SERVICES", "DEVELOPMENT_SERVICES"."""
    title: str = ""
    """Its name for people, e.g. "PostgreSQL"; the service's name where none is given."""
    role: str = ""
    """What it is, in a few words for people, e.g. "database"."""
    tier: str = "application"
    """"edge", "application", "data" or "tools": which side of which security boundary it is on."""
    scaling: str | None = None
    """How it grows, e.g. "horizontal (stateless)"; the first word is "horizontal" or "vertical"."""
    networks: tuple[str, ...] = ()
    replicas: int = 1
    container_name: str | None = None
    static_address: bool = False
    """True if a network gives it a fixed IP address."""
    secrets: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()

    @property
    def image_name(self) -> str:
        """The last part of the image's name, without its tag: "postgres" for "postgres:17"."""
        return self.image.split("/")[-1].split(":")[0]


@dataclass(frozen=True)
class Workspace:
    """All services of one checkout, and the variables that they were read with."""

    root: Path
    name: str
    instance: str
    services: dict[str, Service]
    volumes: dict[str, Volume] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)

    @property
    def oneshots(self) -> set[str]:
        """Services that others wait for to *end*."""
        return {
            name
            for service in self.services.values()
            for name, condition in service.depends_on.items()
            if condition == "service_completed_successfully"
        }

    @property
    def state(self) -> Path:
        """Folder of everything that this instance keeps on this machine."""
        return state_folder(self.root, self.instance)

    @property
    def servers(self) -> Path:
        """Folder of the servers' own files."""
        return servers_folder(self.root, self.instance)

    @property
    def port_variables(self) -> dict[str, str]:
        """Each variable that moves a published port, with the port as it was read."""
        return {
            port.variable: str(port.published)
            for service in self.services.values()
            for port in service.ports
            if port.variable and port.published
        }

    def service(self, name: str) -> Service:
        """The service of that name; raises UserError that lists those there are."""
        try:
            return self.services[name]
        except KeyError as error:
            raise UserError(
                f"There is no service {name!r}.",
                hint=f"Services: {', '.join(self.services)}.",
                code=2,
            ) from error

    def closure(self, names: Iterable[str]) -> list[str]:
        """`names` and all that they depend on, in the order of the Compose files."""
        wanted: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in wanted:
                wanted.add(name)
                pending += self.service(name).depends_on
        return [name for name in self.services if name in wanted]


def load(
    root: Path, variables: Mapping[str, str] | None = None, instance: str | None = None
) -> Workspace:
    """Read the workspace at `root`.

    `variables` move ports (API_PORT=8001). `instance` separates the state of several running
    copies of one checkout, e.g. "test" from "development". Writes config/.env if it is missing.
    """
    instance = instance or instance_name()
    env_file = settings_file(root, instance)
    settings.ensure(env_file, root / "config" / ".env.example")
    values = {**os.environ, **(variables or {})}
    return _load(root, DEVELOPMENT, values, settings.read(env_file), instance)


def describe(root: Path, environment: str = DEVELOPMENT) -> Workspace:
    """The workspace as its files say it, whatever this machine's variables and settings are.

    `environment` is "development" or "production". Reads config/.env.example in place of
    config/.env, and writes nothing.
    """
    shared = settings.read_example(root / "config" / ".env.example")
    required = {
        name: f"<{name}>"
        for file in FILES[environment]
        if (root / file).exists()
        for name in _REQUIRED_VARIABLE.findall((root / file).read_text())
    }
    return _load(root, environment, required | shared, shared, instance_name())


def _load(
    root: Path,
    environment: str,
    variables: Mapping[str, str],
    shared: Mapping[str, str],
    instance: str,
) -> Workspace:
    files = [root / name for name in FILES[environment] if (root / name).exists()]
    files = files or [root / BASE_FILE]
    tree = compose.load(files, variables)
    raw: compose.Tree = {}
    sections: dict[str, str] = {}
    for file in files:
        raw = compose.merge(raw, compose.read(file))
        sections |= _sections(file)
    _refuse_unknown_services(tree)
    services = {
        name: _service(
            root,
            name,
            node,
            _ports(name, node, raw["services"][name], variables),
            shared,
            sections.get(name),
        )
        for name, node in tree["services"].items()
    }
    workspace = Workspace(
        root,
        str(tree.get("name", root.name)),
        instance,
        services,
        volumes={name: _volume(name, node) for name, node in (tree.get("volumes") or {}).items()},
        networks={
            name: _network(name, node) for name, node in (tree.get("networks") or {}).items()
        },
    )
    _check_dependencies(workspace)
    return workspace


_MARKER = re.compile(r"^\s*##<<(/?)([A-Z_]+)>>\s*$")
_SERVICE_KEY = re.compile(r"^  ([\w.-]+):\s*(?:#.*)?$")


def _sections(file: Path) -> dict[str, str]:
    """The markers between which each service of `file` stands."""
    found: dict[str, str] = {}
    section: str | None = None
    for line in file.read_text().splitlines():
        if marker := _MARKER.match(line):
            section = None if marker[1] else marker[2]
        elif section and (key := _SERVICE_KEY.match(line)):
            found[key[1]] = section
    return found


def _volume(name: str, node: Any) -> Volume:
    extension = (node or {}).get("x-groundplan") or {}
    return Volume(name, extension.get("holds"), extension.get("backup"))


def _network(name: str, node: Any) -> Network:
    node = node or {}
    config = (node.get("ipam") or {}).get("config") or [{}]
    return Network(
        name, node.get("driver", "bridge"), config[0].get("subnet"), bool(node.get("internal"))
    )


def _refuse_unknown_services(tree: compose.Tree) -> None:
    if not isinstance(tree.get("services"), dict) or not tree["services"]:
        raise UserError(f"{BASE_FILE} has no services.")
    for name, node in tree["services"].items():
        if not isinstance(node, dict):
            raise UserError(
                f"The service {name!r} is not a mapping.", hint=f"Mend it in {BASE_FILE}."
            )
        if "image" not in node and "build" not in node:
            raise UserError(f"The service {name!r} has neither `image` nor `build`.")


def _service(
    root: Path,
    name: str,
    node: compose.Tree,
    ports: Iterable[Port],
    shared: Mapping[str, str],
    section: str | None,
) -> Service:
    extension = node.get("x-groundplan") or {}
    protocols = {int(key): value for key, value in (extension.get("protocols") or {}).items()}
    deploy = node.get("deploy") or {}
    limits = ((deploy.get("resources") or {}).get("limits")) or {}
    is_tool = bool(extension.get("tool", False))
    networks = node.get("networks") or ["default"]
    build = node.get("build")
    context = build.get("context", ".") if isinstance(build, dict) else build
    return Service(
        name=name,
        image=str(node.get("image", "")),
        context=(root / context).resolve() if context else None,
        command=_words(node.get("entrypoint")) + _words(node.get("command")),
        environment=_environment(root, name, node, shared),
        ports=tuple(replace(port, protocol=protocols.get(port.target, "TCP")) for port in ports),
        mounts=tuple(_mount(root, item) for item in node.get("volumes") or []),
        depends_on=_dependencies(node.get("depends_on")),
        healthcheck=_healthcheck(node.get("healthcheck")),
        restart=str(node.get("restart", "no")),
        stop_grace_period=duration(node.get("stop_grace_period", "10s")),
        memory_limit=limits.get("memory"),
        cpu_limit=limits.get("cpus"),
        ready=extension.get("ready"),
        is_tool=is_tool,
        commands={key: _words(value) for key, value in (extension.get("commands") or {}).items()},
        section=section,
        title=extension.get("title", name),
        role=extension.get("role", ""),
        tier=extension.get("tier") or _TIERS.get(section or "", "application"),
        scaling=extension.get("scaling"),
        networks=tuple(networks),
        replicas=int(deploy.get("replicas") or node.get("scale") or 1),
        container_name=node.get("container_name"),
        static_address=isinstance(networks, dict)
        and any("ipv4_address" in (value or {}) for value in networks.values()),
        secrets=tuple(
            item["source"] if isinstance(item, dict) else item for item in node.get("secrets") or []
        ),
        profiles=tuple(node.get("profiles") or []),
    )


def _environment(
    root: Path, name: str, node: compose.Tree, shared: Mapping[str, str]
) -> dict[str, str]:
    values: dict[str, str] = {}
    for item in compose.as_list(node.get("env_file")):
        path = root / (item["path"] if isinstance(item, dict) else item)
        if path == root / "config" / ".env":
            values.update(shared)
        elif path.is_file():
            values.update(settings.read(path))
        elif not isinstance(item, dict) or item.get("required", True):
            raise UserError(f"The env_file {path} of {name} is missing.")
    for key, value in compose.as_mapping(node.get("environment")).items():
        given = os.environ.get(key) if value is None else _scalar(value)
        if given is not None:
            values[key] = given
    return values


def _ports(
    name: str, node: compose.Tree, raw: compose.Tree, variables: Mapping[str, str]
) -> Iterable[Port]:
    """The ports of `node`; `raw` is the same node with its variables still in it."""
    seen: set[tuple[int, int | None]] = set()
    for original in raw.get("ports") or []:
        port = _port(name, compose.interpolate(original, variables, Path(BASE_FILE)), original)
        if (port.target, port.published) not in seen:
            seen.add((port.target, port.published))
            yield port
    targets = {target for target, _ in seen}
    for item in node.get("expose") or []:
        if int(item) not in targets:
            yield Port(int(item))


def _port(name: str, item: Any, original: Any) -> Port:
    try:
        if isinstance(item, dict):
            published, target = item.get("published"), item["target"]
            host = item.get("host_ip")
            written = str(original.get("published", ""))
        else:
            parts = str(item).split("/")[0].split(":")
            published, target = (parts[-2] if len(parts) > 1 else None), parts[-1]
            host = ":".join(parts[:-2]) or None
            written = str(original)
        match = _PORT_VARIABLE.search(written)
        return Port(
            int(target),
            int(published) if published else None,
            match[1] if match else None,
            host,
        )
    except (KeyError, ValueError) as error:
        raise UserError(
            f"The port {item!r} of {name} can't be read.", hint="Write 127.0.0.1:HOST:CONTAINER."
        ) from error


def _mount(root: Path, item: Any) -> Mount:
    if isinstance(item, dict):
        source, target = item.get("source"), str(item["target"])
        read_only = bool(item.get("read_only"))
    else:
        parts = str(item).split(":")
        read_only = len(parts) > 2 and "ro" in parts[2].split(",")
        source, target = (parts[0], parts[1]) if len(parts) > 1 else (None, parts[0])
    if source and source.startswith((".", "/", "~")):
        return Mount(
            target,
            str((root / Path(source).expanduser()).resolve()),
            is_bind=True,
            read_only=read_only,
        )
    return Mount(target, source, read_only=read_only)


def _dependencies(node: Any) -> dict[str, str]:
    if isinstance(node, dict):
        return {
            name: (value or {}).get("condition", "service_started") for name, value in node.items()
        }
    return dict.fromkeys(node or [], "service_started")


def _healthcheck(node: Any) -> Healthcheck | None:
    test = node.get("test", []) if node else []
    if not node or node.get("disable") or test == ["NONE"]:
        return None
    return Healthcheck(
        test=("CMD-SHELL", test) if isinstance(test, str) else tuple(test),
        interval=duration(node.get("interval", "30s")),
        timeout=duration(node.get("timeout", "30s")),
        retries=int(node.get("retries", 3)),
        start_period=duration(node.get("start_period", "0s")),
    )


def _check_dependencies(workspace: Workspace) -> None:
    for service in workspace.services.values():
        for name in service.depends_on:
            if name not in workspace.services:
                raise UserError(f"{service.name} depends on {name!r}, which is no service.")
    visiting: list[str] = []
    done: set[str] = set()

    def visit(name: str) -> None:
        if name in visiting:
            ring = " → ".join([*visiting[visiting.index(name) :], name])
            raise UserError("The services wait for each other in a ring.", why=f"{ring}.")
        if name in done:
            return
        visiting.append(name)
        for dependency in workspace.services[name].depends_on:
            visit(dependency)
        visiting.pop()
        done.add(name)

    for name in workspace.services:
        visit(name)


def duration(text: object) -> float:
    """Seconds in a Compose duration such as "1m30s" or "500ms"."""
    value = str(text)
    parts = _DURATION.findall(value)
    if "".join(number + unit for number, unit in parts) != value or not parts:
        raise UserError(f"{value!r} is no duration.", hint="Write 30s, 1m30s or 500ms.")
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)


def _words(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (
        tuple(shlex.split(value)) if isinstance(value, str) else tuple(str(word) for word in value)
    )


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""The workspace: what the Compose files say, as typed objects."""

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model import compose, env_file, markers, settings
from groundplan.model.place import (
    BASE_FILE,
    DEVELOPMENT,
    FILES,
    instance_name,
    servers_folder,
    settings_file,
    state_folder,
)
from groundplan.model.service import Healthcheck as Healthcheck
from groundplan.model.service import Inputs, service_of
from groundplan.model.service import Mount as Mount
from groundplan.model.service import Port as Port
from groundplan.model.service import Service as Service
from groundplan.model.shapes import Place
from groundplan.model.source import Tree
from groundplan.model.units import duration as duration

_REQUIRED_VARIABLE = re.compile(r"\$\{(\w+):?\?")


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
class Workspace:
    """All services of one checkout, and the variables that they were read with."""

    root: Path
    name: str
    instance: str
    services: dict[str, Service]
    volumes: dict[str, Volume] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    secrets: dict[str, Path | None] = field(default_factory=dict)
    """Name → the file that holds it; None where it comes from elsewhere."""
    environment: str = DEVELOPMENT
    files: tuple[Path, ...] = ()
    """The Compose files that it was read from, in the order of their merge."""
    machine: dict[str, str] = field(default_factory=dict)
    """What all limits together must fit into, e.g. {"cpus": "8", "memory": "8G"}."""

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
    Variables come from `variables`, the environment, and `.env` beside the Compose files.
    """
    instance = instance or instance_name()
    settings_of_instance = settings_file(root, instance)
    settings.ensure(settings_of_instance, root / "config" / ".env.example")
    given = {**os.environ, **(variables or {})}
    beside = root / ".env"
    values = (env_file.read(beside, given) if beside.is_file() else {}) | given
    files = [root / name for name in FILES[DEVELOPMENT]]
    return _read(root, files, values, settings.read(settings_of_instance), instance)


def describe(
    root: Path, environment: str = DEVELOPMENT, variables: Mapping[str, str] | None = None
) -> Workspace:
    """The workspace as its files say it, whatever this machine's variables and settings are.

    `environment` is "development" or "production". Reads config/.env.example in place of
    config/.env, and writes nothing. `variables` go before what the files say of them.
    """
    files = [root / name for name in FILES[environment] if (root / name).exists()]
    files = files or [root / BASE_FILE]
    shared = settings.read_example(root / "config" / ".env.example")
    required = {
        name: f"<{name}>"
        for file in files
        for name in _REQUIRED_VARIABLE.findall(file.read_text() if file.exists() else "")
    }
    workspace = _read(
        root, files, required | shared | dict(variables or {}), shared, instance_name()
    )
    return replace(workspace, environment=environment)


def _read(
    root: Path,
    files: list[Path],
    variables: Mapping[str, str],
    shared: Mapping[str, str],
    instance: str,
) -> Workspace:
    tree = compose.load(files, variables)
    sections: dict[str, str] = {}
    for file in files:
        with suppress(UserError):  # broken markers keep nothing from running; `check` tells of them
            sections = {**markers.sections(file.read_bytes().decode(), file.name), **sections}
    inputs = Inputs(Place(tuple(files)), variables, {root / "config" / ".env": shared})
    services = {
        name: service_of(name, node, inputs, sections.get(name))
        for name, node in tree["services"].items()
    }
    return Workspace(
        root,
        str(tree.get("name", root.name)),
        instance,
        services,
        volumes={name: _volume(name, node or {}) for name, node in tree.get("volumes", {}).items()},
        networks={
            name: _network(name, node or {}) for name, node in tree.get("networks", {}).items()
        },
        secrets={
            name: Path(node["file"]) if "file" in node else None
            for name, node in tree.get("secrets", {}).items()
        },
        files=tuple(files),
        machine={
            name: str(value)
            for name, value in tree.get("x-groundplan", {}).get("machine", {}).items()
        },
    )


def _volume(name: str, node: Tree) -> Volume:
    extension = node.get("x-groundplan", {})
    return Volume(name, extension.get("holds"), extension.get("backup"))


def _network(name: str, node: Tree) -> Network:
    config = node.get("ipam", {}).get("config") or [{}]
    return Network(
        name, node.get("driver", "bridge"), config[0].get("subnet"), node.get("internal", False)
    )

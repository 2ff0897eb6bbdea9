"""Refuses names, ports and images that are taken or can't be used."""

import re
from dataclasses import dataclass
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model import flows
from groundplan.model.place import FILES, page_of
from groundplan.model.workspace import Workspace, describe
from groundplan.scaffold.template import EXAMPLE_FILE, folder_of

_LABEL = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_LONGEST_LABEL = 63
# Parts of `./gp test`, names of every machine, and words that YAML takes for something else.
_RESERVED = {
    "cli",
    "system",
    "faults",
    "docker",
    "localhost",
    "host",
    "null",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
}
_FIRST_PORT, _FIRST_UNPRIVILEGED, _LAST_PORT = 8000, 1024, 65535
_PORT_DEFAULT = re.compile(r":-(\d+)\}")
_PATH = re.compile(r"(?:/[\w.@+-]+)+")
_IMAGE = re.compile(
    r"(?P<name>(?:[a-z0-9][a-z0-9.-]*(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?"
)


@dataclass(frozen=True)
class Taken:
    """What the workspace has already."""

    root: Path
    workspaces: tuple[Workspace, ...]
    """The workspace in each environment."""
    texts: dict[str, str]
    """Each Compose file, and the example of the settings, as it is written."""

    @classmethod
    def of(cls, root: Path) -> "Taken":
        """Read the workspace; raises UserError if it can't be read."""
        names = {*(name for files in FILES.values() for name in files), str(EXAMPLE_FILE)}
        texts = {
            name: (root / name).read_bytes().decode()
            for name in sorted(names)
            if (root / name).exists()
        }
        return cls(root, tuple(describe(root, environment) for environment in FILES), texts)

    @property
    def ports(self) -> dict[int, str]:
        """Every port that a service listens on or is published at, with the service."""
        services = [item for space in self.workspaces for item in space.services.values()]
        return {
            number: service.name
            for service in services
            for port in service.ports
            for number in (port.target, port.published)
            if number
        }

    @property
    def published(self) -> dict[int, str]:
        """Every port of this machine that a service is published at, with the service."""
        return {
            port.published: service.name
            for space in self.workspaces
            for service in space.services.values()
            for port in service.ports
            if port.published
        }


def check_name(name: str, taken: Taken) -> None:
    """Raise UserError unless a service can be called `name`."""
    if not _LABEL.fullmatch(name) or len(name) > _LONGEST_LABEL:
        raise UserError(
            f"{name!r} can't be the name of a service.",
            why="It is its host name too: small letters, digits and hyphens, "
            f"a letter first, at most {_LONGEST_LABEL} characters.",
            code=2,
        )
    if name in _RESERVED or name in flows.load(taken.root).actors:
        raise UserError(f"The name {name!r} is reserved.", hint="Choose another one.", code=2)
    _check_services(name, taken)
    for path in (folder_of(name), page_of(name)):
        if (taken.root / path).exists():
            raise UserError(f"{path} exists already.", hint="Choose another name, or move it away.")
    _check_variable(name, taken)


def _check_services(name: str, taken: Taken) -> None:
    for space in taken.workspaces:
        if name in space.services:
            raise UserError(f"There is a service {name} already.", hint="Choose another name.")
        for service in space.services.values():
            if service.image.split(":")[0] == f"groundplan/{name}":
                raise UserError(
                    f"{service.name} has the image {service.image}, which would be built for {name} too.",
                    hint="Choose another name.",
                )


def _check_variable(name: str, taken: Taken) -> None:
    variable = f"{name.replace('-', '_').upper()}_PORT"
    for file, text in taken.texts.items():
        if match := re.search(rf"\b{variable}\b", text):
            line = text.count("\n", 0, match.start()) + 1
            raise UserError(
                f"{name} would need the variable {variable}, which {file}:{line} uses already.",
                hint="Choose another name.",
            )


def check_image(image: str) -> str:
    """The last part of the image's name, as "redis"; raises UserError unless it has a fixed version."""
    match = _IMAGE.fullmatch(image)
    if not match:
        raise UserError(
            f"{image!r} is no image.", hint="Write NAME:VERSION, as in redis:8.", code=2
        )
    if match["tag"] in (None, "latest") and not match["digest"]:
        raise UserError(
            f"{image} has no fixed version.",
            why="What runs would change without a change here.",
            hint=f"Write {match['name']}:VERSION.",
            code=2,
        )
    return match["name"].split("/")[-1]


def check_port(port: int, taken: Taken, lowest: int = 1) -> None:
    """Raise UserError unless a new service can listen on `port`."""
    if not lowest <= port <= _LAST_PORT:
        raise UserError(
            f"{port} can't be the port.", why=f"It must be from {lowest} to {_LAST_PORT}.", code=2
        )
    if lowest > 1 and port in taken.ports:
        raise UserError(
            f"Port {port} belongs to {taken.ports[port]}.",
            hint=f"{free_port(taken)} is free: leave --port out to take it.",
        )


def check_own_port(port: int | None, taken: Taken) -> int:
    """The port of a service that is built here: the one that was asked for, or a free one."""
    if port is None:
        return free_port(taken)
    check_port(port, taken, _FIRST_UNPRIVILEGED)
    return port


def free_port(taken: Taken, first: int = _FIRST_PORT) -> int:
    """The first port from `first` on that no service has in any Compose file."""
    start = first if first >= _FIRST_UNPRIVILEGED else _FIRST_PORT
    used = {*taken.ports, *(int(n) for t in taken.texts.values() for n in _PORT_DEFAULT.findall(t))}
    return next(port for port in range(start, _LAST_PORT) if port not in used)


def check_volume(name: str, path: str | None, taken: Taken) -> None:
    """Raise UserError unless there can be a new volume `name`, mounted at `path`."""
    if any(name in space.volumes for space in taken.workspaces):
        raise UserError(f"There is a volume {name} already.", hint="Choose another name.")
    if path is not None and not _PATH.fullmatch(path):
        raise UserError(
            f"{path!r} can't be the place of a volume.",
            why="It must be an absolute path without spaces, colons and quotes.",
            code=2,
        )

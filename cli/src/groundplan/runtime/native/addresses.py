"""Where services listen when they run as processes of this machine.

In Compose a service is reached as NAME:PORT and finds files at the paths of its mounts. As a
process it listens on 127.0.0.1 at its published port (or a free one) and its files lie in the
workspace. `Addresses` turns the first into the second, in every environment value and argument.
"""

import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model.workspace import Service, Workspace

LOOPBACK = "127.0.0.1"

_ANY_ADDRESS = re.compile(r"(?<![\d.])(?:0\.0\.0\.0|\[::\]):(\d+)(?!\d)")


def is_free(port: int) -> bool:
    """True if a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    # A listener on all interfaces does not always stop the bind above, but it answers.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((LOOPBACK, port)) != 0


def free_port(taken: set[int]) -> int:
    """A port that nothing listens on and that is not in `taken`, to which it is added."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            taken.add(port)
            return port


@dataclass(frozen=True)
class Move:
    """A published port that is taken, and the free one used in its place."""

    service: str
    variable: str
    default: int
    port: int


def move_taken_ports(
    workspace: Workspace, names: Iterable[str], always: bool = False
) -> list[Move]:
    """Find a free port for each published port of `names` that is taken (for all, if `always`).

    Raises UserError for a taken port that no variable can move, and for one stated twice.
    """
    moves: list[Move] = []
    taken: set[int] = set()
    for service in (workspace.services[name] for name in names):
        for port in service.ports:
            if port.published is None:
                continue
            if port.published in taken:
                raise UserError(
                    f"Two services publish port {port.published}; {service.name} is one of them."
                )
            taken.add(port.published)
            if not always and is_free(port.published):
                continue
            if port.variable is None:
                raise UserError(
                    f"Port {port.published} of {service.name} is taken by another program.",
                    hint="Stop that program, or make the port movable in the Compose file: "
                    f'"127.0.0.1:${{SOME_PORT:-{port.published}}}:{port.target}".',
                )
            moves.append(Move(service.name, port.variable, port.published, free_port(taken)))
    return moves


class Addresses:
    """The native port of every port of every service, and the native path of every mount."""

    def __init__(self, workspace: Workspace) -> None:
        self._volumes = workspace.servers / "volumes"
        self._taken = {
            port.published
            for service in workspace.services.values()
            for port in service.ports
            if port.published
        }
        self._ports = {
            (service.name, port.target): port.published or free_port(self._taken)
            for service in workspace.services.values()
            for port in service.ports
        }
        names = "|".join(sorted(map(re.escape, workspace.services), key=len, reverse=True))
        self._address = re.compile(rf"(?<![\w.-])({names}):(\d+)(?!\d)")

    def port(self, service: str, target: int) -> int:
        """The port on 127.0.0.1 at which `service` serves what Compose calls `target`."""
        try:
            return self._ports[service, target]
        except KeyError as error:
            raise UserError(
                f"{service} has no port {target}.",
                hint="List it under `ports` or `expose` in its Compose file.",
            ) from error

    def spare_port(self) -> int:
        """A free port for what Compose does not name: of no service, and another one at each call."""
        return free_port(self._taken)

    def translate(self, text: str, service: Service) -> str:
        """`text` with NAME:PORT, the service's own 0.0.0.0:PORT and paths of its mounts as they are here."""
        text = self._address.sub(self._native_address, text)
        text = _ANY_ADDRESS.sub(lambda match: self._own_address(service, match), text)
        return self._native_path(text, service)

    def environment(self, service: Service) -> dict[str, str]:
        """The service's environment, translated, and HOST and PORT where it shall listen."""
        values = {
            name: self.translate(value, service) for name, value in service.environment.items()
        }
        if service.ports:
            values |= {
                "HOST": LOOPBACK,
                "PORT": str(self.port(service.name, service.ports[0].target)),
            }
        return values

    def volume(self, service: Service, target: str) -> Path:
        """The folder of this machine that is mounted at `target` in the service."""
        for mount in service.mounts:
            if mount.target == target and mount.source:
                return Path(mount.source) if mount.is_bind else self._volumes / mount.source
        raise UserError(
            f"{service.name} mounts nothing at {target}.",
            hint="Its data would be lost: add a volume.",
        )

    def _native_address(self, match: re.Match[str]) -> str:
        known = self._ports.get((match[1], int(match[2])))
        return f"{LOOPBACK}:{known}" if known else match[0]

    def _own_address(self, service: Service, match: re.Match[str]) -> str:
        known = self._ports.get((service.name, int(match[1])))
        return f"{LOOPBACK}:{known}" if known else match[0]

    def _native_path(self, text: str, service: Service) -> str:
        for mount in sorted(service.mounts, key=lambda mount: len(mount.target), reverse=True):
            if mount.source and (
                text == mount.target or text.startswith(mount.target.rstrip("/") + "/")
            ):
                return str(self.volume(service, mount.target)) + text[len(mount.target) :]
        return text


def base_environment() -> dict[str, str]:
    """What a process of a service inherits from this machine, and nothing more."""
    kept = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")
    return {name: os.environ[name] for name in kept if name in os.environ}

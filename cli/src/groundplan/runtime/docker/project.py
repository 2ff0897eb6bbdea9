"""Which Compose project a checkout is on this engine, and the variables that keep it apart from others."""

import hashlib
import ipaddress
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model.place import DEVELOPMENT, FILES
from groundplan.model.workspace import Workspace, load
from groundplan.runtime.docker import containers
from groundplan.runtime.docker.containers import PROJECT, Container
from groundplan.runtime.docker.engine import find
from groundplan.runtime.native.addresses import Move, move_taken_ports

NAME = "COMPOSE_PROJECT_NAME"
"""Compose's own variable for the name of the project."""
SUBNET = "GROUNDPLAN_SUBNET"
"""The variable that moves the subnet of development's network."""
_MOVED_SUBNETS = (*(f"172.{number}.0.0/16" for number in range(20, 32)), "10.200.0.0/13")


def name_of(root: Path, known: str | None, default: str) -> str:
    """The name of the project of this checkout.

    It is $COMPOSE_PROJECT_NAME, that of containers that are there, the one `known` from an earlier
    start, or the `default`, which gets a suffix where another checkout has it.
    """
    if wanted := os.environ.get(NAME):
        return wanted
    if there := containers.of_folder(root, FILES[DEVELOPMENT]):
        return there[0].project
    if known:
        return known
    key = hashlib.sha256(str(root).encode()).hexdigest()[:8]
    return f"{default}-{key}" if _is_taken(default) else default


def _is_taken(name: str) -> bool:
    """True if the engine keeps anything of that project."""
    kinds = (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
    return any(
        _output(*kind, "--quiet", "--filter", f"label={PROJECT}={name}").strip() for kind in kinds
    )


def variables(
    workspace: Workspace, project: str, names: Sequence[str], running: Sequence[Container]
) -> tuple[dict[str, str], list[Move]]:
    """The variables for Compose, and the ports that had to be moved.

    What runs keeps its ports and its network, so that it is not made anew.
    """
    ports = ports_of(workspace, running)
    at_work = {container.service for container in running}
    moved = load(workspace.root, ports, workspace.instance)
    moves = move_taken_ports(moved, [name for name in names if name not in at_work])
    ports |= {move.variable: str(move.port) for move in moves}
    return {**ports, **_account(), SUBNET: _subnet(workspace, project)}, moves


def ports_of(workspace: Workspace, running: Sequence[Container]) -> dict[str, str]:
    """Each variable that moves a port of a running container, with the port in use."""
    published = {container.service: container.ports for container in running}
    return {
        port.variable: str(published[service.name][port.target])
        for service in workspace.services.values()
        for port in service.ports
        if port.variable and port.target in published.get(service.name, {})
    }


def _account() -> dict[str, str]:
    """Whose files the services write. An engine without root maps the user to root in containers."""
    options = _output("info", "--format", "{{json .SecurityOptions}}")
    is_rootless = "name=rootless" in options
    uid, gid = (0, 0) if is_rootless else (os.getuid(), os.getgid())
    own = {"GROUNDPLAN_UID": str(uid), "GROUNDPLAN_GID": str(gid)}
    return {name: os.environ.get(name, value) for name, value in own.items()}


def _subnet(workspace: Workspace, project: str) -> str:
    """The subnet of the project's network if it is there, else the first that nothing uses."""
    wanted = next(
        (network.subnet for network in workspace.networks.values() if network.subnet), None
    )
    used = dict(_networks())
    own = [subnets for name, subnets in used.items() if name.startswith(f"{project}_")]
    if own and own[0]:
        return own[0][0]
    taken = [ipaddress.ip_network(subnet) for subnets in used.values() for subnet in subnets]
    for candidate in filter(None, (wanted, *_MOVED_SUBNETS)):
        network = ipaddress.ip_network(candidate)
        if not any(network.version == it.version and network.overlaps(it) for it in taken):
            return candidate
    raise UserError(
        "No subnet is free for the containers.",
        hint=f"Remove networks that nobody needs (docker network ls), or set {SUBNET}.",
    )


def _networks() -> Iterator[tuple[str, list[str]]]:
    """Each network of the engine, with its subnets."""
    numbers = _output("network", "ls", "--quiet").split()
    for node in json.loads(_output("network", "inspect", *numbers) or "[]"):
        configs = node["IPAM"].get("Config") or []
        yield node["Name"], [config["Subnet"] for config in configs if config.get("Subnet")]


def _output(*words: str) -> str:
    command = [find().program, *words]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout

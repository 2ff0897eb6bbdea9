"""Who can open a connection to whom in production, tried from within every container."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from engine import Container, Production, docker

# Reads [[name, host, port], …] and prints the names of those that accept a connection.
PROBE = """
import asyncio, json, sys
async def look(name, host, port):
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 2)
    except (OSError, TimeoutError):
        return None
    writer.close()
    return name
async def main():
    found = await asyncio.gather(*(look(*each) for each in json.load(sys.stdin)))
    print(json.dumps(sorted(filter(None, found))))
asyncio.run(main())
"""
RESOLVE = """
import json, socket, sys
def look(name):
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return None
    return name
print(json.dumps(sorted(filter(None, map(look, json.load(sys.stdin))))))
"""


@pytest.fixture(scope="module")
def containers(production: Production) -> dict[str, Container]:
    """One running container of each service, by name."""
    return {each.service: each for each in production.containers()}


def ask(production: Production, inside: Container, script: str, question: Any) -> list[str]:
    """What a script finds in the network of a container, with no more rights than that has."""
    place = ("--network", f"container:{inside.id}", "--user", "10001:10001", "--cap-drop", "ALL")
    words = ("run", "--rm", "-i", *place, "--entrypoint", "python", production.image, "-c", script)
    return list(json.loads(docker(*words, text=json.dumps(question))))


def listening(container: Container) -> set[int]:
    """The TCP ports on which a container listens for others than itself."""
    table = container.run("sh", "-c", "cat /proc/net/tcp /proc/net/tcp6")
    found = re.findall(r"^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) \w+:0000 0A", table, re.M)
    loopback = re.compile(r"0100007F|0{24}01000000|0{20}FFFF0100007F|[0-9A-F]{6}7F")
    return {int(port, 16) for address, port in found if not loopback.fullmatch(address)}


def endpoints(containers: dict[str, Container]) -> Iterator[tuple[str, str, str, int]]:
    """Each service with each network it is in, its address there, and each port on which it listens."""
    for name, container in containers.items():
        for network, address in container.addresses.items():
            for port in listening(container):
                yield name, network, address, port


def test_services_listen_only_where_the_compose_files_say(
    production: Production, containers: dict[str, Container]
) -> None:
    """Every container listens for others on the ports that the Compose files name, and on no other."""
    for name, container in containers.items():
        ports = {
            port.target
            for port in production.workspace.services[name].ports
            if port.transport == "tcp"
        }
        assert listening(container) == ports, name


def test_connections_are_possible_within_a_network_only(
    production: Production, containers: dict[str, Container]
) -> None:
    """From every container, exactly the ports of the services in a common network can be reached."""
    services = production.workspace.services
    targets = [
        (f"{name} {network} {port}", address, port)
        for name, network, address, port in endpoints(containers)
    ]
    for caller, container in containers.items():
        own = set(services[caller].networks)
        expected = sorted(
            f"{name} {network} {port}"
            for name, network, _, port in endpoints(containers)
            # A container reaches its own addresses by itself.
            if network in own or name == caller
        )
        assert ask(production, container, PROBE, targets) == expected, caller


def test_names_of_other_networks_are_unknown(
    production: Production, containers: dict[str, Container]
) -> None:
    """A service's name is known only to those who share a network with it."""
    services = production.workspace.services
    for caller, container in containers.items():
        own = set(services[caller].networks)
        expected = sorted(name for name in containers if own & set(services[name].networks))
        assert ask(production, container, RESOLVE, list(containers)) == expected, caller


@pytest.mark.parametrize("server", ["postgres", "redis", "rabbitmq", "storage"])
def test_the_edge_cannot_reach_the_data(
    production: Production, containers: dict[str, Container], server: str
) -> None:
    """Load balancer, frontend and gateway reach no server of data, but signed files."""
    addresses = [
        (network, address, port)
        for name, network, address, port in endpoints(containers)
        if name == server
    ]
    reached = {
        caller: ask(production, containers[caller], PROBE, addresses)
        for caller in ("load-balancer", "frontend", "gateway")
    }
    expected: dict[str, list[str]] = {caller: [] for caller in reached}
    if server == "storage":
        expected["load-balancer"] = ["objects"]
    assert reached == expected


def test_data_has_no_way_out(production: Production, containers: dict[str, Container]) -> None:
    """Who is in the network of data alone can't reach this machine's other addresses; others can."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - for containers
        outside = [("outside", _own_address(), server.getsockname()[1])]
        reached = {
            name: ask(production, container, PROBE, outside) == ["outside"]
            for name, container in containers.items()
        }
    expected = {
        name: bool(
            {"edge", "application", "backups"} & set(production.workspace.services[name].networks)
        )
        for name in containers
    }
    assert reached == expected
    routes = containers["postgres"].read("/proc/net/route").splitlines()[1:]
    assert all(route.split()[1] != "00000000" for route in routes)


def _own_address() -> str:
    """The address of this machine towards others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect(("192.0.2.1", 9))  # sends nothing
        return str(udp.getsockname()[0])

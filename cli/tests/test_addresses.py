"""Where services listen natively: names, ports and paths of Compose as they are on this machine."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler

import pytest

from groundplan.model.workspace import Workspace as Model
from groundplan.runtime.native.addresses import Addresses
from tests.support import Workspace, free_port, python, service, until, web


@pytest.fixture
def model(workspace: Workspace) -> Model:
    """A workspace with a published and an unpublished server."""
    workspace.write(
        {
            "web": service(
                ports=["9000:8000"],
                expose=["8001"],
                volumes=[
                    "data:/data",
                    "./contracts:/contracts:ro",
                    "./deep:/contracts/deep",
                    "/app/node_modules",
                ],
            ),
            "postgres": {"image": "postgres:17", "ports": ["15432:5432"]},
            "rabbitmq": {"image": "rabbitmq:4", "expose": ["5672"]},
        }
    )
    return workspace.load()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres:5432", "127.0.0.1:15432"),
        (
            "postgresql://me:secret@postgres:5432/shop",
            "postgresql://me:secret@127.0.0.1:15432/shop",
        ),
        ("postgres:5432,postgres:5432", "127.0.0.1:15432,127.0.0.1:15432"),
        ("http://web:8000/path?to=web:8000", "http://127.0.0.1:9000/path?to=127.0.0.1:9000"),
        ("0.0.0.0:8000", "127.0.0.1:9000"),
        ("[::]:8000", "127.0.0.1:9000"),
    ],
)
def test_addresses_of_services_are_translated(model: Model, text: str, expected: str) -> None:
    """NAME:PORT, wherever it stands in a value, becomes the native address."""
    assert Addresses(model).translate(text, model.services["web"]) == expected


@pytest.mark.parametrize(
    "text",
    [
        "my-postgres:5432",
        "my.postgres:5432",
        "my_postgres:5432",
        "postgres.example.org:5432",
        "postgres-2:5432",
        "postgres:54321",
        "postgres:5433",
        "postgres",
        "https://example.org:8000",
        "0.0.0.0:7777",
        "10.0.0.0:8000",
        "/databases",
        "see /data",
        "http://example.org/data",
    ],
)
def test_what_only_looks_like_an_address_stays(model: Model, text: str) -> None:
    """Longer names, other ports and other hosts are left alone."""
    assert Addresses(model).translate(text, model.services["web"]) == text


def test_unpublished_port_gets_a_free_one(model: Model) -> None:
    """A port that is not published is translated to one port, the same everywhere."""
    addresses = Addresses(model)
    port = addresses.port("rabbitmq", 5672)
    assert port not in {9000, 15432, 5672}
    translated = addresses.translate("amqp://a:b@rabbitmq:5672/", model.services["web"])
    assert translated == f"amqp://a:b@127.0.0.1:{port}/"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/contracts", "{root}/contracts"),
        ("/contracts/jobs/a.json", "{root}/contracts/jobs/a.json"),
        ("/contracts/deep/a.json", "{root}/deep/a.json"),
        ("/data/a", "{volumes}/data/a"),
        ("/app/node_modules", "/app/node_modules"),
    ],
)
def test_paths_of_mounts_are_translated(model: Model, text: str, expected: str) -> None:
    """A path below a mount becomes the path on this machine; the longest mount wins."""
    found = Addresses(model).translate(text, model.services["web"])
    assert found == expected.format(root=model.root, volumes=model.servers / "volumes")


def test_service_is_told_where_to_listen(model: Model) -> None:
    """HOST and PORT say where a service listens; others keep what Compose gives them."""
    found = Addresses(model).environment(model.services["web"])
    assert (found["HOST"], found["PORT"]) == ("127.0.0.1", "9000")


# -- ports that are taken ---------------------------------------------------------------------


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", free_port())) as server:
        yield int(server.getsockname()[1])


def test_taken_port_moves_and_all_are_told(workspace: Workspace, taken_port: int) -> None:
    """Where a port is taken, the service gets a free one, and those that call it learn of it."""
    environment = {
        "API": "http://web:8000",
        "PUBLIC": f"http://localhost:${{WEB_PORT:-{taken_port}}}",
    }
    workspace.write(
        {"web": web(taken_port), "client": web(variable="CLIENT_PORT", environment=environment)}
    )
    done = workspace.up()
    port = int(str(workspace.service("web")["url"]).rpartition(":")[2])
    assert port != taken_port
    assert f"Port {taken_port} of web is taken: it is at {port} now." in done.stderr
    told = workspace.get("client")
    assert told["API"] == f"http://127.0.0.1:{port}"
    assert told["PUBLIC"] == f"http://localhost:{port}"
    assert workspace.get("web")["PORT"] == str(port)


def test_fixed_port_that_is_taken_is_refused(workspace: Workspace, taken_port: int) -> None:
    """A taken port that no variable can move is an error that says what to write."""
    workspace.write({"web": web() | {"ports": [f"127.0.0.1:{taken_port}:8000"]}})
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert f"Port {taken_port} of web is taken by another program" in done.stderr
    assert f'"127.0.0.1:${{SOME_PORT:-{taken_port}}}:8000"' in done.stderr
    workspace.until_ended()


def test_two_services_on_one_port_are_refused(workspace: Workspace) -> None:
    """Two services that publish the same port are an error that names it."""
    port = free_port()
    workspace.write({"a": web(port), "b": web(port)})
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert f"Two services publish port {port}" in done.stderr


def test_all_listen_on_loopback_only(workspace: Workspace) -> None:
    """A service that Compose lets listen everywhere listens on 127.0.0.1 here."""
    workspace.write({"web": web(environment={"HOST": "0.0.0.0"})})  # noqa: S104 - that is the point
    workspace.up()
    assert workspace.get("web")["HOST"] == "127.0.0.1"


def test_private_instance_takes_ports_of_its_own(workspace: Workspace) -> None:
    """Another instance of the same checkout never takes the developer's ports."""
    port = free_port()
    workspace.write({"web": web(port)})
    workspace.up(GROUNDPLAN_INSTANCE="test")
    tree = json.loads(workspace.gp("status", "--json", GROUNDPLAN_INSTANCE="test").stdout)
    assert tree["ready"]
    assert tree["services"][0]["url"] != f"http://localhost:{port}"
    assert workspace.status()["ready"] is False


def test_two_checkouts_run_side_by_side(workspace: Workspace, neighbour: Workspace) -> None:
    """Two checkouts of one product run at once: the second gets other ports, and both answer."""
    port = free_port()
    for each in (workspace, neighbour):
        each.write({"web": web(port)})
        each.up()
    assert workspace.get("web")["PORT"] == str(port)
    assert neighbour.get("web")["PORT"] != str(port)
    for each in (workspace, neighbour):
        assert each.get("web")["PATH"].startswith(str(each.app))


def test_an_answer_of_another_program_is_no_health(workspace: Workspace) -> None:
    """A program that takes the port after it was chosen is not mistaken for the service."""
    port = free_port()
    setup = "import os, time; open('waits', 'w')\nwhile not os.path.exists('go'): time.sleep(0.02)"
    after = {"setup": {"condition": "service_completed_successfully"}}
    slow = python("import time; time.sleep(600)")
    workspace.write(
        {"setup": service(python(setup)), "web": web(port, command=slow, depends_on=after)}
    )
    start = workspace.start("up", "--detach")
    until((workspace.app / "waits").exists)
    with HTTPServer(("127.0.0.1", port), SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        (workspace.app / "go").touch()
        _, errors = start.communicate(timeout=60)
        other.shutdown()
    assert start.returncode == 1
    assert f"Port {port} of web was taken by another program" in errors


def test_spare_ports_differ(model: Model) -> None:
    """No port is given twice, nor one that a service has: the kernel does repeat itself."""
    addresses = Addresses(model)
    given = [addresses.port("rabbitmq", 5672)] + [addresses.spare_port() for _ in range(2000)]
    assert len({*given, 9000, 15432}) == len(given) + 2

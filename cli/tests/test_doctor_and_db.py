"""What the machine has and lacks (`doctor`), and commands for the database (`db`)."""

import json
import socket
import sys
from pathlib import Path

import pytest

from tests.support import Tree, Workspace, check, free_port, python, service, web

BARE_PATH = f"{Path(sys.executable).parent}:/usr/bin:/bin"
OLLAMA = {"image": "ollama/ollama", "ports": ["11434"], "volumes": ["./models:/root/.ollama"]}


def examine(workspace: Workspace, code: int, **variables: str) -> dict[str, Tree]:
    """The findings of `doctor --json`, by the first words of their subject."""
    done = workspace.gp("doctor", "--json", **variables)
    assert done.returncode == code, done.stdout + done.stderr
    return {finding["subject"].partition(" (")[0]: finding for finding in json.loads(done.stdout)}


# -- doctor -----------------------------------------------------------------------------------


def test_doctor_finds_all_well(workspace: Workspace) -> None:
    """Where nothing is missing `doctor` ends with 0 and says that `up` can start everything."""
    workspace.write({"web": web(), "api": service()})
    found = examine(workspace, 0)
    assert found["Python packages of app"]["status"] == "ok"
    assert "(for web, api)" in found["Python packages of app"]["subject"]
    assert found["Settings"]["status"] == "ok"
    assert "./gp up can start everything here." in workspace.gp("doctor").stdout


def test_doctor_says_what_up_will_fetch(workspace: Workspace) -> None:
    """What `up` can get is marked so, with how, and is no error."""
    (workspace.app / "requirements.lock").write_text("# changed\n")
    found = examine(workspace, 0)["Python packages of app"]
    assert found["status"] == "fetch"
    assert "installs requirements.lock into app/.venv" in found["detail"]


def test_doctor_says_what_is_missing(workspace: Workspace) -> None:
    """What `up` can't get is an error with its remedy; for a tool it is a note."""
    workspace.write({"ollama": OLLAMA})
    found = examine(workspace, 1, PATH=BARE_PATH)["Ollama"]
    assert found["status"] == "missing"
    assert "Install Ollama" in found["detail"]
    workspace.write({"ollama": OLLAMA | {"x-groundplan": {"tool": True}}})
    assert examine(workspace, 0, PATH=BARE_PATH)["Ollama"]["status"] == "note"


def test_doctor_names_a_service_that_cannot_run(workspace: Workspace) -> None:
    """A service whose image or source no driver knows is an error."""
    (workspace.root / "empty").mkdir()
    workspace.write(
        {"search": {"image": "opensearch:3"}, "rust": {"build": "./empty", "command": ["x"]}}
    )
    found = examine(workspace, 1)
    assert "opensearch:3" in found["search"]["detail"]
    assert "neither pyproject.toml nor package.json" in found["rust"]["detail"]
    assert "Mend what is marked" in workspace.gp("doctor").stdout


def test_doctor_tells_of_taken_ports(workspace: Workspace) -> None:
    """A taken port is a note where it can move, and an error where it is fixed."""
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = server.getsockname()[1]
        workspace.write({"web": web(port)})
        assert examine(workspace, 0)[f"Port {port}"]["status"] == "note"
        workspace.write({"web": web() | {"ports": [f"127.0.0.1:{port}:8000"]}})
        assert examine(workspace, 1)[f"Port {port}"]["status"] == "missing"


def test_doctor_does_not_take_the_own_services_for_strangers(workspace: Workspace) -> None:
    """While the system runs its ports are not called taken."""
    workspace.write({"web": web()})
    workspace.up()
    assert not [subject for subject in examine(workspace, 0) if subject.startswith("Port")]


def test_doctor_warns_of_open_settings(workspace: Workspace) -> None:
    """Settings that others can read are a note with the command that closes them."""
    workspace.load()
    workspace.settings.chmod(0o644)
    found = examine(workspace, 0)["Settings"]
    assert found["status"] == "note"
    assert f"chmod 600 {workspace.settings}" in found["detail"]


def test_doctor_tells_of_a_cache_that_cannot_be_written(workspace: Workspace) -> None:
    """A cache that can't be written is an error that names the variable which moves it."""
    found = examine(workspace, 1, GROUNDPLAN_CACHE=str(workspace.app / "web.py"))["Cache"]
    assert found["status"] == "missing"
    assert "GROUNDPLAN_CACHE" in found["detail"]


# -- db ---------------------------------------------------------------------------------------


def test_command_of_a_service_runs_in_its_environment(workspace: Workspace) -> None:
    """`db seed N` runs what a service calls `seed`, with its settings, addresses and exit code."""
    seed = "import os, sys; print(os.environ['API'], os.getcwd(), sys.argv[1:]); sys.exit(4)"
    node = service(
        environment={"API": "http://web:8000"}, x_groundplan={"commands": {"seed": python(seed)}}
    )
    workspace.write({"web": web(), "api": node})
    workspace.up()
    done = workspace.gp("db", "seed", "100", "--fast")
    assert done.returncode == 4
    address = workspace.service("web")["url"].replace("localhost", "127.0.0.1")
    assert done.stdout == f"{address} {workspace.app} ['100', '--fast']\n"


def test_command_finds_ports_that_the_start_was_given(workspace: Workspace) -> None:
    """A command in another shell knows the ports that a variable moved when the system started."""
    show = service(
        environment={"API": "http://web:8000"},
        x_groundplan={"commands": {"migrate": python("import os; print(os.environ['API'])")}},
    )
    workspace.write({"web": web(), "api": show})
    port = free_port()
    workspace.up(WEB_PORT=str(port))
    assert workspace.gp("db", "migrate").stdout == f"http://127.0.0.1:{port}\n"


@pytest.mark.parametrize("command", ["migrate", "seed", "shell"])
def test_database_that_does_not_run(workspace: Workspace, command: str) -> None:
    """Without a running system a command for the database says what to type."""
    done = workspace.gp("db", command)
    assert done.returncode == 1
    assert "./gp up" in done.stderr


def test_command_that_no_service_offers(workspace: Workspace) -> None:
    """A command that no service offers is an error that says how to give it."""
    workspace.write({"web": service(healthcheck=check("true"))})
    workspace.up()
    done = workspace.gp("db", "migrate")
    assert done.returncode == 1
    assert "No service offers the command 'migrate'" in done.stderr
    assert "x-groundplan" in done.stderr
    assert "has no PostgreSQL" in workspace.gp("db", "shell").stderr

"""What editors read is valid, and says the same as the Compose files."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from groundplan.model import compose, settings
from groundplan.model.place import BASE_FILE, DEVELOPMENT, DEVELOPMENT_FILE
from groundplan.model.workspace import describe

ROOT = Path(__file__).parents[2]
DEBUG_FILE = "docker-compose.debug.yml"
FILES = sorted([*ROOT.glob(".vscode/*.json"), ROOT / ".devcontainer" / "devcontainer.json"])


def _read(file: str) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((ROOT / file).read_text())
    return tree


def _debugged() -> dict[str, Any]:
    """The services that the debug file changes, as Compose merges them."""
    files = [ROOT / name for name in (BASE_FILE, DEVELOPMENT_FILE, DEBUG_FILE)]
    merged = compose.load(files, settings.read_example(ROOT / "config" / ".env.example"))
    return {name: merged["services"][name] for name in compose.read(files[-1])["services"]}


def _configurations() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _read(".vscode/launch.json")["configurations"]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_file_is_json_with_two_spaces(file: Path) -> None:
    """Each is plain JSON, which every editor reads, without tabs or a key said twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), [name for name, _ in pairs]
        return dict(pairs)

    assert json.loads(file.read_text(), object_pairs_hook=unique)
    assert "\t" not in file.read_text()


def test_dev_container_forwards_the_ports_of_development() -> None:
    """Its ports and their names are those that the Compose files publish."""
    tree = _read(".devcontainer/devcontainer.json")
    services = describe(ROOT, DEVELOPMENT).services.values()
    published = {p.published: s.title for s in services for p in s.ports if p.published}
    labels = {int(port): value["label"] for port, value in tree["portsAttributes"].items()}
    assert sorted(tree["forwardPorts"]) == sorted(published)
    assert labels == published


def test_dev_container_has_the_recommended_extensions() -> None:
    """What is recommended outside is installed inside."""
    inside = _read(".devcontainer/devcontainer.json")["customizations"]["vscode"]["extensions"]
    assert inside == _read(".vscode/extensions.json")["recommendations"]


def test_dev_container_runs_as_a_user_of_its_dockerfile() -> None:
    """The user that the editor becomes is made in the Dockerfile."""
    user = _read(".devcontainer/devcontainer.json")["remoteUser"]
    assert re.search(rf"useradd .*\b{user}$", (ROOT / ".devcontainer/Dockerfile").read_text(), re.M)


def test_task_before_a_debugger_exists() -> None:
    """Each launch configuration starts with a task that there is."""
    labels = {task["label"] for task in _read(".vscode/tasks.json")["tasks"]}
    before = {one["preLaunchTask"] for one in _configurations() if "preLaunchTask" in one}
    assert before
    assert before <= labels


def test_task_for_containers_names_files_and_services_that_exist() -> None:
    """The task that starts containers for a debugger starts all that the debug file changes."""
    (task,) = [t for t in _read(".vscode/tasks.json")["tasks"] if t["command"] == "docker"]
    files = [word.partition("=")[2] for word in task["args"] if word.startswith("--file=")]
    assert files == [BASE_FILE, DEVELOPMENT_FILE, DEBUG_FILE]
    assert set(task["args"]) >= set(_debugged())


def test_debug_ports_are_on_this_machine_only() -> None:
    """Who reaches a debugger runs code: its ports are published on loopback."""
    for name, service in _debugged().items():
        assert service["ports"], name
        assert {port.get("host_ip") for port in service["ports"]} == {"127.0.0.1"}


def test_debugger_of_a_container_finds_port_and_sources() -> None:
    """A configuration for a container names the published port, and the folder that is mounted."""
    published: dict[int, int] = {}
    mounted: dict[str, str] = {}
    for service in _debugged().values():
        published |= {int(p["published"]): p["target"] for p in service["ports"] if p["published"]}
        mounted |= {m.get("source"): m["target"] for m in service["volumes"]}
    for one in (one for one in _configurations() if "container" in one["name"]):
        port = one["port"] if "port" in one else one["connect"]["port"]
        (paths,) = one.get("pathMappings", [one])
        local = paths["localRoot"].replace("${workspaceFolder}", str(ROOT))
        assert published[port] == port
        assert mounted[local] == paths["remoteRoot"]


def test_debugger_of_a_process_finds_its_port() -> None:
    """With GROUNDPLAN_DEBUG the command listens where the configuration attaches, and else nowhere."""
    native = next(one for one in _configurations() if one["name"] == "API, native")
    tasks = {task["label"]: task for task in _read(".vscode/tasks.json")["tasks"]}
    variables = tasks[native["preLaunchTask"]]["options"]["env"]
    files = [ROOT / name for name in (BASE_FILE, DEVELOPMENT_FILE)]
    example = settings.read_example(ROOT / "config" / ".env.example")
    listening = "127.0.0.1:{port}".format(**native["connect"])

    def commands(**given: str) -> str:
        services = compose.load(files, example | given)["services"].values()
        return " ".join(word for service in services for word in service.get("command") or ())

    assert listening in commands(**variables)
    assert "debugpy" not in commands()


def test_mcp_servers_take_their_keys_from_the_file_that_git_ignores() -> None:
    """No key stands in mcp.json, and the example names what the servers need."""
    servers = _read(".vscode/mcp.json")["servers"]
    assert {"brave-search", "postgres"} <= set(servers)
    for server in servers.values():
        assert server["envFile"] == "${workspaceFolder}/config/.env.mcp.credentials"
        assert "env" not in server
    example = settings.read_example(ROOT / "config" / ".env.mcp.credentials.example")
    assert set(example) == {"BRAVE_API_KEY", "DATABASE_URI"}
    assert "default_transaction_read_only%3Don" in example["DATABASE_URI"]
    assert "config/.env*" in (ROOT / ".gitignore").read_text().splitlines()

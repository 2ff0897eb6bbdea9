"""Development with Docker: one system, started as a user starts it, that all tests share."""

import json
import os
from collections.abc import Iterator

import httpx2
import pytest

from development import OWNER, Development
from engine import copy_workspace, docker
from harness import assert_live, await_job, edited, start_export, wait_for

# What this noisy machine may add before the test, not the promise, is at fault.
ALLOWANCE = 6.0


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    """A copy of this checkout that nobody but its owner may enter, with everything and the tools running."""
    root = tmp_path_factory.mktemp("development")
    copy_workspace(root)
    for path in (root, *root.rglob("*")):
        os.chown(path, OWNER, OWNER)
    root.chmod(0o700)
    running = Development(root, f"gp-test-{root.name}-{os.getpid()}")
    try:
        running.up("--tools")
        yield running
    finally:
        running.remove()


def test_everything_is_healthy(development: Development) -> None:
    """All services and the tools that could be had run; `status` says with what, and where."""
    status = development.status()
    assert (status["ready"], status["runtime"]) == (True, "docker")
    states = {service["name"]: service["state"] for service in status["services"]}
    assert states.pop("migrate") == "completed"
    assert states.pop("ollama") in ("healthy", "off")  # off where its image can't be had
    assert set(states.values()) == {"healthy"}
    assert {"pgadmin", "redis-commander", "postgres", "rabbitmq", "storage"} <= set(states)
    assert "http://localhost:" in development.services()["frontend"]["url"]


def test_everything_listens_on_loopback_only(development: Development) -> None:
    """No other machine reaches a port."""
    for name in development.services():
        if name != "ollama":
            ports = development.container(name)["HostConfig"]["PortBindings"] or {}
            hosts = {binding["HostIp"] for each in ports.values() for binding in each}
            assert hosts <= {"127.0.0.1"}, name


def test_limits_are_those_of_the_compose_files(development: Development) -> None:
    """A container may take what its Compose file says, and no more."""
    config = json.loads(development.compose("config", "--format", "json"))["services"]
    for name, service in config.items():
        limits = service.get("deploy", {}).get("resources", {}).get("limits")
        if limits and development.services()[name]["state"] != "off":
            host = development.container(name)["HostConfig"]
            assert host["NanoCpus"] == float(limits["cpus"]) * 1e9, name
            assert host["Memory"] == int(limits["memory"]), name


def test_an_export_is_made_and_downloaded(development: Development) -> None:
    """Sign-in, export and download work through the frontend, as in a browser."""
    with development.client() as client:
        job = await_job(client, start_export(client)["id"])
        assert job["status"] == "succeeded", job
        answer = client.get(f"/jobs/{job['id']}/download", follow_redirects=True)
    assert answer.status_code == 200
    assert answer.content


def test_pgadmin_shows_the_database_without_a_question(development: Development) -> None:
    """pgAdmin has the running PostgreSQL entered, and connects without a sign-in or a password."""
    with httpx2.Client(base_url=development.services()["pgadmin"]["url"]) as client:
        client.get("/browser/")
        script = client.get("/browser/js/utils.js").text
        token = script.split("pgAdmin['csrf_token'] = '")[1].split("'")[0]
        client.headers["X-pgA-CSRFToken"] = token
        groups = client.get("/browser/nodes/").json()["data"]
        group = next(each["_id"] for each in groups if each["label"] == "Groundplan")
        (server,) = client.get(f"/browser/server_group/children/{group}").json()["data"]
        answer = client.post(f"/browser/server/connect/{group}/{server['_id']}").json()
    assert answer["info"] == "Server connected."


def test_redis_commander_shows_redis(development: Development) -> None:
    """Redis Commander is connected to the running Redis."""
    page = httpx2.get(f"{development.services()['redis-commander']['url']}/connections").json()
    assert [each["options"]["host"] for each in page["connections"]] == ["redis"]


# -- hot reload -------------------------------------------------------------------------------


def test_an_edit_of_the_api_is_live(development: Development) -> None:
    """A new version in the API's source is what the API answers."""
    url = f"{development.services()['api']['url']}/api/v1/system/info"

    def version() -> str:
        try:
            return str(httpx2.get(url, timeout=1).json()["version"])
        except (httpx2.TransportError, ValueError):
            return ""

    before = version()
    with edited(development.root / "services/api/app/version.py", before, "9.9.9-edited"):
        assert_live(lambda: version() == "9.9.9-edited", "the API's reload", ALLOWANCE)
    wait_for(lambda: version() == before, 20, "the API's return")


def test_an_edit_of_the_frontend_is_live(development: Development) -> None:
    """The development server gives the new text of a page."""
    page = "src/features/auth/components/sign-in-page.tsx"
    url = f"{development.services()['frontend']['url']}/{page}"
    with edited(development.root / "services/frontend" / page, "Sign in", "Sign in, edited"):
        assert_live(
            lambda: "Sign in, edited" in httpx2.get(url).text, "the frontend's reload", ALLOWANCE
        )


def test_an_edit_of_the_worker_is_live(development: Development) -> None:
    """The worker runs anew after an edit, and is ready again."""

    def starts() -> int:
        return docker("logs", f"{development.project}-worker-1").count("broker.consuming")

    before = starts()
    with edited(development.root / "services/worker/src/main.ts", "\n", "\n\n"):
        assert_live(lambda: starts() > before, "the worker's reload", ALLOWANCE)
    wait_for(development.is_ready, 60, "the worker's return")


def test_files_stay_the_users(development: Development) -> None:
    """After running and reloading nothing in the sources belongs to somebody else."""
    folders = ("services", "contracts", "config")
    paths = [path for folder in folders for path in (development.root / folder).rglob("*")]
    known = {OWNER, os.getuid()}  # the tool itself runs as whoever runs the tests
    assert not [path for path in paths if path.lstat().st_uid not in known]


# -- commands ---------------------------------------------------------------------------------


def test_status_draws_the_map(development: Development) -> None:
    """`status --map` shows the containers' states and addresses."""
    shown = development.gp("status", "--map").stdout
    assert "healthy" in shown
    assert development.services()["frontend"]["url"].removeprefix("http://") in shown


def test_logs_are_one_view(development: Development) -> None:
    """`logs` shows the last lines of each service under its name."""
    lines = development.gp("logs", "api", "postgres", "-n", "3").stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"api", "postgres"}
    assert 2 <= len(lines) <= 6


def test_database_commands(development: Development) -> None:
    """`db migrate`, `seed` and `shell` work in the containers, and pass exit codes on."""
    assert development.gp("db", "migrate").returncode == 0
    assert development.gp("db", "seed", "50").returncode == 0
    shown = development.gp("db", "shell", "--", "-At", "-c", "SELECT count(*) > 50 FROM users")
    assert (shown.returncode, shown.stdout) == (0, "t\n")
    piped = development.gp("db", "shell", "--", "-At", answer="SELECT 42;\n")
    assert piped.stdout == "42\n"
    assert development.gp("db", "shell", "--", "-c", "SELECT nothing").returncode == 1


def test_calls_are_seen(development: Development) -> None:
    """The observer names services, and `open` gives their addresses."""
    with development.client() as client:
        assert client.get("/users").status_code == 200

    def seen() -> bool:
        edges = json.loads(development.gp("observe", "--once", "--json").stdout)["edges"]
        pairs = {(edge["caller"], edge["callee"]) for edge in edges}
        return {("frontend", "api"), ("api", "postgres")} <= pairs

    wait_for(seen, 20, "the calls")
    printed = development.gp("open", "frontend", "--print").stdout.strip()
    assert printed == development.services()["frontend"]["url"]


# -- again, and no more -----------------------------------------------------------------------


def test_up_twice_changes_nothing(development: Development) -> None:
    """A second `up` makes no container anew, and moves no port."""
    before, ports = development.ids(), development.status()["ports"]
    said = development.up("--tools")
    assert development.ids() == before
    assert development.status()["ports"] == ports
    assert "taken" not in said


def test_compose_alone_sees_nothing_to_do(development: Development) -> None:
    """Plain `docker compose up` with the ports in use finds the same system, made as it would make it."""
    before = development.container("postgres")["Id"]
    network = development.container("postgres")["NetworkSettings"]["Networks"]
    subnet = next(iter(network.values()))["Gateway"].rpartition(".")[0].rpartition(".")[0]
    variables = development.status()["ports"] | {"GROUNDPLAN_SUBNET": f"{subnet}.0.0/16"}
    (development.root / ".env").write_text("".join(f"{k}={v}\n" for k, v in variables.items()))
    try:
        development.compose("up", "--detach", "--no-build", "postgres")
    finally:
        (development.root / ".env").unlink()
    assert development.container("postgres")["Id"] == before


def test_a_killed_service_starts_again(development: Development) -> None:
    """A service whose process dies is ready again without help."""
    before = development.services()["redis"]["pid"]
    os.kill(before, 9)
    wait_for(
        lambda: development.services()["redis"]["pid"] not in (None, before), 20, "the restart"
    )
    wait_for(development.is_ready, 60, "the system's recovery")


def test_down_keeps_the_data(development: Development) -> None:
    """`down` removes the containers and keeps what they stored; the next `up` finds it."""
    count = ("db", "shell", "--", "-At", "-c", "SELECT count(*) FROM users")
    users, volumes = development.gp(*count).stdout, development.volumes()
    done = development.gp("down")
    assert (done.returncode, done.stderr) == (0, "Stopped.\n")
    assert not development.ids()
    assert development.volumes() == {name for name in volumes if len(name) != 64}
    assert development.gp("status").returncode == 3
    development.up()
    assert development.gp(*count).stdout == users


def test_down_with_volumes_asks_first(development: Development) -> None:
    """`down --volumes` names what it would delete, and deletes nothing without a yes."""
    done = development.gp("down", "--volumes", answer="n\n")
    assert done.returncode == 1
    assert f"{development.project}_postgres-data" in done.stderr
    assert development.ids()
    assert development.gp("down", "--volumes", "--yes").returncode == 0
    assert not development.volumes()

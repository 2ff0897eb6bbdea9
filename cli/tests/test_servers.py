"""The product's backing services, as real servers without Docker: access, data, secrets, crashes."""

import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
import yaml

from groundplan.model import settings
from groundplan.runtime.native.drivers import postgres
from tests.clients import amqp_login, redis, s3
from tests.support import Tree, Workspace, free_port, is_alive, until

REPOSITORY = Path(__file__).parents[2]
NAMES = ("postgres", "redis", "rabbitmq", "storage")


def product(workspace: Workspace, *names: str) -> Workspace:
    """Give a workspace these backing services of the product, at free ports."""

    def read(file: str) -> Tree:
        text = (REPOSITORY / file).read_text()
        text = re.sub(r"_PORT:-\d+", lambda _: f"_PORT:-{free_port()}", text)
        services: Tree = yaml.safe_load(text)["services"]
        return {name: services[name] for name in names}

    shutil.copytree(REPOSITORY / "config", workspace.root / "config", dirs_exist_ok=True)
    workspace.settings.unlink(missing_ok=True)
    example = (REPOSITORY / "config" / ".env.example").read_text()
    workspace.write(
        read("docker-compose.yml"), read("docker-compose.development.yml"), settings=example
    )
    return workspace


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """All backing services of the product, running; a test that ends one waits until it is back."""
    workspace = product(Workspace(tmp_path_factory.mktemp("servers") / "shop"), *NAMES)
    try:
        workspace.up()
        yield workspace
    finally:
        workspace.close()


@pytest.fixture(scope="module")
def secrets(servers: Workspace) -> dict[str, str]:
    """The settings of the running workspace."""
    return settings.read(servers.settings)


def port_of(servers: Workspace, variable: str) -> int:
    """The port that `variable` moves."""
    return int(servers.peek()["ports"][variable])


def psql(servers: Workspace, statement: str) -> str:
    """The answer of the database to a statement, through `gp db shell`."""
    done = servers.gp("db", "shell", "--", "-XAtc", statement)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def management(servers: Workspace, method: str, path: str, user: str, password: str) -> int:
    """The status with which RabbitMQ's management API answers."""
    url = f"http://127.0.0.1:{port_of(servers, 'RABBITMQ_MANAGEMENT_PORT')}/api/{path}"
    queue = {"durable": True, "arguments": {"x-queue-type": "quorum"}}
    body = queue if method == "PUT" else None
    answer = httpx2.request(method, url, auth=(user, password), json=body, trust_env=False)
    return answer.status_code


# -- access -----------------------------------------------------------------------------------


def test_postgres_asks_for_the_password(servers: Workspace, secrets: dict[str, str]) -> None:
    """The database answers with the right password, and refuses a wrong one and none."""
    assert psql(servers, "SELECT current_user, current_database()") == "groundplan|groundplan"
    program = str(postgres.PROGRAM.path.parent / "psql")
    port = str(port_of(servers, "POSTGRES_PORT"))
    address = ["-h", "127.0.0.1", "-p", port, "-U", secrets["POSTGRES_USER"], "-d", "postgres"]
    for password in ({"PGPASSWORD": "wrong"}, {}):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | password
        done = subprocess.run(
            [program, "-w", *address, "-c", "SELECT 1"],
            env=environment | postgres.PROGRAM.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        assert "password" in done.stderr


def test_redis_asks_for_the_password(servers: Workspace, secrets: dict[str, str]) -> None:
    """Redis answers with the right password, and refuses a wrong one and none."""
    port = port_of(servers, "REDIS_PORT")
    assert redis(port, f"AUTH {secrets['REDIS_PASSWORD']}", "PING") == ["+OK", "+PONG"]
    assert redis(port, "AUTH wrong", "PING")[0].startswith("-WRONGPASS")
    assert redis(port, "PING", "GET x")[1].startswith("-NOAUTH")


def test_redis_has_the_products_configuration(servers: Workspace, secrets: dict[str, str]) -> None:
    """Redis reads the file that Compose mounts, beside its own settings."""
    port, password = port_of(servers, "REDIS_PORT"), secrets["REDIS_PASSWORD"]
    answers = redis(port, f"AUTH {password}", "INFO persistence", "INFO memory")
    assert answers[0] == "+OK"
    text = (servers.root / "config/redis/redis.conf").read_text()
    assert "appendonly yes" in text
    assert (servers.load().servers / "volumes/redis-data/appendonlydir").is_dir()


def test_rabbitmq_asks_for_the_password(servers: Workspace, secrets: dict[str, str]) -> None:
    """The broker and its management page take the right password only, and know no `guest`."""
    port = port_of(servers, "RABBITMQ_PORT")
    user, password = secrets["RABBITMQ_DEFAULT_USER"], secrets["RABBITMQ_DEFAULT_PASS"]
    assert amqp_login(port, user, password)
    assert management(servers, "GET", "whoami", user, password) == 200
    assert not amqp_login(port, user, "wrong")
    for wrong in ((user, "wrong"), ("guest", "guest")):
        assert management(servers, "GET", "whoami", *wrong) == 401


def test_storage_asks_for_a_signature(servers: Workspace, secrets: dict[str, str]) -> None:
    """The storage takes requests that are signed with its key, and refuses all others."""
    bucket = f"http://127.0.0.1:{port_of(servers, 'STORAGE_PORT')}/access"
    key_id, secret = secrets["S3_ACCESS_KEY_ID"], secrets["S3_SECRET_ACCESS_KEY"]
    assert s3("PUT", bucket, key_id, secret).status_code == 200
    assert s3("PUT", f"{bucket}/a", key_id, secret, b"hello").status_code == 200
    assert s3("GET", f"{bucket}/a", key_id, secret).content == b"hello"
    assert s3("GET", f"{bucket}/a", key_id, "wrong").status_code == 403
    assert s3("GET", f"{bucket}/a", "nobody-at-all-here", secret).status_code == 403
    assert httpx2.get(f"{bucket}/a", trust_env=False).status_code == 400


def test_all_listen_on_loopback_only(servers: Workspace) -> None:
    """No server, and none of its helpers, listens on another address than this machine's own."""
    sockets = set()
    for pid in servers.processes():
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):
                sockets.add(str(handle.readlink()))
    listening = [
        fields[1].partition(":")[0]
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets
    ]
    assert len(listening) >= 7  # the five of Compose, Erlang's port mapper and its distribution
    assert set(listening) <= {"0100007F", f"{1 << 24:032X}"}  # 127.0.0.1 and ::1


# -- secrets and privileges -------------------------------------------------------------------


def test_no_secret_is_in_a_command_line(servers: Workspace, secrets: dict[str, str]) -> None:
    """Every user of the machine can read command lines, so no secret is in one."""
    hidden = [value for name, value in secrets.items() if re.search("PASS|SECRET", name)]
    lines = servers.processes()
    assert len(lines) > len(NAMES)
    for line in lines.values():
        assert not any(secret in line for secret in hidden)


def test_no_secret_is_in_logs_and_state(servers: Workspace, secrets: dict[str, str]) -> None:
    """What the tool and the servers write holds no secret; servers' own files are out of reach."""
    hidden = [value for name, value in secrets.items() if re.search("PASS|SECRET", name)]
    files = [path for path in servers.state.glob("*") if path.is_file()]
    files += (servers.state / "logs").iterdir()
    assert {"postgres.log", "rabbitmq.log", "state.json"} <= {path.name for path in files}
    for path in files:
        text = path.read_text(errors="replace")
        assert not any(secret in text for secret in hidden), path
    for path in (servers.load().servers / "run").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")
def test_servers_give_up_root(servers: Workspace) -> None:
    """Servers that root starts run as nobody, and so do their helpers."""
    nobody = pwd.getpwnam("nobody").pw_uid
    leaders = {item["pid"] for item in servers.status()["services"]}
    ours = {pid for pid in servers.processes() if os.getsid(pid) in leaders}
    assert len(ours) > len(NAMES)
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in ours} == {nobody}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")
def test_strict_umask_of_root_is_no_obstacle(workspace: Workspace) -> None:
    """Servers that give up root get to their folders, although new files are private to root."""
    before = os.umask(0o077)
    try:
        product(workspace, "redis").up()
    finally:
        os.umask(before)


# -- data and crashes -------------------------------------------------------------------------


def test_data_survive(servers: Workspace, secrets: dict[str, str]) -> None:
    """What was written is there after `down` and `up`, and after a crash of every server."""
    redis_login = f"AUTH {secrets['REDIS_PASSWORD']}"
    broker = (secrets["RABBITMQ_DEFAULT_USER"], secrets["RABBITMQ_DEFAULT_PASS"])
    keys = (secrets["S3_ACCESS_KEY_ID"], secrets["S3_SECRET_ACCESS_KEY"])

    def bucket() -> str:
        return f"http://127.0.0.1:{port_of(servers, 'STORAGE_PORT')}/kept"

    def assert_kept() -> None:
        assert psql(servers, "SELECT n FROM kept") == "42"
        assert redis(port_of(servers, "REDIS_PORT"), redis_login, "GET kept")[1] == "42"
        assert management(servers, "GET", "queues/%2F/kept", *broker) == 200
        assert s3("GET", f"{bucket()}/a", *keys).content == b"42"

    psql(servers, "CREATE TABLE kept AS SELECT 42 AS n")
    redis(port_of(servers, "REDIS_PORT"), redis_login, "SET kept 42")
    assert management(servers, "PUT", "queues/%2F/kept", *broker) == 201
    s3("PUT", bucket(), *keys)
    s3("PUT", f"{bucket()}/a", *keys, body=b"42")
    assert_kept()

    assert servers.gp("down").returncode == 0
    servers.until_ended()
    servers.up()
    assert_kept()

    before = {item["name"]: item["pid"] for item in servers.status()["services"]}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(servers.service(name)["restarts"] for name in NAMES))
    until(lambda: servers.peek()["ready"], seconds=60)
    assert_kept()
    assert {item["restarts"] for item in servers.status()["services"]} == {1}


def test_down_ends_stray_servers(workspace: Workspace) -> None:
    """Servers that outlive a killed supervisor and its keeper are ended by the next `down`."""
    product(workspace, "postgres", "redis", "storage").up()
    strays = [item["pid"] for item in workspace.status()["services"]]
    keeper, supervisor = workspace.keeper(), workspace.peek()["supervisor"]
    os.kill(keeper, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    assert all(map(is_alive, strays))
    assert workspace.gp("down").returncode == 0
    workspace.until_ended()
    assert not any(map(is_alive, strays))


def test_data_of_another_major_version_are_refused(workspace: Workspace) -> None:
    """PostgreSQL's data of another major version are left untouched, and both versions are named."""
    product(workspace, "postgres")
    data = workspace.load().servers / "volumes" / "postgres-data" / "pgdata"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "The data of postgres were written by PostgreSQL 9, and this machine has" in done.stderr
    assert "Install PostgreSQL 9, or start empty: ./gp down --volumes" in done.stderr
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("postgres", "POSTGRES_PASSWORD"),
        ("redis", "REDIS_PASSWORD"),
        ("rabbitmq", "RABBITMQ_DEFAULT_PASS"),
        ("storage", "RCLONE_AUTH_KEY"),
    ],
)
def test_server_without_its_secret_does_not_start(
    workspace: Workspace, name: str, setting: str
) -> None:
    """A server whose password is empty is not started without one."""
    product(workspace, name).load()
    lines = workspace.settings.read_text().splitlines()
    emptied = [f"{setting}=" if line.startswith(setting) else line for line in lines]
    workspace.settings.write_text("\n".join(emptied))
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert f"{name} needs {setting}" in done.stderr
    workspace.until_ended()

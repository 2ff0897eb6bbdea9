"""Production as it runs: the flows over TLS, and every claim about its containers and servers."""

import csv
import gzip
import io
import json
import re
import socket
import ssl
import struct
import time
from collections.abc import Callable

import httpx2
import pytest

from engine import API_REPLICAS, DOMAIN, DOWNLOADS_DOMAIN, Container, Production, docker
from harness import await_job, new_user, start_export, wait_for
from load import Load

# The resource table of the reference.
LIMITS = {
    "frontend": (0.5, 512),
    "api": (1.0, 1024),
    "worker": (1.0, 1024),
    "postgres": (2.0, 2048),
    "redis": (0.5, 512),
    "rabbitmq": (1.0, 1024),
}
DOWNLOADS = f"https://{DOWNLOADS_DOMAIN}"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def containers(production: Production) -> list[Container]:
    """All containers that run."""
    return production.containers()


# The flows


def test_login_read_and_cache(production: Production, admin_token: str) -> None:
    """A list comes from the database once, then from the cache, through the load balancer."""
    user = new_user()
    with production.api(admin_token) as client:
        assert client.post("/users", json=user).status_code == 201
        query = {"q": user["email"]}
        answers = [client.get("/users", params=query) for _ in range(2)]
    assert [answer.json()["items"][0]["email"] for answer in answers] == [user["email"]] * 2
    assert "fwd=miss" in answers[0].headers["Cache-Status"]
    assert answers[1].headers["Cache-Status"].endswith("hit")


def test_every_replica_answers(production: Production, admin_token: str) -> None:
    """Requests are shared out between all replicas of the API."""
    with production.api(admin_token) as client:
        ids = {client.get("/users").headers["X-Request-ID"] for _ in range(30)}
    logs = [docker("logs", each.id) for each in production.containers("api")]
    assert len(logs) == API_REPLICAS
    assert all(any(each in log for each in ids) for log in logs)


def test_an_export_is_made_told_and_downloaded(production: Production, admin_token: str) -> None:
    """An export is followed by server-sent events, and its signed link gives the file."""
    with production.api(admin_token) as client:
        with client.stream("GET", "/events") as events:
            assert events.status_code == 200
            job = start_export(client)
            seen: list[str] = []
            for line in events.iter_lines():
                if line.startswith("data:") and job["id"] in line:
                    seen.append(json.loads(line[5:])["status"])
                    if seen[-1] == "succeeded":
                        break
        link = client.get(f"/jobs/{job['id']}/download").headers["Location"]
    assert link.startswith(f"{DOWNLOADS}/")
    with production.client(DOWNLOADS) as downloads:
        answer = downloads.get(link)
        refused = {
            "without a signature": downloads.get(link.partition("?")[0]),
            "a bucket": downloads.get("/groundplan?list-type=2"),
            "a write": downloads.put(link, content=b"x"),
            "a changed link": downloads.get(link.replace("/exports/", "/other/")),
        }
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(answer.content).decode())))
    assert "admin@example.com" in {row["email"] for row in rows}
    assert {what: each.status_code for what, each in refused.items()} == dict.fromkeys(refused, 403)


def test_a_large_export_keeps_its_bytes(production: Production, admin_token: str) -> None:
    """A file of several parts comes back whole, also a piece out of its middle."""
    count = 100_000
    production.container("api").run("python", "-m", "app.seed", str(count))
    with production.api(admin_token) as client:
        job = start_export(client, compression="none")
        done = await_job(client, job["id"])
        assert done["status"] == "succeeded", done
        link = client.get(f"/jobs/{job['id']}/download").headers["Location"]
    with production.client(DOWNLOADS) as downloads:
        content = downloads.get(link).content
        part = downloads.get(link, headers={"Range": "bytes=5000000-5000099"})
    assert content.count(b"\n") >= count
    assert part.content == content[5_000_000:5_000_100]


# TLS and the load balancer


def test_http_is_redirected(production: Production) -> None:
    """Plain HTTP gives nothing but the address with https."""
    with httpx2.Client() as client:
        answer = client.get(
            f"http://127.0.0.1:{production.http_port}/users", headers={"Host": DOMAIN}
        )
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://{DOMAIN}/users")


@pytest.mark.parametrize("path", ["/", "/api/v1/users", "/assets/none.js"])
def test_headers_of_every_answer(production: Production, path: str) -> None:
    """Each answer asks for TLS once, forbids sniffing, offers HTTP/3 and doesn't tell what runs."""
    with production.client() as client:
        answer = client.get(path)
    assert answer.headers.get_list("Strict-Transport-Security") == ["max-age=31536000"]
    assert answer.headers.get_list("X-Content-Type-Options") == ["nosniff"]
    assert answer.status_code == 404 or "Content-Security-Policy" in answer.headers
    assert answer.headers["Alt-Svc"].startswith('h3=":443"')
    assert not {"Server", "Via", "X-Powered-By"} & set(answer.headers)


def test_http_2(production: Production) -> None:
    """A client that offers HTTP/2 gets it, over TLS 1.3 with a certificate for the domain."""
    context = production.tls
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", production.https_port)) as plain,
        context.wrap_socket(plain, server_hostname=DOMAIN) as wrapped,
    ):
        assert (wrapped.selected_alpn_protocol(), wrapped.version()) == ("h2", "TLSv1.3")
    context.set_alpn_protocols(["http/1.1"])


def test_old_tls_is_refused(production: Production) -> None:
    """TLS 1.1 is not spoken."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", production.https_port)) as plain,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(plain, server_hostname=DOMAIN)


def test_quic(production: Production) -> None:
    """The published UDP port speaks QUIC: it answers an unknown version with those that it knows."""
    unknown = struct.pack("!BIB8sB8s", 0xC0, 0x1A2A3A4A, 8, b"12345678", 8, b"87654321")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(5)
        udp.sendto(unknown.ljust(1200, b"\0"), ("127.0.0.1", production.https_port))
        answer = udp.recv(1500)
    assert answer[1:5] == bytes(4)  # a version negotiation
    assert struct.pack("!I", 1) in answer


def test_the_address_of_the_client_is_not_forged(production: Production) -> None:
    """The API sees who asked the load balancer, whatever the request says."""
    path = "/api/v1/forged"
    with production.client() as client:
        answer = client.get(path, headers={"X-Forwarded-For": "203.0.113.9"})
    gateway = edge_gateway(production)
    logs = "".join(docker("logs", each.id) for each in production.containers("api"))
    line = next(line for line in logs.splitlines() if answer.headers["X-Request-ID"] in line)
    assert json.loads(line)["client"] == gateway


def edge_gateway(production: Production) -> str:
    """The address from which this machine reaches the network of the load balancer."""
    networks = production.container("load-balancer").details["NetworkSettings"]["Networks"]
    return str(next(each["Gateway"] for name, each in networks.items() if name.endswith("_edge")))


def test_links_and_tokens_are_not_logged(production: Production, admin_token: str) -> None:
    """Neither the signature of a link nor a token appears in what the load balancer logs."""
    with production.client(DOWNLOADS) as downloads:
        link = "/groundplan/x?X-Amz-Signature=canary-signature"
        downloads.get(link, headers={"Authorization": f"Bearer {admin_token}"})
    log = docker("logs", production.container("load-balancer").id)
    assert "REDACTED" in log
    assert "canary-signature" not in log
    assert admin_token not in log


# The containers


def test_only_the_load_balancer_is_published(containers: list[Container]) -> None:
    """No other container has a port on this machine."""
    published = {
        each.service: sorted(
            port for port, to in each.details["NetworkSettings"]["Ports"].items() if to
        )
        for each in containers
    }
    assert {name: ports for name, ports in published.items() if ports} == {
        "load-balancer": ["443/tcp", "443/udp", "80/tcp"]
    }


def test_nobody_is_root_or_has_rights(containers: list[Container]) -> None:
    """Every process of every container has another user than root, no right, and may get none."""
    nothing = {"0" * 16}
    for each in containers:
        table = each.run(
            "sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null; true"
        )  # some end meanwhile
        users = {user for line in re.findall(r"^Uid:(.*)$", table, re.M) for user in line.split()}
        assert users, each.service
        assert "0" not in users, each.service
        for right in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
            found = set(re.findall(rf"^{right}:\s*(\w+)$", table, re.M))
            assert found == nothing, f"{each.service} has {right} {found}"
        assert set(re.findall(r"^NoNewPrivs:\s*(\d)$", table, re.M)) == {"1"}, each.service


def test_root_file_systems_are_read_only(containers: list[Container]) -> None:
    """No container can write to its root, and a tmpfs can't be executed from."""
    for each in containers:
        assert each.details["HostConfig"]["ReadonlyRootfs"], each.service
        assert "Read-only" in each.run("sh", "-c", "echo x > /probe", check=False), each.service
        mounts = each.read("/proc/1/mounts").splitlines()
        root = next(line for line in mounts if line.split()[1] == "/")
        assert root.split()[3].startswith("ro"), each.service


def test_limits(containers: list[Container]) -> None:
    """CPU and memory are those of the reference; every container has them, and a limit of processes."""
    for each in containers:
        host = each.details["HostConfig"]
        found = (host["NanoCpus"] / 1e9, host["Memory"] // MIB)
        assert all(found), each.service
        assert found == LIMITS.get(each.service, found), each.service
        assert 0 < host["PidsLimit"] <= 400, each.service


def test_limits_are_in_force(production: Production) -> None:
    """The kernel's own figures of the API's container are those limits."""
    group = production.container("api").run(
        "sh",
        "-c",
        "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max 2>/dev/null ||"
        " cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max",
    )
    assert group.split() == [str(1024 * MIB), "200"]


def test_logs_are_rotated_and_containers_restarted(containers: list[Container]) -> None:
    """Logs can't fill the disk; what ends is started again."""
    for each in containers:
        host = each.details["HostConfig"]
        assert host["LogConfig"] == {
            "Type": "json-file",
            "Config": {"max-size": "10m", "max-file": "5"},
        }, each.service
        assert host["RestartPolicy"]["Name"] == "unless-stopped", each.service


def test_nothing_of_the_host_is_shared(containers: list[Container]) -> None:
    """No namespace, device or writable folder of the host; only settings and secrets to read."""
    for each in containers:
        host = each.details["HostConfig"]
        assert not host["Privileged"]
        assert {host[key] for key in ("PidMode", "UTSMode", "UsernsMode")} == {""}
        assert host["IpcMode"] == "private"
        assert not host["Devices"]
        binds = [mount for mount in each.details["Mounts"] if mount["Type"] == "bind"]
        assert not [mount["Source"] for mount in binds if mount["RW"]], each.service


# The servers


def in_container(container: Container, script: str) -> str:
    """What Python prints in a container of the API, errors too."""
    return container.run("python", "-", text=script, check=False)


CONNECT = """
import asyncio, asyncpg, os, ssl
def read(name): return open("/run/secrets/" + name).read().strip()
async def connect(**options):
    defaults = dict(host="postgres", database=os.environ["POSTGRES_DB"], user=read("api-postgres-user"),
                    password=read("api-postgres-password"),
                    ssl=ssl.create_default_context(cafile="/run/secrets/internal-ca"))
    return await asyncpg.connect(**{**defaults, **options})
async def main():
    connection = await connect(%s)
    print(await connection.fetchval(%r))
try: asyncio.run(main())
except Exception as error: print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("options", "statement", "expected"),
    [
        ("", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", "True"),
        ("", "SELECT rolsuper FROM pg_roles WHERE rolname = current_user", "False"),
        ("ssl=False", "SELECT 1", "no encryption"),
        ("password='wrong'", "SELECT 1", "InvalidPasswordError"),
        ("user='postgres'", "SELECT 1", "InvalidPasswordError"),
        ("host='localhost'", "SELECT 1", "Error"),
        ("", "SHOW password_encryption", "scram-sha-256"),
        ("", "CREATE TABLE intruder (id int)", "InsufficientPrivilegeError"),
        ("", "SELECT pg_read_file('/etc/passwd')", "InsufficientPrivilegeError"),
    ],
)
def test_postgresql_from_the_api(
    production: Production, options: str, statement: str, expected: str
) -> None:
    """PostgreSQL wants TLS and the password, and the API's user is no superuser."""
    api = production.container("api")
    assert expected in in_container(api, CONNECT % (options, statement))


def test_passwords_are_kept_as_scram(production: Production) -> None:
    """No password of PostgreSQL is kept in a weaker form."""
    weak = "SELECT count(*) FROM pg_authid WHERE rolpassword NOT LIKE 'SCRAM-SHA-256$%'"
    assert psql(production, weak) == "0"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT count(id) FROM users", ""),
        ("SELECT password_hash FROM users", "permission denied"),
        ("SELECT * FROM users", "permission denied"),
        ("UPDATE users SET name = 'x'", "permission denied"),
        ("DELETE FROM jobs", "permission denied"),
    ],
)
def test_the_worker_reads_no_password_hash(
    production: Production, statement: str, expected: str
) -> None:
    """The worker's own login may read what it exports, and no more."""
    user = production.secret("worker-postgres-user")
    done = psql(production, f"SET SESSION AUTHORIZATION {user}; {statement}", check=False)
    assert expected in done if expected else done.split()[-1].isdigit()


def psql(production: Production, statement: str, check: bool = True) -> str:
    """What PostgreSQL answers to its owner, over the socket in its container."""
    words = ("psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-U", "groundplan", "-d", "groundplan")
    return production.container("postgres").run(*words, text=statement, check=check).strip()


def redis(production: Production, user: str, secret: str, *commands: str) -> list[str]:
    """What Redis answers to a user, an answer a line."""
    sign_in = f"AUTH {user} {production.secret(secret)}" if user else ""
    text = "\n".join(filter(None, [sign_in, *commands])) + "\n"
    lines = production.container("redis").run("redis-cli", text=text).splitlines()
    return [line for line in lines if line]


def test_redis_lets_nobody_in_without_a_password(production: Production) -> None:
    """The default user is off."""
    assert redis(production, "", "", "GET x")[0].startswith("NOAUTH")
    assert "WRONGPASS" in redis(production, "default", "redis-password")[0]
    assert "WRONGPASS" in redis(production, "api", "redis-password")[0]


@pytest.mark.parametrize("user", ["api", "admin"])
def test_redis_has_no_dangerous_commands(production: Production, user: str) -> None:
    """Nobody may erase everything, change the configuration or run what is not a command of data."""
    secret = "redis-password" if user == "admin" else f"{user}-redis-password"
    commands = ("FLUSHALL", "FLUSHDB", "CONFIG SET dir /", "DEBUG SLEEP 0", "KEYS *", "MODULE LIST")
    answers = redis(production, user, secret, *commands)
    assert answers[0] == "OK"
    assert len(answers) == 1 + len(commands)
    refusals = ("NOPERM", "ERR DEBUG command not allowed")
    assert all(answer.startswith(refusals) for answer in answers[1:]), answers


def test_the_api_reaches_its_own_keys_only(production: Production) -> None:
    """Keys of others in the same Redis are closed to the API's user."""
    answers = redis(production, "api", "api-redis-password", "GET groundplan:x", "GET other:x")
    assert answers[0] == "OK"
    assert answers[-1].startswith("NOPERM")


def test_users_of_rabbitmq(production: Production) -> None:
    """There is no guest; the API may publish only, and the worker use the queues of jobs only."""
    broker = production.container("rabbitmq")
    users = json.loads(broker.run("rabbitmqctl", "-q", "list_users", "--formatter", "json"))
    assert {each["user"]: each["tags"] for each in users} == {
        "admin": ["administrator"],
        production.secret("api-rabbitmq-user"): [],
        production.secret("worker-rabbitmq-user"): [],
    }
    found = json.loads(broker.run("rabbitmqctl", "-q", "list_permissions", "--formatter", "json"))
    rights = {each["user"]: (each["configure"], each["write"], each["read"]) for each in found}
    assert rights[production.secret("api-rabbitmq-user")] == ("^$", "^jobs$", "^$")
    own = r"^jobs(\.dead)?$"
    assert rights[production.secret("worker-rabbitmq-user")] == (own, own, own)
    plugins = broker.run("rabbitmq-plugins", "-q", "list", "--enabled", "--minimal")
    assert plugins.split() == []


def test_objects_are_encrypted(production: Production, admin_token: str) -> None:
    """Neither the content nor the name of an object can be read on the disk."""
    with production.api(admin_token) as client:
        job = start_export(client, compression="none")
        assert await_job(client, job["id"])["status"] == "succeeded"
    storage = production.container("storage")
    names = storage.run("sh", "-c", "cd /var/tmp && find . -type f")
    assert names.strip()
    assert not re.search(r"groundplan|exports|users|csv", names)
    assert (
        storage.run("sh", "-c", "! grep -rqa 'admin@example.com' /var/tmp && echo none") == "none\n"
    )
    assert "RCLONE" in storage.run("sh", "-c", "head -qc 6 $(find /var/tmp -type f | head -n 1)")


# Faults under load


def test_a_rolling_replacement_fails_no_request(production: Production, load: Load) -> None:
    """While all replicas of the API are replaced, every request is answered well."""
    before = {each.id for each in production.containers("api")}
    with load:
        time.sleep(1)  # a moment of ordinary load
        done = production.gp("deploy", "--no-build", "--force", "api")
        time.sleep(1)
    assert done.returncode == 0, done.stderr
    after = {each.id for each in production.containers("api")}
    assert (len(after), after & before) == (API_REPLICAS, set())
    print(f"{load.requests} requests, {len(load.failures)} failed")
    assert load.failures == []


def test_a_killed_replica_costs_next_to_nothing(
    production: Production, load: Load, admin_token: str
) -> None:
    """One of three replicas is killed: at most 0.1 % of requests fail, and no acknowledged write is lost."""
    victim = production.container("api")
    with load:
        wait_for(lambda: load.requests > 200, 30, "ordinary load")
        production.kill(victim)
        wait_for(lambda: load.requests > 2000, 90, "load after the fault")
    production.await_healthy()
    print(f"{load.requests} requests, {len(load.failures)} failed: {load.failures}")
    assert load.failed <= 0.001, load.failures
    assert lost(production, load, admin_token) == set()


@pytest.mark.parametrize(
    "service",
    ["load-balancer", "frontend", "gateway", "worker", "redis", "rabbitmq", "storage", "postgres"],
)
def test_a_killed_container_comes_back(
    production: Production, load: Load, admin_token: str, service: str
) -> None:
    """Any container may be killed under load: it comes back by itself, and no acknowledged write is lost."""
    victim = production.container(service)
    with load:
        wait_for(lambda: load.requests > 50, 30, "ordinary load")
        production.kill(victim)
        wait_for(restarted(production, victim), 60, f"the restart of {service}")
        production.await_healthy()
    assert lost(production, load, admin_token) == set()
    with production.api(admin_token) as client:
        job = start_export(client)
        assert await_job(client, job["id"], 90)["status"] == "succeeded"


def restarted(production: Production, victim: Container) -> Callable[[], bool]:
    """Tells whether a container has been started anew."""
    pid = victim.details["State"]["Pid"]

    def look() -> bool:
        pids = {
            each.id: each.details["State"]["Pid"] for each in production.containers(victim.service)
        }
        return pids.get(victim.id, 0) not in (0, pid)

    return look


def lost(production: Production, load: Load, token: str) -> set[str]:
    """The acknowledged writes that are not there."""
    with production.api(token) as client:
        answer = client.get("/roles")
    assert load.acknowledged
    return load.acknowledged - {role["name"] for role in answer.json()["items"]}


def test_commands_look_at_production(production: Production) -> None:
    """Status and logs tell of production when asked, and of nothing of it when not."""
    state = json.loads(production.gp("status", "--production", "--json").stdout)
    assert state["ready"]
    found = {service["name"]: service for service in state["services"]}
    assert found.keys() == production.workspace.services.keys()
    assert found["load-balancer"]["ports"]["443"] == production.https_port
    logs = production.gp("logs", "gateway", "--production", "--lines", "5")
    assert logs.returncode == 0, logs.stderr
    assert logs.stdout.startswith("gateway")
    would = production.gp("down", "--production", "--volumes", "--dry-run").stderr
    assert "postgres-data" in would
    assert not json.loads(production.gp("status", "--json").stdout)["ready"]

"""Every secret is changed while requests go on: none fails, and the old credential is refused afterwards."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from engine import Production, docker
from harness import await_job, start_export, wait_for
from load import Load

_LOGIN_EVERY = 8.0  # seconds: below the limit on logins of one user
_STORAGE = """
import os, sys, obstore
from obstore.store import S3Store
key, secret = sys.stdin.read().split()
store = S3Store(os.environ["S3_BUCKET"], endpoint=os.environ["S3_ENDPOINT"], region="us-east-1",
    access_key_id=key, secret_access_key=secret, client_options={"allow_http": True})
obstore.put(store, "rotation-test", b"here")
"""
_CERTIFICATE = """
import socket, ssl, struct, sys
context = ssl.create_default_context(cadata=sys.stdin.read())
with socket.create_connection(("postgres", 5432)) as plain:
    plain.sendall(struct.pack("!ii", 8, 80877103))
    assert plain.recv(1) == b"S"
    with context.wrap_socket(plain, server_hostname="postgres") as tls:
        print(tls.getpeercert()["serialNumber"])
"""

Secrets = Mapping[str, str]


@contextmanager
def journeys(production: Production, email: str, password: str) -> Iterator[list[str]]:
    """Sign in, export and wait for the file, again and again; gives what went wrong, in the end."""
    ended = threading.Event()
    failures: list[str] = []
    done: list[str] = []

    def go() -> None:
        while not ended.is_set():
            try:
                token = production.sign_in(email, password)
                with production.api(token) as client:
                    job = await_job(client, start_export(client)["id"])
                (done if job["status"] == "succeeded" else failures).append(str(job))
            except (AssertionError, httpx2.TransportError) as error:
                failures.append(repr(error))
            ended.wait(_LOGIN_EVERY)

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield failures
    finally:
        ended.set()
        thread.join()
    assert done or failures


def secrets(production: Production) -> dict[str, str]:
    """All secrets as they are."""
    folder = production.root / "config" / "production" / "secrets"
    return {file.name: file.read_text() for file in folder.iterdir()}


def rotate(production: Production, name: str) -> None:
    """Rotate to the end, with nothing of the old one left."""
    done = production.gp("secrets", "rotate", name, "--finish")
    assert done.returncode == 0, done.stderr


def database(user: str) -> Callable[[Production, Secrets], bool]:
    """Whether the login, or the owner for "", can connect over the network."""

    def accepts(production: Production, values: Secrets) -> bool:
        name = values.get(f"{user}-postgres-user", "groundplan")
        password = values[f"{user}-postgres-password" if user else "postgres-password"]
        script = (
            f"PGPASSWORD={password} exec psql 'host=postgres user={name} dbname=groundplan' -c ''"
        )
        return _works(production, "postgres", "sh", "-s", text=script)

    return accepts


def broker(user: str) -> Callable[[Production, Secrets], bool]:
    """Whether the user, or the administrator for "", can sign in."""

    def accepts(production: Production, values: Secrets) -> bool:
        name = values.get(f"{user}-rabbitmq-user", "admin")
        password = values[f"{user}-rabbitmq-password" if user else "rabbitmq-password"]
        words = ("rabbitmqctl", "-q", "authenticate_user", name, password)
        return _works(production, "rabbitmq", *words)

    return accepts


def cache(user: str) -> Callable[[Production, Secrets], bool]:
    """Whether the user, or the administrator for "", can sign in."""

    def accepts(production: Production, values: Secrets) -> bool:
        password = values[f"{user}-redis-password" if user else "redis-password"]
        lines = f"AUTH {user or 'admin'} {password}\nPING\n"
        said = production.container("redis").run("redis-cli", text=lines)
        assert said.split()[0] in ("OK", "WRONGPASS"), said
        return said.split() == ["OK", "PONG"]

    return accepts


def storage(production: Production, values: Secrets) -> bool:
    """Whether the key can write."""
    pair = f"{values['s3-access-key-id']} {values['s3-secret-access-key']}"
    return _works(production, "api", "python", "-c", _STORAGE, text=pair)


def repository(production: Production, values: Secrets) -> bool:
    """Whether the key opens the repository of backups, which is made where there is none."""
    assert production.gp("backup", "now", "--kind", "storage", "--production").returncode == 0
    script = f"BACKUP_PASSWORD={values['backup-password'].strip()} exec python -m backup list"
    return _works(production, "backup", "sh", "-s", text=script)


def authority(production: Production, values: Secrets) -> bool:
    """Whether the database's certificate is one of that authority."""
    return _works(production, "api", "python", "-c", _CERTIFICATE, text=values["internal-ca"])


def _works(production: Production, service: str, *words: str, text: str = "") -> bool:
    command = ["docker", "exec", "-i", production.container(service).id, *words]
    return subprocess.run(command, input=text, text=True, capture_output=True).returncode == 0


ROTATIONS: dict[str, Callable[[Production, Secrets], bool]] = {
    "api-postgres": database("api"),
    "worker-postgres": database("worker"),
    "postgres": database(""),
    "api-rabbitmq": broker("api"),
    "worker-rabbitmq": broker("worker"),
    "rabbitmq": broker(""),
    "api-redis": cache("api"),
    "redis": cache(""),
    "backup-postgres": database("backup"),
    "backup-redis": cache("backup"),
    "backup": repository,
    "s3": storage,
    "internal-ca": authority,
}


def test_all_are_tried(production: Production) -> None:
    """Every rotation that there is has a test here."""
    listed = json.loads(production.gp("secrets", "rotate", "--json").stdout)
    names = {item["name"] for item in listed}
    assert names == {*ROTATIONS, "postgres-certificate", "jwt"}


# In the pipeline one of them stands for all.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name == "api-postgres" else [pytest.mark.long])
        for name in ROTATIONS
    ],
)
def test_rotation(production: Production, load: Load, name: str) -> None:
    """No request fails while the credential changes; the new one is accepted, the old one is not."""
    accepts = ROTATIONS[name]
    old = secrets(production)
    assert accepts(production, old)
    with load, journeys(production, "admin@example.com", old["admin-password"]) as failures:
        rotate(production, name)
    assert load.failures + failures == []
    assert load.requests
    assert accepts(production, secrets(production))
    assert not accepts(production, old)


def test_certificate(production: Production) -> None:
    """The database shows its new certificate to new sessions, and those that are open go on."""
    authority = production.secret("internal-ca")
    container = production.container("api")
    before = container.run("python", "-c", _CERTIFICATE, text=authority)
    sessions = "SELECT min(backend_start) FROM pg_stat_activity WHERE usename LIKE 'api_%'"
    script = f'psql -At -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "{sessions}"'
    began = production.container("postgres").run("sh", "-c", script)
    rotate(production, "postgres-certificate")
    assert container.run("python", "-c", _CERTIFICATE, text=authority) != before
    assert production.container("postgres").run("sh", "-c", script) == began


def test_interrupted(production: Production, load: Load) -> None:
    """A rotation whose process is killed goes on where it stopped, and no request fails."""
    old = secrets(production)
    with load:
        process = subprocess.Popen(
            [sys.executable, "-m", "groundplan", "secrets", "rotate", "worker-rabbitmq"],
            env={**production.project.process_environment, "GROUNDPLAN_ROOT": str(production.root)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        journal = production.root / "config/production/secrets/.rotation-worker-rabbitmq.json"
        wait_for(lambda: _steps_done(journal) >= 3, 60, "the renewal of the worker")
        process.kill()
        process.wait()
        refused = production.gp("secrets", "rotate", "api-rabbitmq")
        assert "Finish it first: ./gp secrets rotate worker-rabbitmq" in refused.stderr
        rotate(production, "worker-rabbitmq")
    assert load.failures == []
    assert not broker("worker")(production, old)
    assert broker("worker")(production, secrets(production))
    production.await_healthy()


def _steps_done(journal: Path) -> int:
    return int(json.loads(journal.read_text())["done"]) if journal.exists() else 0


def test_keys_of_tokens(production: Production, load: Load) -> None:
    """Tokens of the old key work until it is forgotten; requests fail at no time before."""
    password = production.secret("admin-password")
    token = production.sign_in("admin@example.com", password)
    with load:
        done = production.gp("secrets", "rotate", "jwt")
    assert done.returncode == 0, done.stderr
    assert "the old one is still believed" in done.stderr
    assert load.failures == []
    with production.api(token) as client:
        assert client.get("/users").status_code == 200
    fresh = production.sign_in("admin@example.com", password)
    rotate(production, "jwt")
    for held, status in ((token, 401), (fresh, 200)):
        with production.api(held) as client:
            assert client.get("/users").status_code == status


def test_nothing_is_left(production: Production) -> None:
    """Afterwards there is no journal, and all is as it was: the same number of containers, all healthy."""
    production.await_healthy()
    assert not [name for name in secrets(production) if name.startswith(".")]
    label = f"label=com.docker.compose.project={production.project.name}"
    stopped = docker("ps", "--quiet", "--filter", "status=exited", "--filter", label).split()
    assert len(stopped) <= 1  # the migration

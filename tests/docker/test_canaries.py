"""The secrets of the running system are looked for wherever they must not be.

Each is a random text that is nowhere else, made before the images were built.
"""

import base64
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from engine import Production, docker
from groundplan.model.place import SECRETS_FOLDER
from harness import await_job, start_export

_PUBLIC = re.compile(r".+-user|.+-certificate|internal-ca|rabbitmq-definitions|s3-access-key-id")
_LEAST = 12
_NOBODY = "65534:65534"
_PROCESSES = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; true"


@pytest.fixture(scope="module")
def canaries(production: Production) -> dict[str, str]:
    """What to look for, with the name of its secret: each line as it is, and in base64."""
    found = {}
    for file in (production.root / SECRETS_FOLDER).iterdir():
        if _PUBLIC.fullmatch(file.name) or file.name.startswith("."):
            continue
        lines = [line for line in file.read_text().splitlines() if not line.startswith("-----")]
        # The later lines of a private key are its public one, which certificates have, too.
        for line in lines[:1] if file.name.endswith("-key") else lines:
            if len(line) >= _LEAST:
                found[line] = file.name
                found[base64.b64encode(line.encode()).decode().rstrip("=")[:-1]] = file.name
    assert len(set(found.values())) > _LEAST
    return found


@pytest.fixture(scope="module")
def provoked(production: Production, admin_token: str) -> list[str]:
    """What the system answers when it is used, misused and broken; its logs have it afterwards."""
    answers: list[httpx2.Response] = []
    with production.client() as anyone, production.api(admin_token) as admin:
        login = "/api/v1/auth/login"
        answers += [
            anyone.post(login, json={"email": "a@example.com", "password": "wrong password"}),
            anyone.post(login, content=b"{"),
            anyone.get("/api/v1/users", headers={"Authorization": "Bearer nonsense"}),
            anyone.get("/nowhere"),
            anyone.get("/api/v1/nowhere"),
            admin.post("/export", json={"type": "nothing"}),
        ]
        job = await_job(admin, start_export(admin)["id"])
        answers.append(admin.get(f"/jobs/{job['id']}/download", follow_redirects=False))
        answers += _without_database(production, admin)
    production.await_healthy()
    statuses = {answer.status_code for answer in answers}
    assert statuses >= {401, 404, 422}
    assert statuses & {500, 502, 503, 504}
    return [f"{answer.headers}\n{answer.text}" for answer in answers]


def _without_database(production: Production, admin: httpx2.Client) -> Iterator[httpx2.Response]:
    postgres = production.container("postgres")
    postgres.run("sh", "-c", "kill -INT 1", check=False)
    for number in range(5):
        yield admin.get("/users", params={"q": f"nobody-{number}"})
        time.sleep(0.2)  # the outage lasts about a second
    docker("start", postgres.id)


def leaks(canaries: dict[str, str], text: str) -> set[str]:
    """The names of the secrets that are in `text`."""
    return {name for canary, name in canaries.items() if canary in text}


def test_canaries_are_found(canaries: dict[str, str]) -> None:
    """The search finds what it looks for."""
    some = next(iter(canaries))
    assert leaks(canaries, f"before {some} after") == {canaries[some]}


def test_answers(canaries: dict[str, str], provoked: list[str]) -> None:
    """No answer has a secret in it, error pages neither."""
    assert leaks(canaries, "\n".join(provoked)) == set()


@pytest.mark.usefixtures("provoked")
def test_logs(production: Production, canaries: dict[str, str]) -> None:
    """No service has written a secret."""
    logs = production.project.run("logs", "--no-color", "--timestamps").stdout
    assert "login" in logs
    assert leaks(canaries, logs) == set()


def test_inspect(production: Production, canaries: dict[str, str]) -> None:
    """Nothing that the engine tells of containers, images, networks and volumes has a secret in it."""
    label = f"label=com.docker.compose.project={production.project.name}"
    for kind, words in {
        "container": ("ps", "--all", "--quiet"),
        "network": ("network", "ls", "--quiet"),
        "volume": ("volume", "ls", "--quiet"),
    }.items():
        ids = docker(*words, "--filter", label).split()
        assert leaks(canaries, docker("inspect", "--type", kind, *ids)) == set()
    assert leaks(canaries, docker("inspect", "--type", "image", *_images(production))) == set()


def test_compose(production: Production, canaries: dict[str, str]) -> None:
    """`docker compose config` shows paths of secrets, and none of them."""
    assert leaks(canaries, production.project.run("config").stdout) == set()


def test_tool(production: Production, canaries: dict[str, str]) -> None:
    """The tool shows names of secrets, and none of them."""
    for words in (
        "secrets check",
        "secrets rotate --all --dry-run",
        "doctor --production",
        "deploy --dry-run",
    ):
        said = production.gp(*words.split())
        assert leaks(canaries, said.stdout + said.stderr) == set()


def test_process_lists(production: Production, canaries: dict[str, str]) -> None:
    """No command line has a secret in it, and no other user of a container sees one in an environment."""
    for container in production.containers():
        assert leaks(canaries, docker("top", container.id, "-eo", "pid,args")) == set()
        script = ("--user", _NOBODY, container.id, "sh", "-c", _PROCESSES)
        assert leaks(canaries, docker("exec", *script)) == set()


def test_environments(production: Production, canaries: dict[str, str]) -> None:
    """What a container was started with has paths of secrets only."""
    for container in production.containers():
        assert leaks(canaries, "\n".join(container.details["Config"]["Env"] or [])) == set()


def test_images(production: Production, canaries: dict[str, str], tmp_path: Path) -> None:
    """Neither the layers of our images nor their history have a secret in them."""
    needles = tmp_path / "needles"
    needles.write_text("\n".join(canaries))
    for image in _images(production):
        assert leaks(canaries, docker("history", "--no-trunc", image)) == set()
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as save:
            words = ["grep", "--text", "--count", "--fixed-strings", f"--file={needles}"]
            found = subprocess.run(words, stdin=save.stdout, capture_output=True, text=True)
        assert save.returncode == 0
        assert found.stdout.strip() == "0", f"{image} has a secret in it"


def _images(production: Production) -> set[str]:
    """The images that are built here."""
    services = production.workspace.services.values()
    names = {service.image.rpartition(":")[0] for service in services if service.context}
    tag = production.image.rpartition(":")[2]
    return {f"{name}:{tag}" for name in names}

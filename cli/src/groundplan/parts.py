"""The parts of a workspace that have tests and linters: each service built here, the tool, the system."""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from groundplan.errors import UserError
from groundplan.model.workspace import Service, Workspace
from groundplan.runtime.native import cache, requirements
from groundplan.runtime.native.debian import Packages
from groundplan.runtime.native.drivers import source
from groundplan.runtime.native.requirements import DebianProgram, Requirement

CHROMIUM = DebianProgram(
    "Chromium",
    Packages(
        "chromium",
        ("chromium", "fonts-dejavu-core", "libatomic1"),  # Playwright's own Node.js wants the last
        without=("libllvm", "mesa-", "libgl1-mesa", "upower", "systemd"),
    ),
    "chromium",
    ("usr/lib/chromium", "usr/bin"),
)
FAKETIME = DebianProgram(
    "libfaketime",
    Packages("libfaketime", ("libfaketime",)),
    "libfaketime.so.1",
    ("usr/lib/*/faketime",),
    on_path=False,
)

_PYTHON_LINTERS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))
_PYTHON_FIXERS = (("ruff", "check", "--fix", "."), ("ruff", "format", "."))


@dataclass(frozen=True)
class ToolEnvironment:
    """What the tool's own environment needs for tests and linters, beyond running."""

    root: Path

    title = "Test tools"
    remedy = "installs cli/requirements-dev.lock into .venv"

    @property
    def _lock(self) -> Path:
        return self.root / "cli" / "requirements-dev.lock"

    def find(self) -> str | None:
        """The environment, if it is what the lock file says."""
        stamp = self.root / ".venv" / "installed-dev.lock"
        return str(stamp.parent) if requirements.is_same(self._lock, stamp) else None

    def fetch(self, report: cache.Report) -> None:
        """Install the development packages into the tool's environment."""
        venv = self.root / ".venv"
        requirements.install_locked(venv, self._lock, report)
        shutil.copyfile(self._lock, venv / "installed-dev.lock")


@dataclass(frozen=True)
class Part:
    """One thing that can be tested and linted by itself."""

    name: str
    folder: Path
    requirements: Sequence[Requirement]
    test: tuple[str, ...]
    linters: tuple[tuple[str, ...], ...]
    fixers: tuple[tuple[str, ...], ...]
    service: Service | None = None
    is_apart: bool = False
    """True if its tests run only when it is named."""
    system: Literal["whole", "servers", ""] = ""
    """What of the system runs meanwhile, beside what its service needs: `servers` are those not built here."""

    @property
    def path(self) -> str:
        """PATH of its commands; call it once the requirements are met."""
        if self.service and self.service.context:
            return requirements.search_path(self.service.context)
        return f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"


_SANS = (
    '<match target="pattern"><edit name="family" mode="append_last">'
    "<string>DejaVu Sans</string></edit></match>"
)
"""What a page gets that asks for a font which is not there."""


def browser_environment(folder: Path) -> dict[str, str]:
    """What the tests need to start Chromium; an unpacked one also needs to be shown its fonts."""
    environment = {"CHROMIUM": str(CHROMIUM.path), **CHROMIUM.environment}
    if CHROMIUM.environment:
        fonts = folder / "fonts.conf"
        # Fonts that the machine has already are not unpacked with it.
        folders = (Path("/"), CHROMIUM.packages.target)
        listed = "".join(f"<dir>{root / 'usr/share/fonts'}</dir>" for root in folders)
        fonts.write_text(f"<fontconfig>{listed}{_SANS}</fontconfig>")
        environment["FONTCONFIG_FILE"] = str(fonts)
    return environment


def find(workspace: Workspace) -> dict[str, Part]:
    """All parts by name, in the order in which they are tested."""
    parts = {"cli": _tool(workspace.root)}
    for service in workspace.services.values():
        if service.context and all(part.folder != service.context for part in parts.values()):
            parts[service.name] = _service(service)
    parts["system"] = _system(workspace.root)
    parts["faults"] = _faults(workspace.root, parts.values())
    parts["docker"] = _docker(workspace.root)
    return parts


def choose(parts: dict[str, Part], name: str | None) -> list[Part]:
    """The part of that name, or all but those apart; raises UserError that lists them."""
    if name is None:
        return [part for part in parts.values() if not part.is_apart]
    if name not in parts:
        raise UserError(f"There is no part {name!r}.", hint=f"Parts: {', '.join(parts)}.", code=2)
    return [parts[name]]


def _service(service: Service) -> Part:
    assert service.context
    is_python = (service.context / "pyproject.toml").exists()
    return Part(
        name=service.name,
        folder=service.context,
        requirements=source.DRIVER.requirements(service),
        test=("python", "-m", "pytest") if is_python else ("npm", "test", "--silent", "--"),
        linters=_PYTHON_LINTERS if is_python else (("npm", "run", "--silent", "lint"),),
        fixers=_PYTHON_FIXERS if is_python else (("npm", "run", "--silent", "format"),),
        service=service,
    )


def _tool(root: Path) -> Part:
    yaml = ("yamllint", "--strict", str(root))
    scripts = (root / "gp", root / ".ci" / "run", *sorted(root.glob("config/*/*.sh")))
    shell = ("shellcheck", *map(str, scripts))
    return Part(
        name="cli",
        folder=root / "cli",
        requirements=(ToolEnvironment(root),),
        test=(sys.executable, "-m", "pytest"),
        linters=(*_PYTHON_LINTERS, yaml, shell),
        fixers=_PYTHON_FIXERS,
    )


def _system(root: Path) -> Part:
    config, tests = str(root / "cli" / "pyproject.toml"), root / "tests"
    style, types = ("--config", config), ("--config-file", config)
    folders = tuple(str(root / name) for name in ("tests", "bench", "docs"))
    on_docker, faults = str(tests / "docker"), str(tests / "faults")
    return Part(
        name="system",
        folder=tests,
        requirements=(ToolEnvironment(root), CHROMIUM),
        # One after another: these tests share the running system and disturb it.
        test=(*_system_tests(config, tests), "--ignore", on_docker, "--ignore", faults),
        linters=(
            ("ruff", "check", *style, *folders),
            ("ruff", "format", "--check", *style, *folders),
            # Each folder has a conftest, which are modules of one name.
            ("mypy", *types, "--exclude", "(^|/)(docker|faults)/", str(tests)),
            ("mypy", *types, on_docker),
            ("mypy", *types, faults),
            ("mypy", *types, str(root / "bench")),
        ),
        fixers=(("ruff", "check", "--fix", *style, *folders), ("ruff", "format", *style, *folders)),
        system="whole",
    )


def _faults(root: Path, others: Iterable[Part]) -> Part:
    """The drills, which start services of their own beside the servers; linted with the system's."""
    folder = root / "tests" / "faults"
    built = (requirement for part in others if part.service for requirement in part.requirements)
    return Part(
        name="faults",
        folder=folder,
        requirements=(ToolEnvironment(root), FAKETIME, *built),
        test=_system_tests(str(root / "cli" / "pyproject.toml"), folder),
        linters=(),
        fixers=(),
        is_apart=True,
        system="servers",
    )


def _docker(root: Path) -> Part:
    """The tests on a Docker engine; they are linted with the system's."""
    folder = root / "tests" / "docker"
    return Part(
        name="docker",
        folder=folder,
        requirements=(ToolEnvironment(root),),
        test=_system_tests(str(root / "cli" / "pyproject.toml"), folder),
        linters=(),
        fixers=(),
        is_apart=True,
    )


def _system_tests(config: str, folder: Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "pytest", "-c", config, "-n0", str(folder))

"""The wrapper `gp`, and the command line as a whole."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from groundplan.__main__ import gp as command_line
from tests.product import Product
from tests.support import Workspace, processes_of, until

REPOSITORY = Path(__file__).parents[2]
NEEDED_BY_THE_WRAPPER = ("cat", "cmp", "dirname", "flock", "grep", "mkdir", "readlink", "sh")


@pytest.fixture
def gp(workspace: Workspace) -> Path:
    """The wrapper of a workspace whose environment is ready: the one that runs this test."""
    lock = workspace.root / "cli" / "requirements.lock"
    lock.parent.mkdir()
    shutil.copy(REPOSITORY / "cli" / "requirements.lock", lock)
    shutil.copytree(REPOSITORY / "cli" / "src", lock.parent / "src")
    programs = workspace.root / ".venv" / "bin"
    programs.mkdir(parents=True)
    python = programs / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    shutil.copy(lock, workspace.root / ".venv" / "installed.lock")
    (workspace.root / ".venv" / "root").write_text(f"{workspace.root}\n")
    return Path(shutil.copy(REPOSITORY / "gp", workspace.root))


@pytest.fixture
def path_without_python(tmp_path: Path) -> str:
    """A PATH with the system's small programs, and a Python that is too old."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED_BY_THE_WRAPPER:
        program = shutil.which(name)
        assert program
        (folder / name).symlink_to(program)
    (folder / "python3").write_text("#!/bin/sh\nexit 1\n")
    (folder / "python3").chmod(0o755)
    return str(folder)


def run(gp: Path, *words: str, cwd: Path = Path("/"), **variables: str) -> tuple[int, str, str]:
    """Run the wrapper as another program would: exit code, output, errors."""
    environment = {name: value for name, value in os.environ.items() if "GROUNDPLAN" not in name}
    done = subprocess.run(
        [gp, *words], cwd=cwd, env=environment | variables, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


def test_wrapper_works_from_everywhere(gp: Path, workspace: Workspace, tmp_path: Path) -> None:
    """The wrapper works from any folder and through links, always on its own workspace."""
    (tmp_path / "links").mkdir()
    relative = tmp_path / "links" / "relative"
    relative.symlink_to("../shop/gp")
    absolute = tmp_path / "absolute"
    absolute.symlink_to(relative)
    for name in (gp, relative, absolute):
        for folder in (Path("/"), tmp_path, workspace.app):
            code, out, errors = run(name, "up", "--dry-run", "--runtime", "native", cwd=folder)
            assert (code, out) == (0, "web\n"), errors
    assert workspace.settings.exists()


def test_wrapper_passes_words_and_exit_code(gp: Path) -> None:
    """Words reach the tool as they are, and its exit code comes back."""
    assert run(gp, "status")[0] == 3
    code, _, errors = run(gp, "up", "a b", "--dry-run")
    assert code == 2
    assert "There is no service 'a b'" in errors


def test_version(gp: Path) -> None:
    """`--version` prints the version alone."""
    assert run(gp, "--version") == (0, "0.1.0\n", "")


def test_no_python(gp: Path, path_without_python: str, workspace: Workspace) -> None:
    """Without Python 3.11 or newer the wrapper says so, with what to install."""
    assert run(gp, "--version", PATH=path_without_python)[0] == 0  # the environment is there
    (workspace.root / ".venv" / "installed.lock").unlink()
    code, out, errors = run(gp, "--version", PATH=path_without_python)
    assert (code, out) == (1, "")
    assert "Error: Python 3.11 or newer was not found." in errors
    assert "apt-get install python3" in errors


def test_moved_workspace_is_noticed(
    gp: Path, path_without_python: str, workspace: Workspace
) -> None:
    """After the workspace was moved its environment is not used any more."""
    moved = workspace.root.rename(workspace.root.with_name("moved"))
    code, _, errors = run(moved / gp.name, "--version", PATH=path_without_python)
    assert code == 1
    assert "Python 3.11 or newer was not found" in errors


def test_path_with_a_space(gp: Path, workspace: Workspace) -> None:
    """A workspace in a folder with a space in its name is refused with a clear word."""
    moved = workspace.root.rename(workspace.root.with_name("my shop"))
    code, _, errors = run(moved / gp.name, "--version")
    assert code == 1
    assert "The path of this workspace has a space in it" in errors


@pytest.mark.long
def test_environment_is_made_anew_once_per_lock_file(gp: Path, workspace: Workspace) -> None:
    """When the lock file changed, the environment is made anew, once for two runs at a time."""
    lock = workspace.root / "cli" / "requirements.lock"
    lock.write_text(lock.read_text() + "# changed\n")
    environment = {name: value for name, value in os.environ.items() if "GROUNDPLAN" not in name}
    runs = [
        subprocess.Popen(
            [gp, "--version"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [each.communicate(timeout=300) for each in runs]
    errors = "".join(error for _, error in outputs)
    assert [out for out, _ in outputs] == ["0.1.0\n", "0.1.0\n"], errors
    assert errors.count("Making the tool's environment in .venv") == 1
    assert run(gp, "up", "--dry-run", "--runtime", "native") == (
        0,
        "web\n",
        "Wrote config/.env with new random secrets. Git ignores it.\n",
    )


# -- the command line -------------------------------------------------------------------------


def leaves(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command, as the words to type."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, (*words, name))
        else:
            yield (*words, name)


@pytest.mark.parametrize("words", list(leaves(command_line)), ids=" ".join)
def test_help_shows_an_example(workspace: Workspace, words: tuple[str, ...]) -> None:
    """`--help` of each command says what it does and shows an example."""
    done = workspace.gp(*words, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: ./gp {' '.join(words)} ")
    assert f"Example: ./gp {' '.join(words)}" in done.stdout


@pytest.mark.parametrize("words", [["upp"], ["up", "--fast"], ["db", "drop"], ["logs", "-n", "x"]])
def test_wrong_words_end_with_2(workspace: Workspace, words: list[str]) -> None:
    """An unknown command or option ends with 2, and how the command is used."""
    done = workspace.gp(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: ./gp")
    assert "Error: " in done.stderr


def test_arguments_behind_dashes_go_to_the_test_runner() -> None:
    """`./gp test cli -- -k WORD` chooses tests by that word."""
    words = ("test", "cli", "--", "-n0", "--collect-only", "-k", "behind_dashes")
    done = subprocess.run([REPOSITORY / "gp", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_arguments_behind_dashes" in done.stdout
    assert "test_doctor" not in done.stdout


def test_a_signal_ends_the_tests_and_their_servers(tmp_path: Path) -> None:
    """SIGTERM to `./gp test` leaves no server, no test and no data."""
    product = Product(tmp_path / "product", whole=True)
    product.edit(
        "docker-compose.development.yml",
        '    command: ["python", "-m", "mail"]\n',
        '    command: ["python", "-m", "mail"]\n    depends_on: [redis]\n',
    )
    begun = tmp_path / "begun"
    (product.root / "services" / "mail" / "tests" / "test_slow.py").write_text(
        f"import pathlib, time\n\ndef test_slow():\n    pathlib.Path({str(begun)!r}).touch()\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-m", "groundplan", "test", "mail", "--", "-k", "slow"]
    environment = {**os.environ, "GROUNDPLAN_ROOT": str(product.root)}
    process = subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE)
    until(begun.exists, 60)
    process.terminate()
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "redis" in said
    assert not processes_of(product.root)

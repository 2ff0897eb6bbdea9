"""A plan is carried out whole or not at all, however the command ends."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from groundplan.errors import UserError
from groundplan.scaffold import runner
from groundplan.scaffold.plan import Change, Plan

CHANGES = (
    Change(Path("new/deep/file.txt"), None, b"new", 0o755),
    Change(Path("edited.txt"), b"old\r\n", b"edited"),
    Change(Path("gone/page.md"), b"page", None),
    Change(Path("last.txt"), None, b""),
)
PLAN = Plan("add billing", CHANGES, (Path("services/old"),))
STEPS = len(CHANGES) + 1
NOBODY = 65534

# Carries PLAN out, and sends itself a signal before the step of that number.
PROGRAM = dedent(
    """
    import os, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from groundplan.scaffold import runner
    from tests.test_scaffold_runner import PLAN

    left = [int(sys.argv[1])]

    def report(text):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), int(sys.argv[2]))

    with runner.exclusive(Path.cwd(), report):
        runner.carry_out(Path.cwd(), PLAN, report)
    """
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree to which PLAN fits."""
    make(tmp_path)
    return tmp_path


def make(root: Path) -> None:
    """Write what PLAN finds."""
    for name in ("gone", "services/old/.venv"):
        (root / name).mkdir(parents=True)
    (root / "edited.txt").write_bytes(b"old\r\n")
    (root / "edited.txt").chmod(0o640)
    (root / "gone/page.md").write_text("page")
    (root / "services/old/.venv/python").write_text("python")
    (root / "services/old/link").symlink_to("nowhere")


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of every file and folder but tmp."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in root.rglob("*")
        if path.relative_to(root).parts[0] != "tmp"
    }


def silent(_text: str) -> None:
    """Report nothing."""


def carry_out(root: Path, plan: Plan = PLAN) -> None:
    """Carry a plan out as a command does."""
    with runner.exclusive(root, silent):
        runner.carry_out(root, plan, silent)


def killed(root: Path, step: int, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Carry PLAN out in another process that gets a signal before a step."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            str(step),
            str(int(number)),
            str(Path(__file__).parents[1]),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_plan_is_carried_out(root: Path) -> None:
    """Everything is as the plan says, modes are kept, and nothing else is left."""
    carry_out(root)
    assert tree(root).keys() == {
        "new",
        "new/deep",
        "new/deep/file.txt",
        "edited.txt",
        "last.txt",
    }
    assert (root / "new/deep/file.txt").stat().st_mode & 0o777 == 0o755
    assert (root / "edited.txt").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in (root / "tmp").iterdir()] == ["scaffold.lock"]


def test_a_failing_step_undoes_all_before_it(root: Path) -> None:
    """A file that can't be written, since a folder is in its way, leaves the tree as it was."""
    (root / ".blocked.txt.partial").mkdir()
    before = tree(root)
    blocked = Change(Path("blocked.txt"), None, b"")
    with pytest.raises(UserError, match="Could not add billing; everything is as it was") as error:
        carry_out(root, Plan("add billing", (*CHANGES, blocked), PLAN.folders))
    assert "blocked.txt" in error.value.why
    assert tree(root) == before


def test_another_exception_undoes_all_too(root: Path) -> None:
    """Ctrl-C and a mistake of ours leave the tree as it was."""
    before = tree(root)
    for kind in (KeyboardInterrupt, ZeroDivisionError):

        def fail(text: str, kind: type[BaseException] = kind) -> None:
            if "last.txt" in text:
                raise kind

        with pytest.raises(kind), runner.exclusive(root, silent):
            runner.carry_out(root, PLAN, fail)
        assert tree(root) == before


@pytest.mark.parametrize("step", [0, STEPS - 1])
def test_being_told_to_end_undoes_all(root: Path, step: int) -> None:
    """SIGTERM at any step leaves the tree as it was."""
    before = tree(root)
    done = killed(root, step, signal.SIGTERM)
    assert done.returncode != 0
    assert tree(root) == before
    assert not (root / "tmp/scaffold").exists()


@pytest.mark.parametrize("step", range(STEPS))
def test_being_killed_is_repaired_by_the_next_command(root: Path, step: int) -> None:
    """After SIGKILL at any step the next command says so and puts everything back."""
    before = tree(root)
    assert killed(root, step, signal.SIGKILL).returncode == -signal.SIGKILL
    said: list[str] = []
    with runner.exclusive(root, said.append):
        assert tree(root) == before
    assert said == ["A command was killed while it was to add billing: its changes are undone."]
    carry_out(root)
    assert (root / "last.txt").exists()


def test_what_was_changed_after_a_crash_is_not_overwritten(root: Path) -> None:
    """A file that someone changed meanwhile stays, is named, and no other command goes on."""
    killed(root, STEPS - 1, signal.SIGKILL)
    (root / "edited.txt").write_text("by hand")
    with pytest.raises(UserError, match=r"edited\.txt was changed after") as error:
        carry_out(root)
    assert "tmp/scaffold" in error.value.hint
    assert (root / "edited.txt").read_text() == "by hand"
    shutil.rmtree(root / "tmp/scaffold")
    with runner.exclusive(root, silent):
        pass


def test_a_file_that_changed_since_the_plan_was_made_stops_it(root: Path) -> None:
    """A plan is carried out only on the tree that it was made for."""
    (root / "edited.txt").write_text("by hand")
    before = tree(root)
    with pytest.raises(UserError, match=r"edited\.txt was changed meanwhile"):
        carry_out(root)
    assert tree(root) == before


def test_only_one_at_a_time(root: Path) -> None:
    """A second command is refused while the first one works."""
    with runner.exclusive(root, silent):
        with (root / "tmp/scaffold.lock").open("a") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(UserError, match="Another command"):
            carry_out(root)


@contextmanager
def an_ordinary_user() -> Iterator[Path]:
    """A folder of an ordinary user, whom this process is meanwhile."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


def test_a_tree_that_cannot_be_written_stays() -> None:
    """A read-only tree, or a folder in it, is refused in one sentence, and all is undone."""
    with an_ordinary_user() as folder:
        (folder / "tree").mkdir()
        make(folder / "tree")
        before = tree(folder / "tree")
        (folder / "tree").chmod(0o555)
        with pytest.raises(UserError, match="can't be written"):
            carry_out(folder / "tree")
        (folder / "tree").chmod(0o755)
        (folder / "tree/gone").chmod(0o555)
        with pytest.raises(UserError, match="everything is as it was") as error:
            carry_out(folder / "tree")
        assert "Permission denied" in error.value.why
        (folder / "tree/gone").chmod(0o755)
        assert tree(folder / "tree") == before

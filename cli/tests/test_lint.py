"""`./gp lint` runs the linters of several parts at once, and tells of them in order."""

from pathlib import Path

import pytest

from groundplan import parts
from groundplan.commands import lint
from groundplan.parts import Part

SLOW = "sleep 0.5; echo slow"
BAD = "echo bad >&2; exit 3"
FIX = "echo fixed >> file"


def part(name: str, folder: Path, *scripts: str) -> Part:
    """A part whose linters are shell scripts."""
    linters = tuple(("sh", "-c", script) for script in scripts)
    return Part(name, folder, (), (), linters, (("sh", "-c", FIX),))


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A slow part and a quick one, which has a finding."""
    found = {"a": part("a", tmp_path, SLOW), "b": part("b", tmp_path, BAD, "cat file")}
    monkeypatch.setattr(parts, "find", lambda _: found)
    return tmp_path


@pytest.mark.usefixtures("two")
def test_findings_come_in_order_and_fail(capfd: pytest.CaptureFixture[str]) -> None:
    """What a quick part says comes after what a slow one before it says; one finding fails all."""
    assert lint.run(None, fix=False) == 1
    out, err = capfd.readouterr()
    assert out.index("slow") < out.index("bad")
    assert f"failed  b: sh -c {BAD}" in err
    assert "a: sh -c" not in err.split("failed", 1)[1]


def test_fixers_come_before_linters(two: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With --fix each part is repaired first; without, nothing is written."""
    assert lint.run("b", fix=False) == 1
    assert not (two / "file").exists()
    assert lint.run("b", fix=True) == 1
    assert "fixed" in capfd.readouterr().out

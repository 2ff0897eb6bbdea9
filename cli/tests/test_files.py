"""Files are written whole or not at all."""

import stat
from pathlib import Path

import pytest

from groundplan.files import partial_of, write_whole


def mode_of(file: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(file.stat().st_mode)


def test_all_or_none(tmp_path: Path) -> None:
    """Where one file can't be written, the others stay as they were, and nothing is left beside them."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("before")
    partial_of(other).mkdir()  # holds for root too, whom modes don't stop
    with pytest.raises(OSError, match=r"\.other\.partial"):
        write_whole({one: "after", other: "after"})
    assert one.read_text() == "before"
    assert sorted(tmp_path.iterdir()) == [partial_of(other), one]


def test_modes(tmp_path: Path) -> None:
    """A file keeps its mode unless one is asked for; a link that lies in the way is not followed."""
    script, secret, stranger = tmp_path / "script", tmp_path / "new" / ".env", tmp_path / "stranger"
    script.touch(0o750)
    write_whole({script: b"\x00"})
    assert (script.read_bytes(), mode_of(script)) == (b"\x00", 0o750)
    stranger.touch()
    secret.parent.mkdir()
    partial_of(secret).symlink_to(stranger)
    write_whole({secret: "A=ü"}, 0o600)
    assert (secret.read_text(), mode_of(secret), stranger.read_text()) == ("A=ü", 0o600, "")
    write_whole({script: ""}, 0o644)
    assert mode_of(script) == 0o644

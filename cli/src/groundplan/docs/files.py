"""Files of the documents: as they are, as they should be, and written whole or not at all."""

from dataclasses import dataclass
from pathlib import Path

from groundplan.errors import UserError
from groundplan.files import write_whole


@dataclass(frozen=True)
class Change:
    """A file as it is and as it should be; None where it is not there."""

    file: Path
    """Relative to the workspace."""
    old: str | None
    new: str | None

    @property
    def state(self) -> str:
        """One of "new", "changed", "removed" and "unchanged"."""
        if self.old == self.new:
            return "unchanged"
        return "new" if self.old is None else "removed" if self.new is None else "changed"


def apply(root: Path, changes: list[Change]) -> None:
    """Carry out `changes`; where one can't be written, none is. Raises UserError then."""
    written = {root / each.file: each.new for each in changes if each.new is not None}
    try:
        for file in written:
            file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(written)
        for change in changes:
            if change.new is None:
                (root / change.file).unlink()
    except OSError as error:
        raise UserError(
            f"{error.filename or 'A file'} can't be written.",
            why=f"{error.strerror or error}.",
            hint="Make it writable, then type ./gp docs again.",
        ) from error


def read(root: Path, file: Path) -> str | None:
    """The text of a file with its line ends as they are; None where it is not there."""
    try:
        return (root / file).read_bytes().decode()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{file} can't be read.", why=f"{error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8.", why=f"{error}.") from error

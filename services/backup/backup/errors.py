"""The errors that people get to see."""

_LAST_LINES = 6


class BackupError(Exception):
    """What failed, why, and what to do next."""

    def __init__(self, what: str, why: str = "", hint: str = "") -> None:
        super().__init__(f"{what} {why}".strip())
        self.what = what
        self.why = why
        self.hint = hint

    def as_dict(self) -> dict[str, str]:
        """As the tool reads it."""
        return {"event": "error", "what": self.what, "why": self.why, "hint": self.hint}


class ProgramError(BackupError):
    """A program failed: `why` is the end of what it said, `said` all of it."""

    def __init__(self, what: str, said: str) -> None:
        super().__init__(what, last_lines(said))
        self.said = said


class LockedError(BackupError):
    """Somebody else works with the repository just now."""


class SystemRefusedError(BackupError):
    """The operating system refused something, as where a disk is full."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"{error.filename or 'A file'} can't be used.",
            f"{error.strerror or error}.",
            "Is there room, and may the service write there?",
        )


def last_lines(text: str) -> str:
    """The end of a program's words, where it says what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[-_LAST_LINES:]) or "It said nothing."

"""The one exception that people are meant to read."""


class UserError(Exception):
    """Something failed that the user can mend.

    `what` failed, `why`, and the `hint` that says what to type or do next. The command line
    prints it without a traceback and exits with `code`.
    """

    def __init__(self, what: str, why: str = "", hint: str = "", code: int = 1) -> None:
        self.what = what
        self.why = why
        self.hint = hint
        self.code = code
        super().__init__(" ".join(part for part in (what, why, hint) if part))

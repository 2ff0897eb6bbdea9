"""What a password must be."""

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 1000
# A phrase this long is on no list, and rating it would take long.
LONG_PASSWORD_LENGTH = 64
# zxcvbn's "safely unguessable": 10^8 guesses or more.
MIN_SCORE = 3
MIN_PERSONAL_WORD = 4


def check_password(password: str) -> str:
    """Return `password` if it has the form of one; raises ValueError that says what is wrong."""
    if len(password) < MIN_PASSWORD_LENGTH:
        raise ValueError(f"The password needs at least {MIN_PASSWORD_LENGTH} characters.")
    if len(password) > MAX_PASSWORD_LENGTH:
        raise ValueError(f"The password may have at most {MAX_PASSWORD_LENGTH} characters.")
    if "\x00" in password:
        raise ValueError("The password may not contain a NUL character.")
    return password


def check_strength(password: str, email: str, name: str) -> None:
    """Raise ValueError for what is guessed early: common passwords, patterns, the person's own.

    Takes up to a tenth of a second.
    """
    # Costs 15 MB and 0.15 s, which a process spends with the first new password.
    from zxcvbn import zxcvbn  # noqa: PLC0415

    words = personal_words(email, name)
    if any(word in password.lower() for word in words):
        raise ValueError("The password may not contain the name or the e-mail address.")
    if len(password) >= LONG_PASSWORD_LENGTH:
        return
    if zxcvbn(password, user_inputs=words)["score"] < MIN_SCORE:
        raise ValueError("The password is too easy to guess.")


def personal_words(email: str, name: str) -> Sequence[str]:
    """The parts of an address and a name that are long enough to be told from chance."""
    local, _, domain = email.lower().partition("@")
    parts = [local, domain, *re.split(r"\W+", name.lower())]
    return [part for part in parts if len(part) >= MIN_PERSONAL_WORD]


NewPassword = Annotated[
    str,
    StringConstraints(min_length=1),  # refuses what is no valid Unicode, before it is encoded
    AfterValidator(check_password),
    Field(
        json_schema_extra={"minLength": MIN_PASSWORD_LENGTH, "maxLength": MAX_PASSWORD_LENGTH},
        description=f"{MIN_PASSWORD_LENGTH} characters or more, and hard to guess",
    ),
]

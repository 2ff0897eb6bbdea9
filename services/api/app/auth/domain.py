"""What a password must be."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_BYTES = 72  # bcrypt reads no further
MIN_DIFFERENT_CHARACTERS = 5
COMMON_PASSWORDS = {
    "1234567890ab",
    "123456789012",
    "abcdefghijkl",
    "iloveyou1234",
    "letmein12345",
    "password1234",
    "passwordpassword",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwerty123456",
    "1q2w3e4r5t6y",
    "administrator",
    "welcome12345",
}


def check_password(password: str) -> str:
    """Return `password` if it is good enough; raises ValueError that says what is wrong."""
    if len(password) < MIN_PASSWORD_LENGTH:
        raise ValueError(f"The password needs at least {MIN_PASSWORD_LENGTH} characters.")
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise ValueError(f"The password may have at most {MAX_PASSWORD_BYTES} bytes in UTF-8.")
    if "\x00" in password:
        raise ValueError("The password may not contain a NUL character.")
    too_simple = len(set(password)) < MIN_DIFFERENT_CHARACTERS
    if too_simple or password.lower() in COMMON_PASSWORDS:
        raise ValueError("The password is too easy to guess.")
    return password


NewPassword = Annotated[
    str,
    StringConstraints(min_length=1),  # refuses what is no valid Unicode, before it is encoded
    AfterValidator(check_password),
    Field(
        json_schema_extra={"minLength": MIN_PASSWORD_LENGTH, "maxLength": MAX_PASSWORD_BYTES},
        description=f"{MIN_PASSWORD_LENGTH} characters to {MAX_PASSWORD_BYTES} bytes",
    ),
]

"""Field types that several features share."""

from typing import Annotated

from pydantic import AfterValidator, EmailStr, StringConstraints

# Control characters have no place in a line of text, and PostgreSQL can't store NUL.
LINE_PATTERN = r"^[^\x00-\x1f\x7f]*$"

Line = Annotated[str, StringConstraints(strip_whitespace=True, pattern=LINE_PATTERN)]
Name = Annotated[Line, StringConstraints(min_length=1, max_length=200)]
SearchText = Annotated[Line, StringConstraints(max_length=200)]
Email = Annotated[EmailStr, StringConstraints(max_length=254), AfterValidator(str.lower)]

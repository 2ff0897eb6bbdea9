"""Field types that several features share."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, EmailStr, StringConstraints
from pydantic_core import PydanticCustomError

# Control characters have no place in a line of text, and PostgreSQL can't store NUL.
LINE_PATTERN = r"^[^\x00-\x1f\x7f]*$"


def _refuse_control_characters(value: object) -> object:
    """Refuse those at an end, too: they would be stripped before the pattern is looked at."""
    if isinstance(value, str) and not re.fullmatch(LINE_PATTERN, value):
        raise PydanticCustomError(
            "string_pattern_mismatch",
            "String should match pattern '{pattern}'",
            {"pattern": LINE_PATTERN},
        )
    return value


Line = Annotated[str, StringConstraints(strip_whitespace=True, pattern=LINE_PATTERN)]
# Goes last: constraints behind it would speak of items in place of characters.
ONE_LINE = BeforeValidator(_refuse_control_characters)
Name = Annotated[Line, StringConstraints(min_length=1, max_length=200), ONE_LINE]
SearchText = Annotated[Line, StringConstraints(max_length=200), ONE_LINE]
Email = Annotated[EmailStr, StringConstraints(max_length=254), AfterValidator(str.lower)]

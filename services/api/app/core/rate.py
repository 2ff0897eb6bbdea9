"""How limits are written: "600/minute"."""

import re
from functools import lru_cache
from typing import NamedTuple

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
NOTATION = re.compile(rf"([1-9][0-9]{{0,8}})/({'|'.join(SECONDS)})")


class Rate(NamedTuple):
    """So many requests in any so many seconds."""

    amount: int
    seconds: int


@lru_cache
def parse_rate(text: str) -> Rate:
    """Read "600/minute"; raises ValueError."""
    match = NOTATION.fullmatch(text)
    if not match:
        raise ValueError(f"must be a number / {', '.join(SECONDS)}, such as 600/minute")
    return Rate(int(match[1]), SECONDS[match[2]])

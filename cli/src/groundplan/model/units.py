"""Durations and sizes as Compose writes them."""

import re

from groundplan.errors import UserError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_SIZE = re.compile(r"(-?\d+(?:\.\d+)?) ?(?:([kmgtp])i?b?|b)?", re.IGNORECASE)
_POWERS = " kmgtp"


def duration(text: object) -> float:
    """Seconds in a Compose duration such as "1m30s" or "500ms"."""
    value = str(text)
    parts = _DURATION.findall(value)
    if value == "0":
        return 0.0
    if "".join(number + unit for number, unit in parts) != value or not parts:
        raise UserError(f"{value!r} is no duration.", hint="Write 30s, 1m30s or 500ms.")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def size(text: object) -> int:
    """Bytes in a Compose size such as "512M", "1.5gb" or 1024; units count by 1024."""
    match = _SIZE.fullmatch(str(text))
    if not match:
        raise UserError(f"{text!r} is no size.", hint="Write 512M or 1.5G.")
    return int(float(match[1]) * 1024 ** _POWERS.index((match[2] or " ").lower()))

"""Addresses in texts: URLs (`http://api:8000`) and NAME:PORT (`redis:6379`).

Names with a dot, numbers and localhost are not the workspace's business.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SCHEME_PORTS = {
    "http": 80,
    "https": 443,
    "ws": 80,
    "wss": 443,
    "redis": 6379,
    "rediss": 6379,
    "amqp": 5672,
    "amqps": 5671,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mongodb": 27017,
    "nats": 4222,
    "mqtt": 1883,
    "kafka": 9092,
    "grpc": None,
    "tcp": None,
}
"""Schemes whose URLs name a host, and the port that is meant where none is written."""

_URL = re.compile(
    rf"(?<![\w+.-])(?:jdbc:)?(?P<scheme>{'|'.join(_SCHEME_PORTS)})(?:\+\w+)?://"
    r"(?:[^\s/@\"'`<>]*@)?(?P<host>[A-Za-z][\w.-]*)(?::(?P<port>\d+))?(?![\w{$])"
)
PAIR = re.compile(r"(?<![\w./@:$%{}-])(?P<host>[a-z][\w.-]*):(?P<port>\d{1,5})(?![\w:.-])")
QUOTED_PAIR = re.compile(r"""(?<=["'`])(?P<host>[a-z][\w-]*):(?P<port>\d{2,5})(?=["'`/])""")
_NAME = re.compile(r"[a-z][\w-]*", re.IGNORECASE)
_LOCAL = {"localhost", "host", "hostname"}
_LOW_PORTS = {80, 443}


@dataclass(frozen=True)
class Address:
    """A host of one word, and perhaps a port."""

    host: str
    port: int | None
    text: str
    """As it is written, for people."""
    start: int = 0
    """Where it begins in the text that was searched."""
    is_url: bool = False

    @property
    def has_likely_port(self) -> bool:
        """False for a number that may as well be a version or a count, as in `python:3`."""
        return (self.port or 0) >= 1000 or self.port in _LOW_PORTS


def find(text: str, pair: re.Pattern[str] = PAIR) -> Iterator[Address]:
    """Every URL in `text`, and everything else that looks like `pair`."""
    urls = list(_URL.finditer(text))
    for match in urls:
        port = int(match["port"]) if match["port"] else _SCHEME_PORTS[match["scheme"]]
        if is_name(match["host"]):
            yield Address(match["host"], port, match[0], match.start(), is_url=True)
    for match in pair.finditer(text):
        is_part = any(url.start() <= match.start() < url.end() for url in urls)
        if is_name(match["host"]) and not is_part:
            yield Address(match["host"], int(match["port"]), match[0], match.start())


def is_name(host: str) -> bool:
    """True for a host that only a network of this workspace can know."""
    return bool(_NAME.fullmatch(host)) and host.lower() not in _LOCAL

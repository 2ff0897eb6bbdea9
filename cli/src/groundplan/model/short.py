"""The short forms of ports, volumes and the like, brought into their long forms."""

import ipaddress
import re
from typing import Any

from groundplan.model.interpolation import Substituted
from groundplan.model.scalars import absolute
from groundplan.model.shapes import Place, unmarked

_PORT = re.compile(
    r"(?:(?P<host>\[[^\]]*\]|[^\[\]:]*):(?=.*:))?"
    r"(?:(?P<published>\d+(?:-\d+)?)?:)?(?P<target>\d+(?:-\d+)?)(?:/(?P<protocol>\w+))?"
)
_PORT_VARIABLE = re.compile(r"\$\{(\w+):?-\d+\}")
_PROPAGATION = ("shared", "slave", "private", "rshared", "rslave", "rprivate")
_BIND_MODES = {**dict.fromkeys(_PROPAGATION, "propagation"), "z": "selinux", "Z": "selinux"}
_SPAN = re.compile(r"\d+(?:-\d+)?", re.ASCII)
_LAST_PORT = 65535
VARIABLE = "x-variable"
"""Key of a port that holds the name of the variable that moves `published`."""


def ports(value: Any, place: Place) -> list[dict[str, Any]]:
    """The ports of a short form: [HOST:][PUBLISHED:]TARGET[/PROTOCOL], each number or a range."""
    match = _PORT.fullmatch(str(value))
    hint = 'Write "127.0.0.1:PUBLISHED:TARGET".'
    if not match or (match["protocol"] or "tcp") not in ("tcp", "udp", "sctp"):
        raise place.error(f"is {value!r}, which is no port", hint=hint)
    common: dict[str, Any] = {"mode": "ingress", "protocol": match["protocol"] or "tcp"}
    if host := (match["host"] or "").strip("[]"):
        common["host_ip"] = _address(host, place)
    if variable := _variable(value):
        common[VARIABLE] = variable
    targets = span(match["target"], place)
    published = _published(match["published"], len(targets), place)
    return [
        {**common, "target": target} | ({"published": number} if number else {})
        for target, number in zip(targets, published, strict=True)
    ]


def _published(text: str | None, count: int, place: Place) -> list[str]:
    """The published port for each of `count` targets; one target may have a range to choose from."""
    if not text or count == 1:
        span(text or "0", place)
        return [text or ""] * count
    numbers = [str(number) for number in span(text, place)]
    if len(numbers) != count:
        raise place.error("has two ranges of different length")
    return numbers


def span(text: str, place: Place) -> list[int]:
    """The port numbers of "80" or "80-82"."""
    if not _SPAN.fullmatch(text):
        raise place.error(f"has {text!r}, which is no port")
    first, _, last = text.partition("-")
    numbers = list(range(int(first), int(last or first) + 1))
    if not numbers or numbers[-1] > _LAST_PORT:
        raise place.error(f"has {text}, and ports go from 1 to 65535")
    return numbers


def _address(text: str, place: Place) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise place.error(f"has {text!r}, which is no IP address") from error
    return text


def _variable(value: Any) -> str | None:
    """The variable that moves a port, e.g. API_PORT for `${API_PORT:-8000}`."""
    match = isinstance(value, Substituted) and _PORT_VARIABLE.search(value.written)
    return match[1] if match else None


def long_port(port: dict[str, Any], place: Place) -> list[dict[str, Any]]:
    """A port in the long form, with its defaults."""
    long = {"mode": "ingress", "protocol": "tcp", **port, "target": int(port["target"])}
    if port.get("published") is not None:
        span(str(port["published"]), place.child("published"))
        long["published"] = str(port["published"])
        if variable := _variable(port["published"]):
            long[VARIABLE] = variable
    return [long]


def volume(value: Any, place: Place) -> dict[str, Any]:
    """The volume of a short form: [SOURCE:]TARGET[:MODE,…]."""
    parts = str(value).split(":")
    if len(parts) > 1 and len(parts[0]) == 1 and parts[0].isalpha():
        raise place.error(f"is {value!r}, which Compose takes for a drive", hint="Name it longer.")
    if len(parts) > 3 or not all(parts):
        raise place.error(f"is {value!r}, which is no volume", hint="Write SOURCE:TARGET:ro.")
    if len(parts) == 1:
        return {"type": "volume", "target": parts[0], "volume": {}}
    source, target, modes = parts[0], parts[1], set("".join(parts[2:]).split(","))
    is_bind = source.startswith((".", "/", "~"))
    found: dict[str, Any] = {"type": "bind" if is_bind else "volume", "source": source}
    found |= {"target": target} | ({"read_only": True} if "ro" in modes else {})
    options: dict[str, Any] = {"create_host_path": True} if is_bind else {}
    if "nocopy" in modes:
        found["volume"] = {"nocopy": True}
    if is_bind:
        options |= {_BIND_MODES[mode]: mode for mode in modes & _BIND_MODES.keys()}
    return {found["type"]: options} | found


def long_volume(volume: dict[str, Any], place: Place) -> dict[str, Any]:
    """A volume with its source and target as Compose understands them."""
    found = {**volume, "target": volume["target"].rstrip("/") or "/"}
    if volume["type"] == "bind":
        source = unmarked(volume.get("source"), place.child("source"))
        found["source"] = absolute(source, place)
    return found


def device(value: Any, _: Place) -> dict[str, Any]:
    """The device of a short form: SOURCE[:TARGET[:PERMISSIONS]]."""
    source, target, permissions = [*str(value).split(":"), "", ""][:3]
    return {"source": source, "target": target or source, "permissions": permissions or "rwm"}

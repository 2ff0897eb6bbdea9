"""The system as boxes on a terminal, tier by tier."""

import textwrap
import unicodedata
from collections.abc import Callable, Iterable

from groundplan.docs.facts import Facts
from groundplan.docs.pictures import tier_names
from groundplan.model.workspace import Port, Service
from groundplan.runtime.state import ServiceState, SystemState

_LEAST, _MOST = 24, 36
"""How wide a box may be, with its borders."""
_ASCII = str.maketrans("┌┐└┘─│→…", "++++-|>.")

Paint = Callable[[str, str], str]
"""Colours a text by the state that it tells."""


def draw(facts: Facts, state: SystemState, columns: int, paint: Paint) -> list[str]:
    """Lines of at most `columns` characters; 28 are the least that a box needs.

    Shows the states and addresses of the running system, or what is designed where none runs.
    """
    known = {service.name: service for service in state.services} if state.is_running else {}
    services = facts.development.services.values()
    tiers = {
        tier: [service for service in services if service.tier == tier]
        for tier in tier_names(facts.development)
    }
    inner = columns - 4
    most = max(map(len, tiers.values()))
    count = max(1, min((inner + 1) // (_LEAST + 1), most))
    width = max(_LEAST, min(_MOST, (inner + 1) // count - 1))
    lines: list[str] = []
    for tier, members in tiers.items():
        boxes = [_box(facts, service, known, state.ports, width, paint) for service in members]
        if boxes:
            lines += _frame(tier, boxes, count, width)
    return lines


def to_ascii(line: str) -> str:
    """A line without box drawing, for terminals that lack it."""
    return line.translate(_ASCII)


def _box(
    facts: Facts,
    service: Service,
    known: dict[str, ServiceState],
    ports: dict[str, str],
    width: int,
    paint: Paint,
) -> list[str]:
    room = width - 4
    running = known.get(service.name)
    told = (running.state if running else "not started") if known else service.role
    texts = [*_addresses(service, running, ports, room), *_callees(facts, service, room)]
    lines = [_fit(service.name, room), paint(running.state if running else "", _fit(told, room))]
    lines += [_fit(text, room) for text in texts]
    return [f"┌{'─' * (width - 2)}┐", *(f"│ {line} │" for line in lines)]


def _addresses(
    service: Service, running: ServiceState | None, ports: dict[str, str], room: int
) -> Iterable[str]:
    for number, port in enumerate(service.ports):
        address = _address(service, port, ports)
        if running and running.url and number == 0:
            address = running.url.removeprefix("http://")
        full = f"{address} {port.protocol}"
        yield full if len(full) <= room else address


def _address(service: Service, port: Port, ports: dict[str, str]) -> str:
    """Where a port is reached from this machine, or inside the network if it isn't published."""
    if port.published is None:
        return f"{service.name}:{port.target}"
    return f"localhost:{ports.get(port.variable or '', port.published)}"


def _callees(facts: Facts, service: Service, room: int) -> list[str]:
    called = (
        callee for caller, callee, _ in facts.calls(facts.development) if caller == service.name
    )
    names = [name for name in dict.fromkeys(called) if name != service.name]
    return textwrap.wrap(f"→ {', '.join(names)}", room, subsequent_indent="  ") if names else []


def _frame(title: str, boxes: list[list[str]], count: int, width: int) -> Iterable[str]:
    """The boxes of one tier in rows of `count`, with a frame around them."""
    inner = count * (width + 1) - 1
    name = _fit(title, min(inner - 2, _cells(title)))
    yield f"┌─ {name} {'─' * (inner - _cells(name) - 1)}┐"
    for at in range(0, len(boxes), count):
        row = boxes[at : at + count]
        height = max(map(len, row))
        closed = [[*box, *[_blank(width)] * (height - len(box)), _bottom(width)] for box in row]
        closed += [[" " * width] * (height + 1)] * (count - len(row))
        yield from (f"│ {' '.join(parts)} │" for parts in zip(*closed, strict=True))
    yield f"└{'─' * (inner + 2)}┘"


def _blank(width: int) -> str:
    return f"│{' ' * (width - 2)}│"


def _bottom(width: int) -> str:
    return f"└{'─' * (width - 2)}┘"


def _fit(text: str, room: int) -> str:
    """`text` in exactly `room` cells of a terminal."""
    text = "".join(character for character in text if character.isprintable())
    if _cells(text) > room:
        while _cells(text) > room - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (room - _cells(text))


def _cells(text: str) -> int:
    """How many cells of a terminal `text` takes."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))

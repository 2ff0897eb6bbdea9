"""How declared calls are matched with those that were seen, and how a trace is drawn."""

from dataclasses import replace

import pytest
import yaml

from groundplan.model.flows import Call, Flow, Flows
from groundplan.observe.client import Edge, Span, Trace
from groundplan.observe.compare import compare, declaration, matches
from groundplan.observe.waterfall import duration, render

EDGE = Edge("api", "db", "postgresql", "SELECT users", 3, 0, 0.1, 0.2, 1.0, 2.0)
SPAN = Span("a", "", "api", "work", "server", "http", "GET /users", "", 10.0, 1.0, False, "")  # noqa: FBT003


@pytest.mark.parametrize(
    ("pattern", "operation", "is_match"),
    [
        ("GET /users", "GET /users", True),
        ("GET /users", "GET /users/1", False),
        ("GET /users", "get /users", False),
        ("GET /*", "GET /a/b", True),
        ("GET /*", "GET /", True),
        ("* /api/v1/*", "DELETE /api/v1/users/{user_id}", True),
        ("GET /users/{id}", "GET /users/{user_id}", True),
        ("GET /users/{id}", "GET /users/17", True),
        ("GET /users/{id}", "GET /users/17/jobs", False),
        ("GET /users/{id}", "GET /users/", False),
        ("GET /users/{id}/jobs", "GET /users/{x}/jobs", True),
        ("PUT a.b", "PUT axb", False),
        ("SELECT (x)+", "SELECT (x)+", True),
        ("*", "", True),
    ],
)
def test_matching(pattern: str, operation: str, is_match: bool) -> None:
    """`*` is any text, `{x}` one part of a path, everything else itself."""
    assert matches(pattern, operation) is is_match


def test_caller_callee_and_protocol_count() -> None:
    """An edge is declared only by a call of the same two services in the same protocol."""
    call = Call("api", "db", "postgresql", "SELECT *", 5)
    flows = Flows((), (Flow("read", "Read", (call,), 3),), (), ())
    assert compare(flows, [EDGE]).seen == (call,)
    for other in (
        replace(EDGE, caller="worker"),
        replace(EDGE, callee="cache"),
        replace(EDGE, protocol="http"),
        replace(EDGE, operation="DROP users"),
    ):
        found = compare(flows, [other])
        assert (found.seen, found.never_exercised, found.undeclared) == ((), (call,), (other,))


@pytest.mark.parametrize(
    "text", ["a: b", "* /x", '"', "\\", "{id}", "- x", "yes # no", "127.0.0.1:5"]
)
def test_a_declaration_is_yaml(text: str) -> None:
    """Whatever was seen, the line that would declare it can be pasted."""
    edge = replace(EDGE, operation=text, callee=text)
    (read,) = yaml.safe_load(declaration(edge))
    assert read == {"from": "api", "to": text, "protocol": "postgresql", "operation": text}


def lines(*spans: Span, width: int = 80) -> list[str]:
    """The waterfall of these spans."""
    return [line.text for line in render(Trace("ab" * 16, spans), width)]


def test_children_stand_below_their_parents() -> None:
    """Spans are ordered as a tree, and one whose parent is missing is a root."""
    child = replace(SPAN, span_id="b", parent_id="a", service="worker", start=10.5, duration=0.25)
    orphan = replace(SPAN, span_id="c", parent_id="gone", service="cron", start=10.2)
    shown = lines(SPAN, orphan, child)
    assert [line.split()[0] for line in shown[2:]] == ["api", "worker", "cron"]
    assert shown[3].split()[-4:-1] == ["500.0", "ms", "250.0"] or "250.0 ms" in shown[3]
    assert shown[3].index("█") > shown[2].index("█")


def test_spans_that_are_each_others_parents_are_shown() -> None:
    """A trace that makes no sense is shown all the same, each span once."""
    one, other = replace(SPAN, parent_id="b"), replace(SPAN, span_id="b", parent_id="a")
    assert len(lines(one, other, replace(SPAN, span_id="c", parent_id="c"))) == 5


@pytest.mark.parametrize("width", [80, 64, 200])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    """Long names are cut, and what comes from services can't control the terminal."""
    hostile = replace(
        SPAN,
        service="service-with-a-long-name",
        operation="\033[31m" + "GET /" + "x" * 300,
        is_error=True,
        message="bad " * 100 + "\033[0m",
    )
    deep = [replace(hostile, span_id=str(n), parent_id=str(n - 1)) for n in range(60)]
    shown = lines(*deep, width=width)
    assert max(map(len, shown)) <= width
    assert "\033" not in "".join(shown)


def test_durations_are_short() -> None:
    """A duration is told in the unit that suits it."""
    assert [duration(value) for value in (0, 0.00012, 0.0123, 1.5, 100)] == [
        "0 µs",
        "120 µs",
        "12.3 ms",
        "1.50 s",
        "100.00 s",
    ]


def test_a_trace_without_length() -> None:
    """A single span of no duration is drawn."""
    assert "█" in lines(replace(SPAN, duration=0.0))[2]

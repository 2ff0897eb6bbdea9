"""Whether an API still serves the clients of an older version."""

from collections.abc import Iterator
from typing import Any

from groundplan.contract.schema import Node, narrowed

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
_FIRST_ERROR = "4"
_AS_ANSWER = {
    "required": "{place} is no longer certain.",
    "type": "{place} may now have the type {detail}.",
    "only": "{place} may now have more than {detail}.",
    "unique": "{place} may now have the same item twice.",
    "limit": "{place} has a wider {detail}.",
}
"""What breaks clients; they pass by properties, and values of a list, that they don't know."""


def broken(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """What a client of `old` relied on and does not get from `new`."""
    for path, item in old.get("paths", {}).items():
        for method in (name for name in _METHODS if name in item):
            place = f"{method.upper()} {path}"
            before = Node(old, item[method])
            after = Node(new, new.get("paths", {}).get(path, {}).get(method))
            if after.tree is None:
                yield f"{place} was removed."
                continue
            yield from _parameters(before, after, place)
            yield from _body(before, after, place)
            yield from _responses(before, after, place)
            if after.words.get("security") and not before.words.get("security"):
                yield f"{place} asks for a sign-in."


def _parameters(old: Node, new: Node, place: str) -> Iterator[str]:
    before, after = _by_name(old), _by_name(new)
    for name, parameter in after.items():
        if parameter.words.get("required") and (
            name not in before or not before[name].words.get("required")
        ):
            yield f"{place}: the parameter {name} is required."
    for name, parameter in before.items():
        if name not in after:
            yield f"{place}: the parameter {name} was removed."
        else:
            schemas = parameter.at("schema"), after[name].at("schema")
            yield from map(str, narrowed(*schemas, f"{place}: {name}"))


def _by_name(operation: Node) -> dict[str, Node]:
    parameters = (Node(operation.document, tree) for tree in operation.words.get("parameters", ()))
    return {f"{each.words.get('name')} ({each.words.get('in')})": each for each in parameters}


def _body(old: Node, new: Node, place: str) -> Iterator[str]:
    before, after = old.at("requestBody"), new.at("requestBody")
    if after.words.get("required") and not before.words.get("required"):
        yield f"{place}: a body is required."
    for media_type in before.words.get("content", {}):
        if media_type not in after.words.get("content", {}):
            yield f"{place}: a body of {media_type} is no longer taken."
            continue
        path = ("content", media_type, "schema")
        yield from map(str, narrowed(before.at(*path), after.at(*path), f"{place}: body"))


def _responses(old: Node, new: Node, place: str) -> Iterator[str]:
    """Answers that succeed: a client must be able to read the new ones as the old ones."""
    for status, tree in old.words.get("responses", {}).items():
        if status >= _FIRST_ERROR:
            continue
        if status not in new.words.get("responses", {}):
            yield f"{place}: the answer {status} was removed."
            continue
        before, after = Node(old.document, tree), new.at("responses", status)
        for media_type in before.words.get("content", {}):
            if media_type not in after.words.get("content", {}):
                yield f"{place}: the answer {status} is no longer {media_type}."
                continue
            path = ("content", media_type, "schema")
            answer = f"{place}: answer {status}"
            # The other way round: what the new one says, the old one must have allowed.
            for loss in narrowed(after.at(*path), before.at(*path), answer):
                if loss.kind in _AS_ANSWER:
                    yield _AS_ANSWER[loss.kind].format(place=loss.place, detail=loss.detail)

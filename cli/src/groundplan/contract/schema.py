"""Whether a JSON Schema still accepts what an older one accepted.

It compares the words that contracts are written with. What it does not know it does not report.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_LOWEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_HIGHEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_SAME = ("pattern", "format", "multipleOf")
_DEEPEST = 30


@dataclass(frozen=True)
class Node:
    """A part of a document, with the document that its references lead into."""

    document: dict[str, Any]
    tree: Any

    def at(self, *path: str) -> "Node":
        """The part below; an empty one if there is none."""
        tree = self.resolved
        for key in path:
            tree = tree.get(key, {}) if isinstance(tree, dict) else {}
        return Node(self.document, tree)

    @property
    def resolved(self) -> Any:
        """The tree, or what its reference leads to."""
        tree = self.tree
        while isinstance(tree, dict) and str(tree.get("$ref", "")).startswith("#/"):
            path, tree = tree["$ref"][2:].split("/"), self.document
            for key in path:
                tree = tree.get(key, {}) if isinstance(tree, dict) else {}
        return tree

    @property
    def words(self) -> dict[str, Any]:
        """The words of a schema; none for one that accepts anything."""
        tree = self.resolved
        return tree if isinstance(tree, dict) else {}


@dataclass(frozen=True)
class Loss:
    """Something that is no longer accepted."""

    kind: str
    place: str
    detail: str = ""

    def __str__(self) -> str:
        """A sentence, for what is sent."""
        return AS_INPUT[self.kind].format(place=self.place, detail=self.detail)


AS_INPUT = {
    "required": "{place} is required.",
    "removed": "{place} was removed.",
    "closed": "{place} no longer takes other properties.",
    "type": "{place} no longer takes the type {detail}.",
    "values": "{place} no longer takes {detail}.",
    "only": "{place} takes only {detail}.",
    "unique": "{place} no longer takes the same item twice.",
    "limit": "{place} has a narrower {detail}.",
}
"""The kinds of losses, and what each says."""


def narrowed(old: Node, new: Node, place: str, depth: int = 0) -> Iterator[Loss]:
    """What `old` accepts and `new` does not."""
    if depth > _DEEPEST or new.resolved is True or old.resolved == new.resolved == {}:
        return
    if _variants(old) or _variants(new):
        yield from _narrowed_variants(old, new, place, depth)
        return
    yield from _narrowed_values(old.words, new.words, place)
    for rule in (_narrowed_object, _narrowed_items):
        yield from rule(old, new, place, depth)


def _narrowed_variants(old: Node, new: Node, place: str, depth: int) -> Iterator[Loss]:
    for variant in _variants(old) or [old]:
        attempts = [
            list(narrowed(variant, candidate, place, depth + 1))
            for candidate in _variants(new) or [new]
        ]
        if all(attempts):
            # The attempt that got furthest says best what is missing.
            yield from min(attempts, key=len)


def _variants(node: Node) -> list[Node]:
    found = node.words.get("anyOf") or node.words.get("oneOf") or []
    return [Node(node.document, tree) for tree in found]


def _narrowed_values(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[Loss]:
    if lost := _types(old) - _types(new):
        yield Loss("type", place, ", ".join(sorted(lost)))
    if (allowed := _values(new)) is not None:
        before = _values(old)
        if before is None:
            yield Loss("only", place, _listed(allowed))
        elif gone := [value for value in before if value not in allowed]:
            yield Loss("values", place, _listed(gone))
    yield from _limits(old, new, _LOWEST, place, lambda was, now: now > was)
    yield from _limits(old, new, _HIGHEST, place, lambda was, now: now < was)
    yield from _limits(old, new, _SAME, place, lambda was, now: now != was)
    if new.get("uniqueItems") and not old.get("uniqueItems"):
        yield Loss("unique", place)


def _limits(
    old: dict[str, Any],
    new: dict[str, Any],
    words: tuple[str, ...],
    place: str,
    is_narrower: Callable[[Any, Any], bool],
) -> Iterator[Loss]:
    for word in words:
        if word in new and (word not in old or is_narrower(old[word], new[word])):
            change = f"{word}: {old.get(word, 'none')} became {new[word]}"
            yield Loss("limit", place, change)


def _narrowed_object(old: Node, new: Node, place: str, depth: int) -> Iterator[Loss]:
    before, after = old.words.get("properties", {}), new.words.get("properties", {})
    for name in sorted(set(new.words.get("required", ())) - set(old.words.get("required", ()))):
        yield Loss("required", f"{place}.{name}")
    is_closed = new.words.get("additionalProperties") is False
    if is_closed and old.words.get("additionalProperties", True) is not False and old.words:
        yield Loss("closed", place)
    for name in before:
        if name in after:
            below = (old.at("properties", name), new.at("properties", name))
            yield from narrowed(*below, f"{place}.{name}", depth + 1)
        elif is_closed:
            yield Loss("removed", f"{place}.{name}")


def _narrowed_items(old: Node, new: Node, place: str, depth: int) -> Iterator[Loss]:
    if "items" in new.words:
        yield from narrowed(old.at("items"), new.at("items"), f"{place}[]", depth + 1)


def _types(words: dict[str, Any]) -> set[str]:
    given = words.get("type")
    if given is None and (values := _values(words)) is not None:
        return {_type_of(value) for value in values}
    found = {given} if isinstance(given, str) else set(given or _ALL_TYPES)
    return found | {"integer"} if "number" in found else found


_ALL_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


def _type_of(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return names.get(type(value), "null" if value is None else "object")


def _values(words: dict[str, Any]) -> list[Any] | None:
    if "const" in words:
        return [words["const"]]
    values = words.get("enum")
    return values if isinstance(values, list) else None


def _listed(values: list[Any]) -> str:
    return ", ".join(map(repr, values))

"""What breaks those who know a released contract, and what does not."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from groundplan.contract.openapi import broken
from groundplan.contract.schema import Node, narrowed
from tests.shop import Shop

MESSAGE: dict[str, Any] = {
    "title": "Order",
    "type": "object",
    "additionalProperties": False,
    "required": ["id"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "kind": {"enum": ["book", "film"]},
        "count": {"type": ["integer", "null"], "minimum": 1, "maximum": 9},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "maxItems": 5},
        "price": {"anyOf": [{"type": "number"}, {"type": "null"}]},
    },
    "$defs": {"tag": {"type": "string", "maxLength": 20}},
}
ID, KIND, COUNT = (("properties", name) for name in ("id", "kind", "count"))
TAGS, PRICE, TAG = ("properties", "tags"), ("properties", "price"), ("$defs", "tag")


def changed(tree: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    """A copy in which the node at `path` is `to`, or is gone if that is None."""
    result = copy.deepcopy(tree)
    node = result
    for key in path[:-1]:
        node = node[key]
    if to is None:
        del node[path[-1]]
    else:
        node[path[-1]] = to
    return result


def problems(new: dict[str, Any]) -> list[str]:
    """What `new` no longer accepts of MESSAGE."""
    return [str(loss) for loss in narrowed(Node(MESSAGE, MESSAGE), Node(new, new), "Order")]


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        (("required",), ["id", "kind"], "Order.kind is required."),
        (("properties", "kind"), None, "Order.kind was removed."),
        ((*KIND, "enum"), ["book"], "Order.kind no longer takes 'film'."),
        ((*KIND,), {"const": "book"}, "Order.kind no longer takes 'film'."),
        ((*KIND,), {"type": "integer"}, "Order.kind no longer takes the type string."),
        ((*ID, "enum"), ["a"], "Order.id takes only 'a'."),
        ((*ID, "pattern"), "^a", "Order.id has a narrower pattern: none became ^a."),
        ((*ID, "format"), "date", "Order.id has a narrower format: uuid became date."),
        ((*COUNT, "type"), "integer", "Order.count no longer takes the type null."),
        ((*COUNT, "minimum"), 2, "Order.count has a narrower minimum: 1 became 2."),
        ((*COUNT, "maximum"), 8, "Order.count has a narrower maximum: 9 became 8."),
        ((*COUNT, "multipleOf"), 2, "Order.count has a narrower multipleOf"),
        ((*TAGS, "maxItems"), 4, "Order.tags has a narrower maxItems: 5 became 4."),
        ((*TAGS, "minItems"), 1, "Order.tags has a narrower minItems: none became 1."),
        ((*TAGS, "uniqueItems"), True, "Order.tags no longer takes the same item twice."),
        ((*TAGS, "items"), {"type": "integer"}, "Order.tags[] no longer takes the type string."),
        ((*TAG, "maxLength"), 10, "Order.tags[] has a narrower maxLength: 20 became 10."),
        ((*PRICE, "anyOf"), [{"type": "number"}], "Order.price no longer takes the type null."),
        ((*PRICE,), {"type": "number"}, "Order.price no longer takes the type null."),
    ],
)
def test_a_message_that_was_valid_is_refused(path: tuple[Any, ...], to: Any, words: str) -> None:
    """Each way to accept less is told, at its place, and nothing else is."""
    (found,) = problems(changed(MESSAGE, *path, to=to))
    assert words in found


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("required",), []),
        (("additionalProperties",), True),
        (("title",), "Purchase"),
        (("properties", "note"), {"type": "string"}),
        ((*KIND, "enum"), ["film", "book", "game"]),
        ((*KIND,), {"type": "string"}),
        ((*COUNT, "type"), ["number", "null"]),
        ((*COUNT, "minimum"), None),
        ((*COUNT, "maximum"), 10),
        ((*TAGS, "items"), {}),
        ((*TAG, "maxLength"), 30),
        ((*PRICE, "anyOf"), [{"type": "null"}, {"type": "string"}, {"type": "number"}]),
    ],
)
def test_a_message_that_was_valid_still_is(path: tuple[Any, ...], to: Any) -> None:
    """What accepts more, or the same in other words, is no break."""
    assert problems(changed(MESSAGE, *path, to=to)) == []


def test_other_properties_are_no_longer_taken() -> None:
    """A message that was open for other properties must stay so."""
    old = changed(MESSAGE, "additionalProperties", to=None)
    (found,) = narrowed(Node(old, old), Node(MESSAGE, MESSAGE), "Order")
    assert str(found) == "Order no longer takes other properties."


def test_a_schema_that_holds_itself_ends() -> None:
    """Recursive schemas are compared to a bounded depth."""
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
    }
    assert list(narrowed(Node(tree, tree), Node(tree, tree), "Tree")) == []


def answer(**properties: Any) -> dict[str, Any]:
    """An answer of JSON whose properties are all certain."""
    schema = {"type": "object", "properties": properties, "required": sorted(properties)}
    return {"content": {"application/json": {"schema": schema}}}


API: dict[str, Any] = {
    "paths": {
        "/orders": {
            "get": {
                "parameters": [{"name": "limit", "in": "query", "schema": {"maximum": 100}}],
                "responses": {
                    "200": answer(id={"type": "string"}, state={"enum": ["new", "done"]}),
                    "404": {},
                },
            },
            "post": {
                "requestBody": {"content": {"application/json": {"schema": MESSAGE}}},
                "responses": {"201": {}},
            },
        }
    }
}
GET, POST = ("paths", "/orders", "get"), ("paths", "/orders", "post")
BODY = (*POST, "requestBody")
ANSWER = (*GET, "responses", "200", "content", "application/json", "schema")
STATE, SCHEMA = (*ANSWER, "properties", "state"), (*BODY, "content", "application/json", "schema")


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        (("paths", "/orders"), {"post": API["paths"]["/orders"]["post"]}, "GET /orders was removed."),
        ((*GET, "parameters"), [], "GET /orders: the parameter limit (query) was removed."),
        ((*GET, "parameters", 0, "required"), True, "the parameter limit (query) is required."),
        ((*GET, "parameters", 0, "schema", "maximum"), 50, "limit (query) has a narrower maximum"),
        ((*GET, "security"), [{"bearer": []}], "GET /orders asks for a sign-in."),
        ((*GET, "responses"), {"204": {}}, "GET /orders: the answer 200 was removed."),
        ((*ANSWER[:-2],), {"text/csv": {}}, "the answer 200 is no longer application/json."),
        ((*ANSWER, "required"), ["id"], "answer 200.state is no longer certain."),
        ((*ANSWER, "properties", "id"), {"type": ["string", "null"]}, "answer 200.id may now have the type null."),
        ((*STATE,), {"type": "string"}, "200.state may now have more than 'new', 'done'."),
        ((*BODY, "required"), True, "POST /orders: a body is required."),
        ((*BODY, "content"), {"text/csv": {}}, "a body of application/json is no longer taken."),
        ((*SCHEMA, "required"), ["id", "kind"], "POST /orders: body.kind is required."),
    ],
)  # fmt: skip
def test_a_client_is_not_served(path: tuple[Any, ...], to: Any, words: str) -> None:
    """Each way to fail a client of the released API is told, with its route."""
    (found,) = broken(API, changed(API, *path, to=to))
    assert words in found


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("paths", "/carts"), {"get": {"responses": {"200": {}}}}),
        ((*GET, "parameters", 0, "schema", "maximum"), 200),
        ((*GET, "responses", "404"), None),
        ((*GET, "responses", "429"), {}),
        ((*ANSWER, "properties", "price"), {"type": "number"}),
        ((*ANSWER, "required"), ["id", "state", "price"]),
        ((*STATE, "enum"), ["done"]),
        ((*STATE, "enum"), ["new", "done", "lost"]),
        ((*SCHEMA, "required"), []),
    ],
)
def test_a_client_is_still_served(path: tuple[Any, ...], to: Any) -> None:
    """What is new beside the old is no break, and errors are no part of the promise."""
    assert list(broken(API, changed(API, *path, to=to))) == []


def released(shop: Shop, name: str, old: Any, new: Any) -> list[tuple[str, str]]:
    """The findings, where the contract `name` was released as `old` and is `new` now."""
    for folder, tree in (("contracts/released", old), ("contracts", new)):
        path = shop.root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if tree is not None:
            path.write_text(tree if isinstance(tree, str) else json.dumps(tree, indent=2))
    found = shop.findings("contract-compatible")
    return [(finding.message, f"{finding.file}: {shop.line(finding)}") for finding in found]


def test_a_break_fails_the_check(tmp_path: Path) -> None:
    """The check names the contract, the line and what breaks; a compatible change is let through."""
    shop = Shop(tmp_path)
    new = changed(MESSAGE, "properties", "note", to={"type": "string"})
    assert released(shop, "jobs/order.json", MESSAGE, new) == []
    new = changed(MESSAGE, "properties", "count", "maximum", to=3)
    (found,) = released(shop, "jobs/order.json", MESSAGE, new)
    message = "Order.count has a narrower maximum: 9 became 3."
    assert found == (message, 'contracts/jobs/order.json: "count": {')


def test_contracts_that_are_gone_or_broken(tmp_path: Path) -> None:
    """A contract that is removed or no JSON is found; without released ones nothing is asked."""
    shop = Shop(tmp_path)
    assert shop.findings("contract-compatible") == []
    ((message, _),) = released(shop, "gone.json", MESSAGE, None)
    assert message == "contracts/gone.json was removed."
    found = [message for message, _ in released(shop, "odd.json", MESSAGE, "{")]
    assert "contracts/odd.json is no JSON object." in found

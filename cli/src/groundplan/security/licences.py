"""Whether what is shipped may be shipped: the licence of each package against those allowed."""

import re
from collections.abc import Iterator
from typing import Any

from groundplan.security.policy import Policy
from groundplan.security.sbom import Bill


def refused(bill: Bill, policy: Policy) -> Iterator[str]:
    """A sentence for each package whose licence is not allowed."""
    for component in bill.components:
        licences = of(component, policy)
        if not any(allows(each, policy.licences) for each in licences):
            told = " and ".join(licences) or "no licence"
            yield f"{bill.part}: {component['name']} {component['version']} has {told}."


def of(component: dict[str, Any], policy: Policy) -> list[str]:
    """The licences of a package as SPDX expressions; names of no standard only if there are none."""
    if stated := policy.stated.get(component["name"]):
        return [stated]
    entries = component.get("licenses", [])
    standard = [
        str(entry.get("expression") or entry.get("license", {}).get("id") or "")
        for entry in entries
    ]
    named = [str(entry.get("license", {}).get("name") or "") for entry in entries]
    return [text for text in standard if text] or [text for text in named if text]


def allows(expression: str, allowed: frozenset[str]) -> bool:
    """Whether an SPDX expression can be met by allowed licences alone."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression)
    met, rest = _either(tokens, allowed)
    return (met and not rest) or expression in allowed


def _either(tokens: list[str], allowed: frozenset[str]) -> tuple[bool, list[str]]:
    met, tokens = _both(tokens, allowed)
    while tokens and tokens[0].upper() == "OR":
        other, tokens = _both(tokens[1:], allowed)
        met = met or other
    return met, tokens


def _both(tokens: list[str], allowed: frozenset[str]) -> tuple[bool, list[str]]:
    met, tokens = _one(tokens, allowed)
    while tokens and tokens[0].upper() == "AND":
        other, tokens = _one(tokens[1:], allowed)
        met = met and other
    return met, tokens


def _one(tokens: list[str], allowed: frozenset[str]) -> tuple[bool, list[str]]:
    if not tokens:
        return False, []
    if tokens[0] == "(":
        met, tokens = _either(tokens[1:], allowed)
        return met, tokens[1:]
    name, tokens = tokens[0], tokens[1:]
    if tokens and tokens[0].upper() == "WITH":
        name, tokens = f"{name} WITH {''.join(tokens[1:2])}", tokens[2:]
    return name in allowed, tokens

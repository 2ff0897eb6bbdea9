"""Advisories for Node.js packages, by npm."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from groundplan.security.advisory import Advisory, ask, unanswered
from groundplan.security.locks import Lock


def audit(lock: Lock, environment: Mapping[str, str]) -> tuple[Advisory, ...]:
    """What is known against the packages of a lock file. Raises UserError (code 2) if npm can't ask."""
    argv = ["npm", "audit", "--json", "--package-lock-only"]
    answer = ask(argv, lock.name, lock.path.parent, environment)
    if "vulnerabilities" not in answer:
        raise unanswered(lock.name, str(answer.get("message") or answer.get("error") or answer))
    return tuple(_advisories(lock, answer["vulnerabilities"]))


def _advisories(lock: Lock, packages: dict[str, Any]) -> Iterator[Advisory]:
    installed = json.loads(lock.path.read_text())["packages"]
    for item in packages.values():
        # A text names another package that has the vulnerability, and is told there.
        for found in (via for via in item["via"] if isinstance(via, dict)):
            versions = {installed[place]["version"] for place in item["nodes"]}
            yield Advisory(
                id=str(found["url"]).rpartition("/")[2] or str(found["source"]),
                package=item["name"],
                version=", ".join(sorted(versions)),
                severity=found["severity"],
                title=found["title"],
                fix=_fix(item),
                locks=(lock.name,),
            )


def _fix(item: dict[str, Any]) -> str:
    fix = item["fixAvailable"]
    if isinstance(fix, dict):
        return f"{fix['name']} {fix['version']}"
    return "npm update" if fix else "none yet"

"""What is known against a package, and how the tools that ask for it are called."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundplan.errors import UserError

GRAVE = ("high", "critical", "unknown")
"""Severities that fail; PyPI's advisories have none, so each of them counts."""


@dataclass(frozen=True)
class Advisory:
    """A known vulnerability of a version of a package."""

    id: str
    package: str
    version: str
    severity: str
    title: str
    fix: str
    """What to install instead, for people."""
    locks: tuple[str, ...]
    """The lock files that have it."""

    @property
    def is_grave(self) -> bool:
        """Whether it fails."""
        return self.severity in GRAVE


def ask(
    argv: Sequence[str], what: str, cwd: Path, environment: Mapping[str, str]
) -> dict[str, Any]:
    """The JSON that a program of advisories prints. Raises UserError (code 2) if it prints none."""
    done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise unanswered(what, _last_line(done.stderr)) from None
    if not isinstance(answer, dict):
        raise unanswered(what, "The answer is no JSON object.")
    return answer


def unanswered(what: str, why: str) -> UserError:
    """Nothing is known: that is no good news, and not the same as a finding."""
    return UserError(
        f"The known vulnerabilities of {what} could not be asked for.",
        why=why,
        hint="Check the network and the registry that pip and npm use, then run it again.",
        code=2,
    )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["It said nothing."])[-1]

"""Advisories for Python packages, by pip-audit."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from groundplan.security.advisory import Advisory, ask, unanswered
from groundplan.security.locks import Lock, normal

WHAT = "Python packages"


def audit(
    locks: Sequence[Lock], program: Path, environment: Mapping[str, str]
) -> Iterator[Advisory]:
    """What is known against the packages of `locks`.

    Raises UserError (code 2) unless every package was asked for.
    """
    holders: dict[tuple[str, str], list[str]] = {}
    for lock in locks:
        for pin in lock.packages():
            holders.setdefault(pin, []).append(lock.name)
    for pins in _rounds(sorted(holders)):
        for item in _asked(pins, program, environment):
            holding = holders[normal(item["name"]), item["version"]]
            for found in item.get("vulns", ()):
                yield _advisory(item, found, tuple(dict.fromkeys(holding)))


def _rounds(pins: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """The pins in as few groups as can be, each with one version of a package."""
    rounds: list[dict[str, str]] = []
    for name, version in pins:
        group = next((each for each in rounds if name not in each), None)
        if group is None:
            rounds.append(group := {})
        group[name] = version
    return rounds


def _asked(
    pins: Mapping[str, str], program: Path, environment: Mapping[str, str]
) -> list[dict[str, Any]]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
        options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--desc", "on"]
        argv = [str(program), *options, "--format", "json", "--requirement", str(file)]
        packages = ask(argv, WHAT, Path(folder), environment).get("dependencies", [])
    assert isinstance(packages, list)
    if skipped := [item["name"] for item in packages if "skip_reason" in item]:
        raise unanswered(WHAT, f"Nothing is told about {len(skipped)}, such as {skipped[0]}.")
    if len(packages) < len(pins):
        raise unanswered(WHAT, f"Nothing is told about {len(pins) - len(packages)} packages.")
    return packages


def _advisory(item: dict[str, Any], found: dict[str, Any], holding: tuple[str, ...]) -> Advisory:
    return Advisory(
        id=found["id"],
        package=item["name"],
        version=item["version"],
        severity="unknown",
        title=_sentence(found.get("description", "")),
        fix=" or ".join(found["fix_versions"]) or "none yet",
        locks=holding,
    )


def _sentence(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:120]

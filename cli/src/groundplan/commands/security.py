"""`gp lint --security`: known vulnerabilities, and licences of what is shipped."""

import os
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from groundplan import parts as parts_module
from groundplan.commands.test import install
from groundplan.errors import UserError
from groundplan.model.place import find_root
from groundplan.model.workspace import load
from groundplan.parts import Part
from groundplan.runtime.native.requirements import CachedPythonEnvironment, Node
from groundplan.security import licences, locks, node, policy, python, sbom
from groundplan.security.advisory import Advisory
from groundplan.security.policy import Accepted, Policy

TOOLS = CachedPythonEnvironment("pip-audit and cyclonedx-bom", "security")


def run(folder: Path | None) -> int:
    """Check all lock files; with `folder` write each part's bill of materials there.

    0 if all is well, 1 with findings, 2 if it could not be found out.
    """
    root = find_root()
    rules = policy.load(root)
    parts = [part for part in parts_module.find(load(root)).values() if _ships(part)]
    install({TOOLS, Node(), *(item for part in parts for item in part.requirements)})
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    problems = list(_licences(parts, rules, folder, console))
    advisories, errors = _advisories(root)
    accepted = [(item, _exception(item, rules)) for item in advisories]
    problems += _grave(accepted, console)
    if not errors:
        problems += _unneeded(accepted, rules)
    for text in problems:
        console.print(f"[red]failed[/red]  {escape(text)}")
    for error in errors[1:]:
        console.print(f"[red]failed[/red]  {escape(f'{error.what} {error.why}')}")
    if errors:
        raise errors[0]
    if not problems:
        console.print("No known grave vulnerability, and every licence is allowed.")
    return int(bool(problems))


def _ships(part: Part) -> bool:
    """Whether it has packages of its own that go into an image."""
    return any((part.folder / name).exists() for name in ("requirements.lock", "package-lock.json"))


def _licences(
    parts: Sequence[Part], rules: Policy, folder: Path | None, console: Console
) -> Iterator[str]:
    for part in parts:
        bill = _bill(part)
        if folder:
            console.print(f"wrote {bill.write(folder)} ({len(bill.components)} packages)")
        yield from licences.refused(bill, rules)


def _bill(part: Part) -> sbom.Bill:
    if (part.folder / "package-lock.json").exists():
        return sbom.of_node(part.name, part.folder, {**os.environ, "PATH": part.path})
    interpreter = Path(part.path.partition(":")[0]) / "python"
    program = TOOLS.folder / "bin" / "cyclonedx-py"
    return sbom.of_python(part.name, part.folder, interpreter, program)


def _advisories(root: Path) -> tuple[list[Advisory], list[UserError]]:
    """What is known, and why the rest is not: one registry that is away hides nothing of another."""
    found: list[Advisory] = []
    errors: list[UserError] = []
    all_locks = locks.find(root)
    environment = {**os.environ, "PATH": f"{Node().folder}:{os.environ.get('PATH', os.defpath)}"}
    try:
        program = TOOLS.folder / "bin" / "pip-audit"
        in_python = [lock for lock in all_locks if not lock.is_node]
        found += python.audit(in_python, program, environment)
    except UserError as error:
        errors.append(error)
    for lock in (lock for lock in all_locks if lock.is_node):
        try:
            found += node.audit(lock, environment)
        except UserError as error:
            errors.append(error)
    return found, errors


def _exception(advisory: Advisory, rules: Policy) -> Accepted | None:
    wanted = (advisory.id, advisory.package)
    return next((item for item in rules.accepted if (item.id, item.package) == wanted), None)


def _grave(
    advisories: Sequence[tuple[Advisory, Accepted | None]], console: Console
) -> Iterator[str]:
    for item, exception in advisories:
        text = _told(item)
        if exception and exception.until >= date.today():
            console.print(f"[dim]accepted until {exception.until}: {escape(text)}[/dim]")
        elif exception:
            yield f"{text} It was accepted until {exception.until}."
        elif item.is_grave:
            yield text
        else:
            console.print(f"[yellow]{item.severity}[/yellow]  {escape(text)}")


def _unneeded(
    advisories: Sequence[tuple[Advisory, Accepted | None]], rules: Policy
) -> Iterator[str]:
    needed = {exception for _, exception in advisories}
    for item in rules.accepted:
        if item not in needed:
            yield f"{policy.FILE} accepts {item.id} of {item.package}, which is not found: delete it."


def _told(item: Advisory) -> str:
    where = ", ".join(item.locks)
    return f"{item.package} {item.version}: {item.id} {item.title} (fixed in {item.fix}; {where})"

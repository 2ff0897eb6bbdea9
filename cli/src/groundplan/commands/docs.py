"""`gp docs`: write the overview and its pictures, or say where they drifted."""

import difflib
import json
import sys

from groundplan.docs.document import plan
from groundplan.docs.files import Change, apply
from groundplan.model.place import find_root


def run(check: bool, as_json: bool, dry_run: bool) -> int:
    """Write what changed; with `check` write nothing, and return 1 if anything would change."""
    root = find_root()
    changes = plan(root)
    different = [change for change in changes if change.state != "unchanged"]
    if not check and not dry_run:
        apply(root, different)
    if as_json:
        print(json.dumps([{"file": str(c.file), "state": c.state} for c in changes], indent=2))
    elif check:
        _print_diffs(different)
    _print_states(changes, different)
    if check and different:
        print("The documents are out of date. Type ./gp docs", file=sys.stderr)
    return int(check and bool(different))


def _print_states(changes: list[Change], different: list[Change]) -> None:
    for change in different:
        print(f"{change.state:<8} {change.file}", file=sys.stderr)
    if not different:
        where = changes[0].file.parent
        print(f"All {len(changes)} files of {where} are up to date.", file=sys.stderr)


def _print_diffs(changes: list[Change]) -> None:
    for change in changes:
        before, after = (text.splitlines() if text else [] for text in (change.old, change.new))
        names = (f"a/{change.file}", f"b/{change.file}")
        print("\n".join(difflib.unified_diff(before, after, *names, lineterm="")))

"""The measured figures: printed, and written into the page of promises by the long profile."""

import os
import platform
import re
from datetime import UTC, datetime

from harness import ROOT

PAGE = ROOT / "docs" / "operations" / "reliability.md"
BLOCK = re.compile(r"(<!-- figures -->\n)(.*?)(<!-- /figures -->)", re.DOTALL)
HEAD = (
    "| promise | what was done | measured | replayed by | when |\n| --- | --- | --- | --- | --- |\n"
)
MACHINE = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def record(is_long: bool, promise: int, what: str, measured: str, drill: str, seed: int) -> None:
    """Print a figure; in the long profile, put it into the page in place of the drill's last one."""
    print(f"{promise}: {what}: {measured}")
    if not is_long:
        return
    command = f"`./gp test faults --long -- -k {drill} --seed {seed}`"
    row = (
        f"| {promise} | {what} | {measured} | {command} | {datetime.now(UTC):%Y-%m-%d}, {MACHINE} |"
    )
    page = PAGE.read_text()
    PAGE.write_text(
        BLOCK.sub(lambda found: f"{found[1]}{_replaced(found[2], row, drill)}{found[3]}", page)
    )


def _replaced(table: str, row: str, drill: str) -> str:
    """The table with `row` in the place of the drill's last one, ordered by promise."""
    rows = [line for line in table.splitlines()[2:] if f"-k {drill} " not in line]
    return HEAD + "".join(f"{line}\n" for line in sorted([*rows, row], key=_promise))


def _promise(row: str) -> int:
    return int(row.split("|")[1])

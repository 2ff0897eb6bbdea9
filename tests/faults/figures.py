"""The measured figures: kept as they come, and written into the page of promises by the long profile."""

import json
import os
import platform
import re
from datetime import UTC, datetime

from harness import ROOT

PAGE = ROOT / "docs" / "operations" / "reliability.md"
BLOCK = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.DOTALL)
HEAD = (
    "| promise | what was done | measured | replayed by | when |\n| --- | --- | --- | --- | --- |\n"
)
MACHINE = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def record(is_long: bool, promise: int, what: str, measured: str, drill: str, seed: int) -> None:
    """Print a figure; in the long profile, put it into the page in place of the drill's last one."""
    print(f"{promise}: {what}: {measured}")
    if not is_long:
        return
    kept = ROOT / "tmp" / "faults-figures.json"
    rows = json.loads(kept.read_text()) if kept.exists() else {}
    command = f"`./gp test faults --long -- -k {drill} --seed {seed}`"
    today = f"{datetime.now(UTC):%Y-%m-%d}, {MACHINE}"
    rows[drill] = [promise, what, measured, command, today]
    kept.write_text(json.dumps(rows, indent=1))
    table = "".join(
        f"| {' | '.join(map(str, row))} |\n"
        for _, row in sorted(rows.items(), key=lambda i: i[1][0])
    )
    page = PAGE.read_text()
    PAGE.write_text(BLOCK.sub(lambda found: f"{found[1]}{HEAD}{table}{found[2]}", page))

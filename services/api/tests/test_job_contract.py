"""What others rely on: the table of states in the docs, and the schema of the worker's tests."""

import re
from pathlib import Path
from typing import Any

import pytest

from app.job.domain import TRANSITIONS
from app.settings import Settings
from tests import database

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "services" / "worker-service.md"
PYTHON_WORKER = ROOT / "cli" / "src" / "groundplan" / "scaffold" / "templates" / "python-worker"
SCHEMAS = [
    ROOT / "services" / "worker" / "tests" / "schema.sql",
    PYTHON_WORKER / "source" / "tests" / "schema.sql",
]

FUNCTIONS = """
    SELECT proname, regexp_replace(prosrc, '\\s+', ' ', 'g'),
        pg_get_function_arguments(pg_proc.oid), prosecdef, proconfig::text,
        has_function_privilege('groundplan_worker', pg_proc.oid, 'EXECUTE')
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prolang IN (
        SELECT oid FROM pg_language WHERE lanname IN ('sql', 'plpgsql'))
"""
# Only the API's sweeper and its streams call these.
OF_THE_API = {"notify_job_changed", "notify_outbox_added"}


@pytest.mark.skipif(not PAGE.exists(), reason="the docs are not here")
def test_the_table_of_states_is_true() -> None:
    """The docs list each transition that the code knows, and no other."""
    section = PAGE.read_text().split("## States of a job")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)[1:]
    told = {(source, event): target for source, event, target in rows}
    known = {
        (source.value, event.value): ", ".join(sorted(targets))
        for (source, event), targets in TRANSITIONS.items()
    }
    assert told == known


@pytest.mark.parametrize("schema", [path for path in SCHEMAS if path.exists()], ids=str)
async def test_workers_are_tested_with_the_same_functions(
    own_settings: Settings, schema: Path
) -> None:
    """The schema of a worker's tests has the functions that the migrations make."""
    name = database.new_name()
    await database.run_as_owner(own_settings, f"CREATE DATABASE {name}")
    try:
        connection = await database.connect(own_settings, name)
        await connection.execute(schema.read_text())  # noqa: ASYNC240 - a file of this repository
        theirs = {row[0]: tuple(row) for row in await connection.fetch(FUNCTIONS)}
        await connection.close()
    finally:
        await database.drop(own_settings, name)
    ours: dict[str, Any] = {}
    connection = await database.connect(own_settings, own_settings.postgres_db)
    for row in await connection.fetch(FUNCTIONS):
        ours[row[0]] = tuple(row)
    await connection.close()
    jobs = {function for function in ours if re.search(r"job|wake", function)} - OF_THE_API
    assert jobs <= theirs.keys()
    assert {function: theirs[function] for function in jobs} == {
        function: ours[function] for function in jobs
    }

"""The commands: migrate, seed, openapi, and the server process itself."""

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2 as httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app import migrate as migration
from app import seed
from app.database import Base, Database
from app.main import create_app
from app.migrate import MIGRATIONS, migrate
from app.settings import Settings
from tests import database
from tests.people import People, Person
from tests.process import FOLDER, run, server_process
from tests.running import http_client, run_api
from tests.sink import Sink, run_sink
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
async def empty(settings: Settings) -> AsyncIterator[Settings]:
    """Settings with a database that holds nothing yet."""
    name = database.new_name()
    await database.run_as_owner(settings, f"CREATE DATABASE {name}")
    yield settings.model_copy(update={"postgres_db": name})
    await database.drop(settings, name)


async def test_migrate_by_many_at_once(empty: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Three at once bring an empty database to head; one does it, the others find it done."""
    await asyncio.gather(*(migrate(database.migration_of(empty)) for _ in range(3)))
    output = capsys.readouterr().out.splitlines()
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert sorted(line for line in output if line.startswith("schema")) == [
        f"schema: None -> {head}", f"schema: at {head}", f"schema: at {head}",
    ]  # fmt: skip
    assert output.count(f"first user: {database.migration_of(empty).admin_email} created") == 1
    connection = await database.connect(empty, empty.postgres_db)
    assert await connection.fetchval("SELECT count(*) FROM users") == 1
    assert await connection.fetchval("SELECT count(*) FROM roles") == 3
    await connection.close()


async def test_migrate_brings_no_first_user_back(own_settings: Settings) -> None:
    """While there is an admin, a first user who was renamed or deactivated is not made again."""
    connection = await database.connect(own_settings, own_settings.postgres_db)
    await connection.execute("UPDATE users SET email = 'renamed@example.com'")
    await migrate(database.migration_of(own_settings))
    assert await connection.fetchval("SELECT count(*) FROM users") == 1
    await connection.close()


async def test_migrate_waits_for_the_database(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without PostgreSQL the command waits; when it does not come, it says so in one line."""
    away = database.migration_of(settings, postgres_address="127.0.0.1:9")
    monkeypatch.setattr(migration, "WAIT_S", 1)
    monkeypatch.setattr(migration, "settings_or_exit", lambda: away)
    assert await asyncio.to_thread(migration.main) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: PostgreSQL at 127.0.0.1:9 did not answer for 1 s")
    assert len(error.splitlines()) == 1


async def test_migrate_tells_of_a_wrong_password(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A password that PostgreSQL does not take is told at once, in a line that shows no secret."""
    wrong = database.migration_of(settings, postgres_password="not-the-password")
    monkeypatch.setattr(migration, "settings_or_exit", lambda: wrong)
    assert await asyncio.to_thread(migration.main) == 1
    error = capsys.readouterr().err
    assert "refused" in error
    assert "POSTGRES_PASSWORD" in error
    assert len(error.splitlines()) == 1
    assert "not-the-password" not in error


async def test_models_match_the_migrations(own_settings: Settings) -> None:
    """The migrations make just the tables, columns and indexes that the models describe."""
    opened = Database(own_settings)
    async with opened.engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), Base.metadata)
        )
    await opened.close()
    assert differences == []


async def test_seed_adds_up(own_settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Seeding makes what is missing, nothing the second time, and the list shows it at once."""
    async with run_api(own_settings) as api, (await People(api).create("admin")).client() as client:
        await client.get("/api/v1/users")
        status, out = await run(own_settings, "app.seed", "1000")
        assert (status, "1,000 of 1,000" in out) == (0, True)
        page = await client.get("/api/v1/users")
        assert page.headers["cache-status"] == "groundplan; fwd=miss"
        assert len(page.json()["items"]) == 50
        await seed.seed(own_settings, 1000)
        assert "1,000 made-up users are there already; none made" in capsys.readouterr().out
        await seed.seed(own_settings, 1500)
    connection = await database.connect(own_settings, own_settings.postgres_db)
    seeded = await connection.fetch("SELECT * FROM users WHERE password_hash = '!seed'")
    assert len(seeded) == 1500
    assert len({row["email"] for row in seeded}) == 1500
    assert len({row["name"] for row in seeded}) > 1000
    assert all(row["email"].isascii() for row in seeded)
    await connection.close()


@pytest.mark.parametrize("number", ["", "0", "-5", "many", "1e6", "99999999999", "ten"])
def test_seed_refuses_nonsense(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: str
) -> None:
    """What is no sensible number is refused with a clear message."""
    monkeypatch.setattr(sys, "argv", ["app.seed", number])
    with pytest.raises(SystemExit, match="2"):
        seed.main()
    assert "whole number from 1 to" in capsys.readouterr().err


def test_the_published_contract_is_current(settings: Settings) -> None:
    """contracts/openapi.json is what `python -m app.openapi` writes today."""
    published = json.loads((settings.contracts_dir / "openapi.json").read_text())
    assert published == json.loads(json.dumps(create_app(settings).openapi()))


async def test_the_server_stops_at_once_with_streams_open(own_settings: Settings) -> None:
    """On SIGTERM open event streams end at once and the process with them, cleanly."""
    async with run_api(own_settings) as api:
        person = await People(api).create("admin")
    async with server_process(own_settings) as (process, url):
        async with (
            http_client(url, person.token) as client,
            client.stream("GET", "/api/v1/events", timeout=30) as response,
        ):
            lines = response.aiter_lines()
            assert await anext(lines) == "event: ready"
            started = asyncio.get_running_loop().time()
            process.send_signal(signal.SIGTERM)
            async for _ in lines:
                pass
            assert asyncio.get_running_loop().time() - started < 2
        await asyncio.wait_for(process.wait(), 5)
        assert asyncio.get_running_loop().time() - started < 4
    assert process.stdout is not None
    log = (await process.stdout.read()).decode()
    assert "Application shutdown complete" in log
    assert '"path": "/api/v1/events"' in log
    assert "Traceback" not in log
    assert person.token not in log


async def test_the_server_logs_json_lines_with_the_request_id(own_settings: Settings) -> None:
    """Each request is one JSON line with its id and trace, except for health checks."""
    async with server_process(own_settings) as (process, url):
        async with http_client(url) as client:
            headers = {"X-Request-ID": "my-request", "traceparent": f"00-{7:032x}-{9:016x}-01"}
            await client.get("/healthz")
            await client.get("/nope?token=secret", headers=headers)
        process.terminate()
        assert process.stdout is not None
        log = (await process.stdout.read()).decode()
    lines = [json.loads(line) for line in log.splitlines()]
    handled = [line for line in lines if line["event"] == "request.handled"]
    assert [line["path"] for line in handled] == ["/nope"]
    assert handled[0]["request_id"] == "my-request"
    assert handled[0]["status"] == 404
    assert (handled[0]["trace_id"], handled[0]["span_id"]) == (f"{7:032x}", f"{9:016x}")
    assert "secret" not in log


async def test_a_change_of_the_sources_restarts_the_server(
    own_settings: Settings, tmp_path: Path
) -> None:
    """With RELOAD a changed file is served soon and traced, requests wait, and streams end."""
    shutil.copytree(FOLDER / "app", tmp_path / "app")
    async with run_api(own_settings) as api:
        person = await People(api).create("admin")
    with run_sink() as sink:
        await _change_the_sources(own_settings, tmp_path, person, sink)
        names = [span.name for span in sink.spans if span.version == "9.9.9"]
        assert "GET /api/v1/system/info" in names


async def _change_the_sources(settings: Settings, folder: Path, person: Person, sink: Sink) -> None:
    async with (
        server_process(settings, folder, RELOAD="true", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url) as (
            process,
            url,
        ),
        http_client(url, person.token) as client,
        client.stream("GET", "/api/v1/events") as stream,
    ):
        (folder / "app" / "version.py").write_text('VERSION = "9.9.9"\n')

        async def shows_new_version() -> bool:
            async with http_client(url) as fresh:
                try:
                    info = await fresh.get("/api/v1/system/info")
                except (httpx.ReadError, httpx.RemoteProtocolError):
                    return False  # the server that ends had accepted it, and not read it yet
            return bool(info.json()["version"] == "9.9.9")

        await eventually(shows_new_version, within_s=20)
        async for _ in stream.aiter_bytes():
            pass
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0

"""Connections to PostgreSQL are encrypted and to nobody else, where an authority is given."""

import asyncio
import shutil
from pathlib import Path

import asyncpg
import pytest

from app import migrate as migration
from app.database import connect_arguments
from app.settings import Settings
from tests import database
from tests.people import People
from tests.running import run_api
from tests.tls import make_certificates, tls_proxy
from tests.waiting import eventually

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificates"),
]


async def test_all_connections_speak_tls(own_settings: Settings, tmp_path: Path) -> None:
    """Migration, pool and listener reach a PostgreSQL that takes nothing but TLS."""
    authority = make_certificates(tmp_path, "localhost")
    async with tls_proxy(tmp_path, own_settings.postgres_address) as port:
        changes = {"postgres_address": f"localhost:{port}", "postgres_ca_file": authority}
        await migration.migrate(database.migration_of(own_settings, **changes))
        async with run_api(own_settings.model_copy(update=changes)) as api:
            async with (await People(api).create("admin")).client() as client:
                assert (await client.get("/api/v1/users")).status_code == 200
            woken = asyncio.Event()
            api.resources.listener.on("job_changed", lambda _: woken.set())
            connection = await database.connect(own_settings, own_settings.postgres_db)

            async def notified() -> bool:
                await connection.execute("NOTIFY job_changed, 'x'")
                return woken.is_set()

            await eventually(notified)
            await connection.close()


async def test_a_certificate_of_others_is_refused(
    own_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A certificate for another host, or from another authority, is refused and said at once."""
    for folder, host in (("server", "another-host"), ("stranger", "localhost")):
        (tmp_path / folder).mkdir()
        make_certificates(tmp_path / folder, host)
    async with tls_proxy(tmp_path / "server", own_settings.postgres_address) as port:
        for folder in ("server", "stranger"):
            wrong = database.migration_of(
                own_settings,
                postgres_address=f"localhost:{port}",
                postgres_ca_file=tmp_path / folder / "ca.pem",
            )
            monkeypatch.setattr(migration, "settings_or_exit", lambda wrong=wrong: wrong)
            assert await asyncio.to_thread(migration.main) == 1
            assert "no certificate that POSTGRES_CA_FILE vouches for" in capsys.readouterr().err


async def test_a_server_without_tls_is_refused(own_settings: Settings, tmp_path: Path) -> None:
    """Where an authority is given, a PostgreSQL that speaks no TLS gets no password."""
    authority = make_certificates(tmp_path, "localhost")
    settings = own_settings.model_copy(update={"postgres_ca_file": authority})
    with pytest.raises((ConnectionError, asyncpg.PostgresError), match="SSL"):
        await asyncpg.connect(**connect_arguments(settings))

"""A PostgreSQL that is gone without a word: connections stand, and nothing comes."""

import asyncio
import time

import pytest
from sqlalchemy import text

from app import resources
from app.settings import Settings
from tests.people import People
from tests.proxy import Proxy
from tests.running import run_api

pytestmark = pytest.mark.anyio
ROLES = "/api/v1/roles"
KEEPALIVES = "SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp_keepalives%'"


async def test_the_server_ends_sessions_of_clients_that_vanished(own_settings: Settings) -> None:
    """PostgreSQL is asked to look every few seconds whether our end is still there."""
    async with run_api(own_settings) as api, api.resources.database.read() as connection:
        rows = (await connection.execute(text(KEEPALIVES))).all()
        assert sorted(map(tuple, rows)) == [
            ("tcp_keepalives_count", "2"),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
        ]


async def test_silent_connections_are_given_up(
    own_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked on a silent connection gets 503 in time; the rest of the pool is replaced."""
    monkeypatch.setattr(resources, "SILENCE_S", 3)
    async with Proxy(own_settings.postgres_address) as proxy:
        behind = own_settings.model_copy(update={"postgres_address": proxy.address})
        async with run_api(behind) as api, (await People(api).create("admin")).client() as client:
            await asyncio.gather(*(client.get(ROLES) for _ in range(12)))
            proxy.forget()
            began = time.perf_counter()
            refused = await client.get(ROLES)
            assert (refused.status_code, refused.headers["retry-after"] != "") == (503, True)
            assert time.perf_counter() - began < 8
            answers = await asyncio.gather(*(client.get(ROLES) for _ in range(12)))
            assert [answer.status_code for answer in answers] == [200] * 12

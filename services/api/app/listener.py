"""The one LISTEN connection of the process."""

import asyncio
from collections.abc import Callable

import asyncpg
import structlog

from app.database import connect_arguments
from app.settings import Settings

KEEPALIVE_S = 5.0
RECONNECT_S = 0.5

log = structlog.get_logger()


class Listener:
    """Hands notifications of PostgreSQL to handlers, and reconnects for ever.

    What was notified while the connection was away is lost: after each (re)connect the `on_connect`
    handlers run, so that everybody can look for themselves.
    """

    def __init__(self, settings: Settings) -> None:
        self._arguments = connect_arguments(settings, settings.postgres_role)
        self._handlers: dict[str, Callable[[str], None]] = {}
        self._on_connect: list[Callable[[], None]] = []

    def on(self, channel: str, handler: Callable[[str], None]) -> None:
        """Call `handler` with the payload of each notification; before `run`."""
        self._handlers[channel] = handler

    def on_connect(self, handler: Callable[[], None]) -> None:
        """Call `handler` whenever the connection stands again; before `run`."""
        self._on_connect.append(handler)

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("listener.disconnected", error=str(error) or type(error).__name__)
            await asyncio.sleep(RECONNECT_S)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(**self._arguments)
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        try:
            for channel in self._handlers:
                await connection.add_listener(channel, self._dispatch)
            for handler in self._on_connect:
                handler()
            await self._keep_alive(connection, ended)
        finally:
            connection.terminate()

    @staticmethod
    async def _keep_alive(connection: asyncpg.Connection, ended: asyncio.Event) -> None:
        # A peer that vanished sends nothing: only asking finds out.
        while not ended.is_set():
            try:
                async with asyncio.timeout(KEEPALIVE_S):
                    await ended.wait()
            except TimeoutError:
                await connection.execute("SELECT 1", timeout=KEEPALIVE_S)

    def _dispatch(self, _connection: object, _pid: int, channel: str, payload: str) -> None:
        self._handlers[channel](payload)

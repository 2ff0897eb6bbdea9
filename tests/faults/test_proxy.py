"""The proxy breaks what it says it breaks."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from proxy import Proxy

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def echo(ended: asyncio.Event | None = None) -> AsyncIterator[Proxy]:
    """A proxy before a server that says what it hears, and sets `ended` where a connection does."""

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(line)
        writer.close()
        if ended:
            ended.set()

    server = await asyncio.start_server(repeat, "127.0.0.1", 0)
    proxy = Proxy(server.sockets[0].getsockname()[1])
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
        server.close()


class Talk:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, word: bytes, seconds: float = 2) -> bytes:
        """What comes back; TimeoutError if nothing does."""
        self._writer.write(word + b"\n")
        async with asyncio.timeout(seconds):
            return (await self._reader.readline()).strip()


@asynccontextmanager
async def talking(proxy: Proxy) -> AsyncIterator[Talk]:
    """A connection to the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield Talk(reader, writer)
    finally:
        writer.transport.abort()


async def test_it_forwards() -> None:
    """What is sent arrives, and comes back."""
    async with echo() as proxy, talking(proxy) as talk:
        assert [await talk.say(b"one"), await talk.say(b"two")] == [b"one", b"two"]
        assert proxy.connections == 1


async def test_cut() -> None:
    """Connections break and new ones are refused, until it is healed."""
    async with echo() as proxy, talking(proxy) as talk:
        await talk.say(b"one")
        await proxy.cut()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        with suppress(ConnectionError):  # a reset says it, too
            assert await talk.say(b"two") == b""
        await proxy.heal()
        async with talking(proxy) as again:
            assert await again.say(b"three") == b"three"


async def test_black_hole() -> None:
    """Nothing comes through, on old and new connections; once healed, what was sent arrives."""
    async with echo() as proxy, talking(proxy) as old:
        await old.say(b"one")
        proxy.black_hole()
        async with talking(proxy) as new:
            for talk in (old, new):
                with pytest.raises(TimeoutError):
                    await talk.say(b"two", 0.2)
            await proxy.heal()
            assert await old.say(b"three") == b"two"


async def test_half_open() -> None:
    """Connections that stand are dead, and closed only in the end; new ones are well."""
    async with echo() as proxy, talking(proxy) as old:
        await old.say(b"one")
        proxy.half_open()
        async with talking(proxy) as new:
            assert await new.say(b"two") == b"two"
        with pytest.raises(TimeoutError):
            await old.say(b"three", 0.2)
        await proxy.heal()
        with suppress(ConnectionError):
            assert await old.say(b"four") == b""


async def test_half_open_ends_at_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server learns by and by that nobody is there; the client still does not."""
    monkeypatch.setattr("proxy.KEEPALIVE_S", 0.1)
    ended = asyncio.Event()
    async with echo(ended) as proxy, talking(proxy) as old:
        await old.say(b"one")
        proxy.half_open()
        async with asyncio.timeout(5):
            await ended.wait()
        with pytest.raises(TimeoutError):
            await old.say(b"two", 0.2)


async def test_latency() -> None:
    """Every piece is late, there and back."""
    async with echo() as proxy, talking(proxy) as talk:
        await talk.say(b"one")
        proxy.latency = 0.1
        began = time.monotonic()
        await talk.say(b"two")
        assert time.monotonic() - began >= 0.2

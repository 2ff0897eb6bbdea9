"""A TCP proxy that stands between a service and a server, and breaks what flows through it."""

import asyncio
from contextlib import suppress

_CHUNK = 64 * 1024
KEEPALIVE_S = 20.0
"""After so long the kernel of a server ends a connection whose other end is gone: services ask for that."""


class Proxy:
    """Forwards to 127.0.0.1:`target`.

    `cut` refuses, `black_hole` accepts and says nothing, `half_open` forgets the connections that
    stand and tells no client, and the server as late as its kernel would, `latency` holds every piece
    for so many seconds. `heal` ends them all.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.latency = 0.0
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._links: set[asyncio.Task[None]] = set()
        self._far_ends: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._forgotten: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """How many stand and are not forgotten."""
        return len(self._links)

    async def start(self) -> None:
        """Listen; always on the same port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server:
            self._server.close()
        self._server = None
        await self._drop(self._links | self._forgotten)

    async def drop(self) -> None:
        """Break every connection once; new ones are welcome."""
        await self._drop(self._links | self._forgotten)

    def black_hole(self) -> None:
        """Let nothing through, either way; what was sent arrives once it is healed."""
        self._flowing.clear()

    def half_open(self) -> None:
        """Let nothing through on the connections that stand, ever; new ones are well."""
        for link in self._links & self._far_ends.keys():
            end = self._far_ends[link].transport.abort
            asyncio.get_running_loop().call_later(KEEPALIVE_S, end)
        self._forgotten |= self._links
        self._links.clear()

    async def heal(self) -> None:
        """Let everything through again; what was forgotten is broken at last."""
        self.latency = 0.0
        self._flowing.set()
        await self._drop(self._forgotten)
        if not self._server:
            await self.start()

    async def stop(self) -> None:
        """Break everything and listen no more."""
        await self.cut()

    async def _drop(self, links: set[asyncio.Task[None]]) -> None:
        for link in list(links):
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link
        self._links.add(link)
        writers = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            writers.append(far_writer)
            self._far_ends[link] = far_writer
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(link, reader, far_writer))
                pumps.create_task(self._pump(link, far_reader, writer))
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass  # either end went, or the proxy breaks the connection: the other end is told below
        finally:
            self._links.discard(link)
            self._forgotten.discard(link)
            self._far_ends.pop(link, None)
            for each in writers:
                each.transport.abort()

    async def _pump(
        self, link: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        chunk = b"-"
        while chunk:
            chunk = await reader.read(_CHUNK)
            if self.latency:
                await asyncio.sleep(self.latency)
            await self._flowing.wait()
            if link in self._forgotten:
                await asyncio.Event().wait()  # until the proxy breaks it
            writer.write(chunk)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()

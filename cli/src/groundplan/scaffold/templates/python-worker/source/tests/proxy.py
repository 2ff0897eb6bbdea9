"""A TCP proxy that can be cut, slowed or held, in place of stopping a server that others use."""

import asyncio
from contextlib import suppress
from typing import Self

SLOW_S = 0.05


class Proxy:
    """Forwards to `target` ("host:port")."""

    def __init__(self, target: str) -> None:
        self._host, port = target.split(":")
        self._port = int(port)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self.address = ""
        self.sent = 0
        """Bytes to the server so far."""
        self.slow = False
        """Lets about 1 MB/s through on each connection."""

    async def __aenter__(self) -> Self:
        self._flowing.set()
        await self.restore()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def restore(self) -> None:
        """Listen, on the same port as before."""
        port = int(self.address.split(":")[1]) if self.address else 0
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def cut(self) -> None:
        """Close every connection and refuse new ones."""
        if self._server:
            self._server.close()
        self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hold(self) -> None:
        """Keep connections open, but let nothing through, as a frozen server does."""
        self._flowing.clear()

    def release(self) -> None:
        """End what `hold` began."""
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        writers = [writer]
        with suppress(OSError, asyncio.CancelledError):
            try:
                target_reader, target_writer = await asyncio.open_connection(self._host, self._port)
                writers.append(target_writer)
                await asyncio.gather(
                    self._pump(reader, target_writer, counted=True),
                    self._pump(target_reader, writer, counted=False),
                )
            finally:
                for each in writers:
                    each.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65536):
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()
                self.sent += len(chunk) * counted
                if self.slow:
                    await asyncio.sleep(SLOW_S)
        writer.close()

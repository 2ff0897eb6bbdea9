"""A TCP proxy that can be cut, in place of stopping a server that others use."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

Watch = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class _MarkError(Exception):
    """A connection has sent the mark."""


class Proxy:
    """Forwards to `target` ("host:port") until it is cut.

    A connection on which the client sends `mark` is cut: before that gets through, or after it if
    `mark_passes`. The answer to it never comes back.
    """

    def __init__(self, target: str) -> None:
        self.mark = b""
        self.mark_passes = False
        self._host, port = target.split(":")
        self._port = int(port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._forgotten: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _tb: TracebackType | None,
    ) -> None:
        await self.cut()

    async def restore(self) -> None:
        """Listen, on the same port as before."""
        port = int(self.address.split(":")[1]) if self.address else 0
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def forget(self) -> None:
        """Let nothing through on the connections that stand; new ones are well."""
        self._forgotten |= self._writers

    async def cut(self) -> None:
        """Close every connection and refuse new ones."""
        if self._server:
            self._server.close()
        self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(OSError, asyncio.CancelledError, _MarkError):
            target_reader, target_writer = await asyncio.open_connection(self._host, self._port)
            self._writers |= {writer, target_writer}
            try:
                await asyncio.gather(
                    self._pump(reader, target_writer, self._watch),
                    self._pump(target_reader, writer),
                )
            finally:
                for each in (writer, target_writer):
                    self._writers.discard(each)
                    each.transport.abort()

    async def _watch(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        if not self.mark or self.mark not in chunk:
            return
        if self.mark_passes:
            writer.write(chunk)
            await writer.drain()
        raise _MarkError

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        watch: Watch | None = None,
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65536):
                if writer in self._forgotten:
                    await asyncio.Event().wait()  # until the proxy is cut
                if watch:
                    await watch(chunk, writer)
                writer.write(chunk)
                await writer.drain()
        writer.close()

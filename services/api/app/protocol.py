"""HTTP/1.1 with bounds on what a client may make the server wait for or hold in memory."""

from asyncio import Transport
from socket import IPPROTO_TCP, TCP_USER_TIMEOUT
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# From the first byte of a request, or else the connection, to the last of its body.
REQUEST_TIMEOUT_S = 20.0
# How long a client may take nothing of what waits for it.
READING_TIMEOUT_S = 30.0
MAX_HEADER_BYTES = 64 * 1024
TOO_LARGE = 431


class BoundedProtocol(HttpToolsProtocol):
    """Ends connections of clients that neither write nor read on, and headers without end.

    The server's own timeout is for connections that rest between two requests.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as the server has it
        super().__init__(*args, **options)
        self._header_bytes = 0
        self._in_headers = True

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as there
        """Expect a request."""
        super().connection_made(transport)
        # The kernel's timeout counts to the end: it holds for what is left when we close, too.
        transport.get_extra_info("socket").setsockopt(
            IPPROTO_TCP, TCP_USER_TIMEOUT, int(READING_TIMEOUT_S * 1000)
        )
        self._timer = self.loop.call_later(REQUEST_TIMEOUT_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        if self._in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._in_headers and self._header_bytes > MAX_HEADER_BYTES:
            self.transport.write(STATUS_LINE[TOO_LARGE] + b"connection: close\r\n\r\n")
            self.transport.close()

    def on_message_begin(self) -> None:
        """Expect the rest of a request."""
        super().on_message_begin()
        self._in_headers, self._header_bytes = True, 0
        self._timer.cancel()
        self._timer = self.loop.call_later(REQUEST_TIMEOUT_S, self.transport.abort)

    def on_headers_complete(self) -> None:
        """Take the headers as read."""
        self._in_headers = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Take the request as read."""
        self._timer.cancel()
        super().on_message_complete()

"""As much of a debugger as it takes to see that one can attach."""

import base64
import json
import os
import socket
import struct
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx2

_PATIENCE = 30.0
_SHORT, _LONG, _MASKED, _TEXT = 126, 2**16, 0x80, 0x81
"""Of a frame of a WebSocket: lengths from which more bytes hold them, and its first bits."""


class PythonDebugger:
    """Speaks the Debug Adapter Protocol with debugpy."""

    def __init__(self, port: int, local: str, remote: str) -> None:
        """Attach; the folder `local` of this machine is `remote` in the container."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        self._stream = self._socket.makefile("rb")
        self._sent = 0
        self._request("initialize", adapterID="test", pathFormat="path")
        self._until("response", "initialize")
        mappings = [{"localRoot": local, "remoteRoot": remote}]
        self._request("attach", pathMappings=mappings)
        self._until("event", "initialized")

    def __enter__(self) -> "PythonDebugger":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stream.close()
        self._socket.close()

    def break_at(self, file: str, line: int) -> None:
        """Set a breakpoint, and let the program go on."""
        self._request("setBreakpoints", source={"path": file}, breakpoints=[{"line": line}])
        answer = self._until("response", "setBreakpoints")
        assert answer["body"]["breakpoints"][0]["verified"], answer
        self._request("configurationDone")
        self._until("response", "configurationDone")

    def until_stopped(self) -> str:
        """Why the program stopped, once it does; it goes on then."""
        body = self._until("event", "stopped")["body"]
        self._request("continue", threadId=body["threadId"])
        self._until("response", "continue")
        return str(body["reason"])

    def _request(self, command: str, **arguments: Any) -> None:
        self._sent += 1
        message = {"seq": self._sent, "type": "request", "command": command, "arguments": arguments}
        content = json.dumps(message).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))

    def _until(self, kind: str, name: str) -> dict[str, Any]:
        while True:
            length = 0
            while header := self._stream.readline().strip():
                length = int(header.partition(b":")[2])
            assert length, "the debugger hung up"
            message: dict[str, Any] = json.loads(self._stream.read(length))
            if message["type"] == kind and name in (message.get("command"), message.get("event")):
                assert message.get("success", True), message
                return message


def evaluate_in_node(port: int, expression: str) -> Any:
    """What an expression gives in the Node.js process whose inspector listens there."""
    (target,) = httpx2.get(f"http://127.0.0.1:{port}/json/list", timeout=_PATIENCE).json()
    path = urlsplit(target["webSocketDebuggerUrl"]).path
    connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
    with connection, connection.makefile("rb") as stream:
        connection.sendall(_upgrade(path))
        while stream.readline().strip():
            pass
        parameters = {"expression": expression, "returnByValue": True}
        message = {"id": 1, "method": "Runtime.evaluate", "params": parameters}
        connection.sendall(_frame(json.dumps(message).encode()))
        answer = json.loads(_content(stream.read))
    return answer["result"]["result"]["value"]


def _upgrade(path: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def _frame(content: bytes) -> bytes:
    """A short text as a client sends it: with a mask, here of zeros, which changes nothing."""
    assert len(content) < _LONG
    if len(content) < _SHORT:
        head = bytes([_TEXT, _MASKED | len(content)])
    else:
        head = bytes([_TEXT, _MASKED | _SHORT]) + struct.pack(">H", len(content))
    return head + bytes(4) + content


def _content(read: Any) -> bytes:
    """The text of the next frame of a server."""
    length = read(2)[1]
    if length == _SHORT:
        length = struct.unpack(">H", read(2))[0]
    return bytes(read(length))

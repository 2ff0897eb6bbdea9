"""Small clients of the real servers, which show every answer as it comes."""

import hmac
import socket
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import urlsplit

import httpx2


def redis(port: int, *commands: str) -> list[str]:
    """Send commands one after the other; the first line of each answer, or a string's value."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        stream = link.makefile("rw", newline="\r\n")
        answers = []
        for command in commands:
            stream.write(f"{command}\r\n")
            stream.flush()
            answer = stream.readline().strip()
            is_string = answer.startswith("$") and answer != "$-1"
            answers.append(stream.readline().strip() if is_string else answer)
        return answers


def amqp_login(port: int, user: str, password: str) -> bool:
    """Open an AMQP 0-9-1 connection as far as the broker's verdict on the login."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        stream = link.makefile("rwb")
        stream.write(b"AMQP\x00\x00\x09\x01")
        stream.flush()
        assert _amqp_method(stream.read) == (10, 10)  # connection.start
        login = f"\0{user}\0{password}".encode()
        body = struct.pack(">HHI", 10, 11, 0)  # connection.start-ok without properties
        body += b"\x05PLAIN" + struct.pack(">I", len(login)) + login + b"\x05en_US"
        stream.write(struct.pack(">BHI", 1, 0, len(body)) + body + b"\xce")
        stream.flush()
        return _amqp_method(stream.read) == (10, 30)  # connection.tune; else it is closed


def _amqp_method(read: Callable[[int], bytes]) -> tuple[int, int] | None:
    """Class and method of the next frame; None where the connection was closed instead."""
    try:
        header = read(7)
    except ConnectionResetError:
        return None
    if len(header) < 7:
        return None
    frame = read(struct.unpack(">BHI", header)[2] + 1)
    found: tuple[int, int] = struct.unpack(">HH", frame[:4])
    return found


def s3(method: str, url: str, key_id: str, secret: str, body: bytes = b"") -> httpx2.Response:
    """One request with a signature of AWS, version 4."""
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    parts, digest = urlsplit(url), sha256(body).hexdigest()
    headers = {"host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": time}
    names = ";".join(headers)
    lines = [f"{name}:{value}" for name, value in headers.items()]
    request = "\n".join([method, parts.path, "", *lines, "", names, digest])
    scope = f"{time[:8]}/us-east-1/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", time, scope, sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), sha256).digest()
    signature = hmac.new(key, text.encode(), sha256).hexdigest()
    credentials = f"Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {credentials}"
    return httpx2.request(method, url, headers=headers, content=body, trust_env=False)

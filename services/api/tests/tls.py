"""PostgreSQL behind TLS: a proxy that ends it, with a certificate made for the test."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

SSL_REQUEST_BYTES = 8


def make_certificates(folder: Path, host: str) -> Path:
    """An authority and a certificate of it for `host` (server.pem, server.key); returns ca.pem."""
    request = f"req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN={host}"
    authority = "-addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem"
    _openssl(folder, f"{request} {authority}")
    server = f"-addext subjectAltName=DNS:{host} -addext basicConstraints=critical,CA:FALSE"
    _openssl(
        folder, f"{request} {server} -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem"
    )
    return folder / "ca.pem"


def _openssl(folder: Path, arguments: str) -> None:
    command = ["openssl", *arguments.split()]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=30)


@asynccontextmanager
async def tls_proxy(folder: Path, target: str) -> AsyncIterator[str]:
    """Forwards to the PostgreSQL at `target`; yields the port for clients that speak TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    host, port = target.split(":")

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(SSL_REQUEST_BYTES)
            writer.write(b"S")
            await writer.start_tls(context)
            server_reader, server_writer = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_pump(reader, server_writer), _pump(server_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield str(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    writer.close()

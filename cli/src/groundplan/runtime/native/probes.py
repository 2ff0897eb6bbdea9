"""Ways to see whether a process is ready to serve."""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Protocol
from urllib.parse import urlsplit

_POLL = 0.02
_MOST_OUTPUT = 4096  # as Docker keeps


class Probe(Protocol):
    """Looks once; None means ready, else why not."""

    async def check(self) -> str | None:
        """Why the service is not ready, or None."""


@dataclass(frozen=True)
class HttpProbe:
    """GET `url`; ready below status `healthy_below` (a 403 still shows a working server)."""

    url: str
    healthy_below: int = 400

    async def check(self) -> str | None:
        """Why the service is not ready, or None."""
        parts = urlsplit(self.url)
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            return f"nothing listens on {parts.netloc}"
        try:
            writer.write(
                f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
            )
            line = (await reader.readline()).decode("latin-1")
            if not line.startswith("HTTP/"):
                return f"{self.url} answered no HTTP"
            status = int(line.split()[1])
            return None if status < self.healthy_below else f"{self.url} answered {status}"
        except (OSError, IndexError, ValueError):
            return f"{self.url} broke off its answer"
        finally:
            writer.close()


@dataclass(frozen=True)
class GreetingProbe:
    """Send `request` to 127.0.0.1:`port`; ready when the answer starts with one of `greetings`."""

    port: int
    request: bytes
    greetings: tuple[bytes, ...]

    async def check(self) -> str | None:
        """Why the service is not ready, or None."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return f"nothing listens on 127.0.0.1:{self.port}"
        try:
            writer.write(self.request)
            answer = await reader.read(64)
        except OSError:
            return f"127.0.0.1:{self.port} broke off its answer"
        finally:
            writer.close()
        return (
            None
            if answer.startswith(self.greetings)
            else f"127.0.0.1:{self.port} answered {answer[:40]!r}"
        )


@dataclass
class CommandProbe:
    """Run a command; ready when it ends with 0."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    output: str = ""
    """What the command printed last."""

    async def check(self) -> str | None:
        """Why the service is not ready, or None."""
        with tempfile.TemporaryFile() as output:
            try:
                process = self._start(output)
            except OSError as error:
                return f"{self.argv[0]} can't be run: {error.strerror}"
            try:
                while process.poll() is None:
                    await asyncio.sleep(_POLL)
            finally:
                with suppress(ProcessLookupError):  # ends what the command left behind
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            output.seek(0)
            self.output = output.read(_MOST_OUTPUT).decode(errors="replace").strip()
        text = self.output.splitlines()
        return (
            None
            if process.returncode == 0
            else (text[-1] if text else f"{self.argv[0]} ended with {process.returncode}")
        )

    def _start(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start the command. Not by asyncio: a start that is cancelled there leaves processes."""
        return subprocess.Popen(
            self.argv,
            env=dict(self.environment),
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

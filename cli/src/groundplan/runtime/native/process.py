"""One process of a service, in a session of its own, with its output in its log."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from groundplan.errors import UserError
from groundplan.runtime.native.drivers.base import Launch, as_account
from groundplan.runtime.native.state import MARKER

_LOG_LIMIT = 20 * 1024 * 1024
_LINE_LIMIT = 64 * 1024


class Log:
    """A service's log file: one line an entry, with the time before it; the last file is kept as .1."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rotate()

    def write(self, line: str) -> None:
        """Add one line."""
        self._stream.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {line}\n")
        self._stream.flush()
        if self._stream.tell() > _LOG_LIMIT:
            self._rotate()

    def _rotate(self) -> None:
        if self._path.exists():
            self._path.replace(self._path.with_suffix(".log.1"))
        self._stream = self._path.open("a", errors="replace")


class Keeper:
    """The process that ends the services if this one dies; see keeper.py."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the keeper."""
        script = str(Path(__file__).with_name("keeper.py"))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            script,
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    def tell(self, sign: str, group: int) -> None:
        """Add ("+") or remove ("-") a process group."""
        if self._process and self._process.stdin:
            with suppress(OSError):
                self._process.stdin.write(f"{sign}{group}\n".encode())

    async def stop(self) -> None:
        """Let the keeper end; it ends what is left, if anything is."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            await self._process.wait()


class ServiceProcess:
    """A running process and all its descendants in its session.

    Not asyncio's own subprocess: that reports the end of a process only when its output is closed,
    and a descendant that outlives it may hold the output open for ever.
    """

    def __init__(self, process: subprocess.Popen[bytes], launch: Launch, keeper: Keeper) -> None:
        self._process = process
        self._launch = launch
        self._keeper = keeper
        self.pid = process.pid
        self.started = time.monotonic()
        self._reader: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = loop.create_future()
        threading.Thread(target=self._await_end, args=(loop,), daemon=True).start()

    @classmethod
    async def start(
        cls,
        name: str,
        launch: Launch,
        state_folder: Path,
        keeper: Keeper,
        on_line: Callable[[str], None],
    ) -> "ServiceProcess":
        """Start `launch`; `on_line` gets each line of its output. Raises UserError if it can't be started."""
        try:
            process = subprocess.Popen(
                launch.argv,
                env={**launch.environment, MARKER: str(state_folder)},
                cwd=launch.cwd,
                stdin=subprocess.PIPE if launch.stdin is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=as_account(launch.account),
            )
        except OSError as error:
            raise UserError(
                f"{name} can't be started.",
                why=f"{launch.argv[0]}: {error.strerror}.",
                hint="Type ./gp doctor to see what is missing.",
            ) from error
        keeper.tell("+", process.pid)
        self = cls(process, launch, keeper)
        self._reader = asyncio.create_task(self._read(on_line))
        if process.stdin and launch.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.write(launch.stdin)
                process.stdin.close()
        return self

    def _await_end(self, loop: asyncio.AbstractEventLoop) -> None:
        code = self._process.wait()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._ended.set_result, code)

    async def _read(self, on_line: Callable[[str], None]) -> None:
        reader = asyncio.StreamReader(limit=_LINE_LIMIT)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout
        )
        rest = b""
        try:
            while chunk := await reader.read(_LINE_LIMIT):
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > _LINE_LIMIT:  # a line beyond the limit is cut into several
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    on_line(line.decode(errors="replace").rstrip("\r"))
        finally:
            if rest:
                on_line(rest.decode(errors="replace").rstrip("\r"))
            transport.close()

    async def wait(self) -> int:
        """Wait until the process ends, end what it left in its session, and return its exit code."""
        code = await asyncio.shield(self._ended)
        self._signal(signal.SIGKILL)
        self._keeper.tell("-", self.pid)
        if self._reader:  # what is left in the pipe; a stranger may hold it open
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._reader
        return code

    async def stop(self, grace: float) -> None:
        """Ask the process to end, and kill its group after `grace` seconds."""
        if not self._ended.done():
            self._process.send_signal(self._launch.stop_signal)
        try:
            async with asyncio.timeout(grace):
                await asyncio.shield(self._ended)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await asyncio.shield(self._ended)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

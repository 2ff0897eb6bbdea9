"""A process of a service that is started again whenever it ends, as a supervisor does."""

import asyncio
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import httpx2

from groundplan.runtime.native.state import MARKER
from harness import ROOT
from waiting import eventually

_RESTART_S = 0.3


class Replica:
    """One of several processes of a service; each listens on a port of its own."""

    def __init__(
        self, name: str, argv: tuple[str, ...], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{environment['PORT']}"
        self.starts = 0
        self._argv = argv
        self._folder = folder
        self._state = ROOT / "tmp" / os.environ["GROUNDPLAN_INSTANCE"]
        # What a broken run leaves behind is ended by `./gp down`, which knows it by the marker.
        self._environment = {**environment, MARKER: str(self._state)}
        self._process: Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process, if it runs."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    def start(self) -> None:
        """Start it, and go on starting it."""
        if not self._keeping:
            self._keeping = asyncio.create_task(self._keep())

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; False if it does not run at the moment."""
        if not self.pid:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False

    async def stop(self, grace: float = 15) -> float:
        """Ask it to end, and start it no more; returns the seconds that it took, `grace` at most."""
        process, keeping = self._process, self._keeping
        self._keeping = None
        if keeping:
            keeping.cancel()
        began = time.monotonic()
        if not process or not self.pid:
            return 0.0
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await process.wait()
        except TimeoutError:
            self.send(signal.SIGKILL)
            await process.wait()
        return time.monotonic() - began

    async def ready(self, seconds: float = 90) -> None:
        """Wait until it says that it can work."""
        await eventually(self.is_ready, seconds, f"{self.name} ready")

    async def is_ready(self) -> bool:
        """Whether it says that all it works with is well."""
        with suppress(httpx2.TransportError):
            async with httpx2.AsyncClient(timeout=5) as client:
                answer = await client.get(f"{self.url}/readyz")
                return answer.status_code == 200 and answer.json()["status"] == "ok"
        return False

    async def _keep(self) -> None:
        log = self._state / "faults" / f"{self.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            while True:
                self.starts += 1
                self._process = await asyncio.create_subprocess_exec(
                    *self._argv,
                    cwd=self._folder,
                    env=self._environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
                await self._process.wait()
                await asyncio.sleep(_RESTART_S)

"""A worker as it runs in production: `python -m app`."""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any, Self

import httpx2 as httpx

from tests.waiting import eventually

ROOT = Path(__file__).parent.parent
LISTENS = re.compile(r"running on (http://[\d.]+:\d+)")


class WorkerProcess:
    """Starts on entering, and is killed at the end if it still runs."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self.lines: list[dict[str, Any]] = []
        """Log lines so far."""

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app",
            cwd=ROOT,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading

    def logged(self, event: str) -> bool:
        """Whether that event was logged."""
        return any(line["event"] == event for line in self.lines)

    async def until_logged(self, event: str) -> None:
        """Wait for that event."""

        async def is_logged() -> bool:
            return self.logged(event)

        await eventually(is_logged)

    async def health(self, path: str) -> httpx.Response | None:
        """The answer of the health endpoint; None until it listens."""
        found = [match for line in self.lines if (match := LISTENS.search(line["event"]))]
        if not found:
            return None
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            return await client.get(found[0][1] + path)

    async def until_ready(self) -> None:
        """Wait until everything that it needs answers."""

        async def is_ready() -> bool:
            response = await self.health("/readyz")
            return response is not None and response.is_success

        await eventually(is_ready)

    async def _read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

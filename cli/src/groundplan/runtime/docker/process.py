"""Programs that run beside the tool while it waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from groundplan.runtime.docker.engine import Project

Process = asyncio.subprocess.Process
_LONGEST_LINE = 1 << 20


@asynccontextmanager
async def running(command: list[str], project: Project) -> AsyncIterator[Process]:
    """The command with the project's environment; it is ended with the block.

    It has a session of its own, so that Ctrl-C does not reach it.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        env=project.process_environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        limit=_LONGEST_LINE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def lines(process: Process) -> AsyncIterator[str]:
    """What it writes, on both of its outputs."""
    assert process.stdout
    while line := await process.stdout.readline():
        yield line.decode(errors="replace").rstrip()


async def run(command: list[str], project: Project) -> int:
    """Run the command to its end; its exit code."""
    async with running(command, project) as process:
        async for _ in lines(process):
            pass
        return await process.wait()

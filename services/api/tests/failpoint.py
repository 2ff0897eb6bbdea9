"""A relay that dies at one step: `python -m tests.failpoint STEP`."""

import asyncio
import os
import sys
from typing import Any

from app.broker import Publisher
from app.database import Database
from app.job.relay import Relay
from app.settings import get_settings
from app.telemetry.tracing import Telemetry

STEPS = ("before_publish", "before_confirm", "after_confirm", "before_commit")


def die() -> None:
    """As by kill -9."""
    os._exit(9)


async def main(step: str) -> None:
    """Relay until that step comes."""
    settings = get_settings()
    database = Database(settings, settings.postgres_role)
    publish = Publisher.publish

    async def dying_publish(self: Publisher, *arguments: Any) -> None:
        if step == "before_publish":
            die()
        if step == "before_confirm":
            # The message is on its way when the process ends.
            asyncio.get_running_loop().call_later(0.05, die)
            await asyncio.gather(publish(self, *arguments), asyncio.sleep(1))
        await publish(self, *arguments)
        if step == "after_confirm":
            die()

    relay = Relay(settings, database, Telemetry(settings))
    Publisher.publish = dying_publish  # type: ignore[method-assign, assignment] # the failpoint
    if step == "before_commit":
        from sqlalchemy.ext.asyncio import AsyncSession  # noqa: PLC0415 - only here

        async def dying_commit(_: AsyncSession) -> None:
            die()

        AsyncSession.commit = dying_commit  # type: ignore[method-assign, assignment] # the failpoint
    await relay.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

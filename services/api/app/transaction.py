"""The transaction of a request."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from app.resources import CurrentResources


async def _transaction(resources: CurrentResources) -> AsyncIterator[AsyncSession]:
    async with resources.database.transaction() as session:
        yield session


# Scope "function" commits before the response leaves; the default would commit after it.
Transaction = Annotated[AsyncSession, Depends(_transaction, scope="function")]

"""The life of one event stream."""

import asyncio
from collections.abc import AsyncIterator

from app.auth.authenticator import Authenticator
from app.core.errors import UnauthorizedError
from app.database import is_outage
from app.event.hub import Subscription
from app.role.domain import Permission

# How soon a stream ends after its session did; also the pause between pings.
CHECK_S = 5.0


async def stream(
    subscription: Subscription, authenticator: Authenticator, token: str
) -> AsyncIterator[bytes]:
    """Server-sent events until the client leaves, the session ends or the process stops."""
    loop = asyncio.get_running_loop()
    next_check = loop.time() + CHECK_S
    while not subscription.closed:
        yield await subscription.take(max(0.0, next_check - loop.time()))
        if loop.time() >= next_check:
            if not await _may_stay(subscription, authenticator, token):
                return
            next_check = loop.time() + CHECK_S


async def _may_stay(subscription: Subscription, authenticator: Authenticator, token: str) -> bool:
    """Whether the session still stands; takes over what the user may see by now."""
    try:
        subscription.principal, _ = await authenticator.authenticate(token)
    except UnauthorizedError:
        return False
    except Exception as error:
        if is_outage(error):
            return True  # asked again in CHECK_S; nothing is sent meanwhile
        raise
    return Permission.JOB_READ in subscription.principal.permissions

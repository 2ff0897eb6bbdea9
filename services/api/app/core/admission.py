"""What keeps the process answering when more is asked of it than it can do."""

import asyncio

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import UnavailableError, problem_response
from app.core.middleware import QUIET_PATHS
from app.telemetry.metrics import SHED_REQUESTS

# Less than any proxy in front waits, so that the answer is ours.
TIMEOUT_S = 20.0

log = structlog.get_logger()


class AdmissionMiddleware:
    """Bounds the requests in work, and how long each may take until its answer begins.

    Beyond the bound the answer is 503 at once, before any work. What is answered already no longer
    counts: a slow reader holds up nobody, and the event streams have a bound of their own.
    """

    def __init__(self, app: ASGIApp, *, max_in_work: int, timeout_s: float = TIMEOUT_S) -> None:
        self._app = app
        self._max_in_work = max_in_work
        self._timeout_s = timeout_s
        self._in_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http" or scope["path"] in QUIET_PATHS:
            await self._app(scope, receive, send)
        elif self._in_work >= self._max_in_work:
            SHED_REQUESTS.inc()
            await problem_response(overloaded(), scope["path"])(scope, receive, send)
        else:
            await self._work(scope, receive, send)

    async def _work(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_answered = False
        self._in_work += 1

        async def send_answer(message: Message) -> None:
            nonlocal is_answered
            if not is_answered:
                if deadline.expired():
                    # The cancellation is on its way, or was lost in a library.
                    raise asyncio.CancelledError
                is_answered = True
                self._in_work -= 1
                deadline.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                await self._app(scope, receive, send_answer)
        except TimeoutError:
            if not deadline.expired():
                raise
            log.warning("request.timed_out", path=scope["path"])
            await problem_response(timed_out(), scope["path"])(scope, receive, send)
        finally:
            if not is_answered:
                self._in_work -= 1


def overloaded() -> UnavailableError:
    """The 503 for what is refused unseen."""
    return UnavailableError("Too much is being asked at once. Try again soon.", "overloaded")


def timed_out() -> UnavailableError:
    """The 503 for what took too long; it may have been done all the same."""
    return UnavailableError("The answer took too long.", "timed_out")

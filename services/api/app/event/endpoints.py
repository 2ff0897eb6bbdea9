"""Route of the event stream."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from app.auth.access import CurrentPrincipal, bearer_token, requires
from app.event.hub import Subscription
from app.event.service import stream
from app.resources import CurrentResources
from app.role.domain import Permission

router = APIRouter(tags=["events"])

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def _subscription(
    principal: CurrentPrincipal, resources: CurrentResources
) -> AsyncIterator[Subscription]:
    with resources.events.subscribe(principal) as subscription:
        yield subscription


# Scope "request" lasts until the stream has ended, whether or not it was ever begun.
CurrentSubscription = Annotated[Subscription, Depends(_subscription, scope="request")]


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
    dependencies=[requires(Permission.JOB_READ)],
)
async def stream_events(
    request: Request, subscription: CurrentSubscription, resources: CurrentResources
) -> StreamingResponse:
    """Server-sent events: `ready` (fetch everything), then `job` with a Job on each change."""
    events = stream(subscription, resources.authenticator, bearer_token(request))
    return StreamingResponse(events, media_type=MEDIA_TYPE, headers=HEADERS)

"""Route of the event stream."""

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from app.auth.access import CurrentPrincipal, bearer_token, requires
from app.event.service import stream
from app.resources import CurrentResources
from app.role.domain import Permission

router = APIRouter(tags=["events"])

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
    dependencies=[requires(Permission.JOB_READ)],
)
async def stream_events(
    request: Request, principal: CurrentPrincipal, resources: CurrentResources
) -> StreamingResponse:
    """Server-sent events: `ready` (fetch everything), then `job` with a Job on each change."""
    events = stream(resources.events, resources.authenticator, bearer_token(request), principal)
    return StreamingResponse(events, media_type=MEDIA_TYPE, headers=HEADERS)

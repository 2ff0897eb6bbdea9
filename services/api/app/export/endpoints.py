"""Route of exports."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response, status

from app.auth.access import CurrentPrincipal, requires
from app.core.errors import problems
from app.export.schemas import ExportRequest
from app.export.service import ExportService
from app.job.schemas import JobOut
from app.resources import CurrentResources
from app.role.domain import Permission
from app.transaction import Transaction

router = APIRouter(tags=["exports"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Sending the same key again returns the same job",
    ),
]


@router.post(
    "/export",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problems(409),
    dependencies=[requires(Permission.EXPORT_CREATE, group="export")],
)
async def create_export(
    body: ExportRequest,
    request: Request,
    response: Response,
    session: Transaction,
    resources: CurrentResources,
    principal: CurrentPrincipal,
    idempotency_key: IdempotencyKey = None,
) -> JobOut:
    """Ask for an export; the job in the answer tells how it goes."""
    service = ExportService(session, resources.settings.result_days)
    job, replayed = await service.create(principal, body, idempotency_key)
    response.headers["Location"] = request.app.url_path_for("get_job", job_id=job.id)
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return job

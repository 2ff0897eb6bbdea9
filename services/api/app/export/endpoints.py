"""Route of exports."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response, status

from app.auth.access import CurrentPrincipal, requires
from app.export.schemas import ExportParams
from app.export.service import ExportService
from app.job.schemas import JobOut
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
    dependencies=[requires(Permission.EXPORT_CREATE)],
)
async def create_export(
    body: ExportParams,
    request: Request,
    response: Response,
    session: Transaction,
    principal: CurrentPrincipal,
    idempotency_key: IdempotencyKey = None,
) -> JobOut:
    """Ask for an export; the job in the answer tells how it goes."""
    job, replayed = await ExportService(session).create(principal, body, idempotency_key)
    response.headers["Location"] = request.app.url_path_for("get_job", job_id=job.id)
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return job

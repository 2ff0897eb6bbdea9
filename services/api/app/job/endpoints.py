"""Routes of jobs."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response, status
from fastapi.responses import JSONResponse, RedirectResponse

from app.auth.access import CurrentPrincipal, requires
from app.core.errors import problems
from app.job import service as job_service
from app.job.schemas import Download, JobOut, JobPage, JobQuery
from app.job.service import JobService
from app.resources import CurrentResources
from app.role.domain import Permission
from app.transaction import Transaction

router = APIRouter(prefix="/jobs", tags=["jobs"])


def _service(session: Transaction) -> JobService:
    return JobService(session)


Service = Annotated[JobService, Depends(_service)]


@router.get("", dependencies=[requires(Permission.JOB_READ)])
async def list_jobs(
    query: Annotated[JobQuery, Query()], service: Service, principal: CurrentPrincipal
) -> JobPage:
    """A page of your jobs, or of everybody's with job:read_all; newest first.

    The dead ones (`dead=true`) are everybody's, and need job:manage.
    """
    return await service.list(principal, query)


@router.get("/{job_id}", dependencies=[requires(Permission.JOB_READ)])
async def get_job(job_id: UUID, service: Service, principal: CurrentPrincipal) -> JobOut:
    """One job."""
    return await service.get(principal, job_id)


@router.post(
    "/{job_id}/cancel", responses=problems(409), dependencies=[requires(Permission.EXPORT_CREATE)]
)
async def cancel_job(job_id: UUID, service: Service, principal: CurrentPrincipal) -> JobOut:
    """Stop a job: at once while it is queued, else as soon as the worker sees it."""
    return await service.cancel(principal, job_id)


@router.post(
    "/{job_id}/retry", responses=problems(409), dependencies=[requires(Permission.EXPORT_CREATE)]
)
async def retry_job(job_id: UUID, service: Service, principal: CurrentPrincipal) -> JobOut:
    """Start a failed or cancelled job over: your own, or anybody's with job:manage."""
    return await service.retry(principal, job_id)


@router.post(
    "/{job_id}/discard",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(409),
    dependencies=[requires(Permission.JOB_MANAGE)],
)
async def discard_job(job_id: UUID, service: Service, principal: CurrentPrincipal) -> None:
    """Take a failed job off the list of the dead."""
    await service.discard(principal, job_id)


@router.get(
    "/{job_id}/download",
    response_model=Download,
    responses={
        status.HTTP_307_TEMPORARY_REDIRECT: {"description": "To the file"},
        **problems(409, 410),
    },
    dependencies=[requires(Permission.JOB_READ)],
)
async def download_job(
    job_id: UUID, request: Request, principal: CurrentPrincipal, resources: CurrentResources
) -> Response:
    """Redirects to the file; with `Accept: application/json` it returns the URL instead."""
    found = await job_service.download(resources, principal, job_id)
    headers = {"Cache-Control": "no-store"}
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(found.model_dump(mode="json"), headers=headers)
    return RedirectResponse(found.url, status.HTTP_307_TEMPORARY_REDIRECT, headers=headers)

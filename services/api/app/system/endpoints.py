"""Routes that tell whether the API is well."""

from fastapi import APIRouter, Response, status
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.auth.access import probe, public
from app.resources import CurrentResources
from app.system.schemas import Alive, Readiness, SystemInfo
from app.system.service import check_readiness
from app.version import VERSION

probes = APIRouter(tags=["system"])
router = APIRouter(prefix="/system", tags=["system"])


@probes.get("/healthz", dependencies=[probe])
async def get_health() -> Alive:
    """The process answers."""
    return Alive()


@probes.get(
    "/readyz",
    responses={status.HTTP_503_SERVICE_UNAVAILABLE: {"model": Readiness}},
    dependencies=[probe],
)
async def get_readiness(response: Response, resources: CurrentResources) -> Readiness:
    """What works; status 503 only without PostgreSQL."""
    readiness = await check_readiness(resources)
    if readiness.status == "unavailable":
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return readiness


@probes.get("/metrics", response_class=PlainTextResponse, dependencies=[probe])
async def get_metrics() -> Response:
    """What this process counted since it began."""
    return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/info", dependencies=[public])
async def get_system_info(resources: CurrentResources) -> SystemInfo:
    """What runs here."""
    return SystemInfo(version=VERSION, environment=resources.settings.environment)

"""Routes that tell whether the service is well."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """All is well."""

    status: Literal["ok"] = "ok"


@router.get("/healthz")
async def get_health() -> Health:
    """Tell that the process answers."""
    return Health()


@router.get("/readyz")
async def get_readiness() -> Health:
    """Tell that it can do its work; check here what it depends on, and answer 503 without it."""
    return Health()

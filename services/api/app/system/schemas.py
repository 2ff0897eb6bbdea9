"""Bodies of the system routes."""

from typing import Literal

from pydantic import BaseModel

CheckStatus = Literal["ok", "unavailable"]


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Checks(BaseModel):
    """Each thing the API works with."""

    postgres: CheckStatus
    redis: CheckStatus
    rabbitmq: CheckStatus
    storage: CheckStatus


class Readiness(BaseModel):
    """`degraded` still serves; `unavailable` comes with status 503."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: Checks


class SystemInfo(BaseModel):
    """What runs here."""

    name: Literal["groundplan"] = "groundplan"
    version: str
    environment: Literal["development", "production"]

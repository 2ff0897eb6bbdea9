"""Routes of the audit log."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.audit import service
from app.audit.schemas import AuditPage, AuditQuery
from app.auth.access import requires
from app.resources import CurrentResources
from app.role.domain import Permission

router = APIRouter(prefix="/audit", tags=["audit"])


@router.get("", dependencies=[requires(Permission.AUDIT_READ)])
async def list_audit_events(
    query: Annotated[AuditQuery, Query()], resources: CurrentResources
) -> AuditPage:
    """A page of what happened: sign-ins, changes of users, roles and jobs; newest first."""
    async with resources.database.read() as connection:
        return await service.list_events(connection, query)

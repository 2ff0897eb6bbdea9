"""What belongs to the request that is being handled."""

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.core.rate_limit import Quota

request_id_var: ContextVar[str] = ContextVar("request_id", default="")
client_address_var: ContextVar[str] = ContextVar("client_address", default="")
# Of the limits that the request was counted for.
quotas_var: ContextVar["tuple[Quota, ...]"] = ContextVar("quotas", default=())

"""What belongs to the request that is being handled."""

from contextvars import ContextVar

request_id_var: ContextVar[str] = ContextVar("request_id", default="")

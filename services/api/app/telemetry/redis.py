"""A Redis client whose commands are recorded: their names, never keys or values."""

from typing import Any

from opentelemetry.trace import SpanKind
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline

from app.telemetry.tracing import Attributes, call


class TracedRedis(Redis):
    """Records each command, and each pipeline as one call, since it is one round trip."""

    def __init__(self, pool: ConnectionPool, host: str, port: int) -> None:
        super().__init__(connection_pool=pool)
        self._peer: Attributes = {
            "db.system.name": "redis",
            "server.address": host,
            "server.port": port,
        }

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as in Redis
        """Send one command; its name is the first argument."""
        name = str(args[0])
        with call(SpanKind.CLIENT, name, {**self._peer, "db.operation.name": name}):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, _shard_hint: str | None = None) -> Pipeline:
        """Commands that are sent together."""
        return _TracedPipeline(self, transaction, self._peer)


class _TracedPipeline(Pipeline):
    def __init__(self, redis: Redis, transaction: bool, peer: Attributes) -> None:
        super().__init__(redis.connection_pool, redis.response_callbacks, transaction, None)
        self._peer = peer

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        kind = "MULTI" if self.is_transaction else "PIPELINE"
        commands = dict.fromkeys(str(args[0]) for args, _ in self.command_stack)
        name = " ".join((kind, *commands))
        with call(SpanKind.CLIENT, name, {**self._peer, "db.operation.name": name}):
            return await super().execute(raise_on_error)

"""RabbitMQ: the names of the topology, and the consuming connection."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal
from urllib.parse import quote

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from app.retry import jittered
from app.settings import SERVICE, Settings, split_address

ROUTING_KEY = "jobs"
CONNECT_TIMEOUT_S = 5
# Quick for 20 s, since the broker may be starting beside the worker; then less and less often.
QUICK_ATTEMPTS = 80
QUICK_S = 0.25
MAX_S = 5.0

# What becomes of a message. keep: the broker delivers it again once the connection ends.
Outcome = Literal["ack", "reject", "keep"]

log = structlog.get_logger()


class Broker:
    """The consuming connection. It comes back by itself, for ever, after any loss."""

    def __init__(
        self, settings: Settings, handle: Callable[[AbstractIncomingMessage], Awaitable[Outcome]]
    ) -> None:
        host, port = split_address(settings.rabbitmq_address)
        user = quote(settings.rabbitmq_default_user, safe="")
        password = quote(settings.rabbitmq_default_pass.get_secret_value(), safe="")
        self._url = f"amqp://{user}:{password}@{host}:{port}/?heartbeat=5&name={SERVICE}"
        self._name = settings.job_queue
        self._prefetch = settings.worker_concurrency
        self._handle = handle
        self._consumer: tuple[AbstractQueue, str] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempt = 0

    async def check(self) -> None:
        """Raise unless messages can arrive."""
        if self._consumer is None:
            raise ConnectionError("not connected")

    async def run(self) -> None:
        """Consume until cancelled."""
        while True:
            try:
                await self._consume()
            except (AMQPError, ChannelInvalidStateError, OSError, RuntimeError) as error:
                if self._attempt == 0:
                    log.warning("broker.away", error=repr(error))
            late = max(0, self._attempt - QUICK_ATTEMPTS)
            self._attempt += 1
            await asyncio.sleep(jittered(min(MAX_S, QUICK_S * 2**late)))

    async def stop_consuming(self) -> None:
        """No further message arrives; those that run can still be acked."""
        if self._consumer:
            queue, tag = self._consumer
            with suppress(AMQPError, ChannelInvalidStateError, OSError, RuntimeError):
                await queue.cancel(tag)

    async def _consume(self) -> None:
        """Consume until the connection, the channel or the queue is lost."""
        lost = asyncio.Event()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await aio_pika.connect(self._url)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                channel = await connection.channel()
                channel.close_callbacks.add(lambda *_: lost.set())
                # The queue was deleted: a new connection declares it again.
                underlay = await channel.get_underlay_channel()
                underlay.on_consumer_cancel_callbacks.add(lambda _: lost.set())
                queue = await declare_topology(channel, self._name)
                await channel.set_qos(self._prefetch)
                self._consumer = queue, await queue.consume(self._accept)
            log.info("broker.consuming")
            self._attempt = 0
            await lost.wait()
        finally:
            self._consumer = None
            with suppress(AMQPError, OSError, RuntimeError, TimeoutError):
                async with asyncio.timeout(1):
                    await connection.close()

    async def _accept(self, message: AbstractIncomingMessage) -> None:
        # A task of our own: the channel's tasks end with it, but a job goes on.
        task = asyncio.create_task(self._settle(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, message: AbstractIncomingMessage) -> None:
        await settle(message, await self._handle(message))


async def settle(message: AbstractIncomingMessage, outcome: Outcome) -> None:
    """Tell the broker what became of a message; `keep` tells nothing."""
    try:
        if outcome == "ack":
            await message.ack()
        if outcome == "reject":
            await message.reject(requeue=False)
    except (AMQPError, ChannelInvalidStateError, OSError, RuntimeError) as error:
        # The connection was lost; the redelivered message wakes a worker in vain.
        log.info("message.redelivered_later", error=repr(error))


async def declare_topology(channel: AbstractChannel, name: str) -> AbstractQueue:
    """Declare exchange and queue `name`, and `name`.dead for what is given up.

    Every service that uses the queue declares the same: the broker refuses one that differs.
    """
    dead = f"{name}.dead"
    dead_exchange = await channel.declare_exchange(dead, "fanout", durable=True)
    dead_queue = await channel.declare_queue(
        dead, durable=True, arguments={"x-queue-type": "quorum"}
    )
    await dead_queue.bind(dead_exchange)
    exchange = await channel.declare_exchange(name, "direct", durable=True)
    queue = await channel.declare_queue(
        name,
        durable=True,
        arguments={
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": dead,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-delivery-limit": 20,
        },
    )
    await queue.bind(exchange, ROUTING_KEY)
    return queue

"""RabbitMQ: a publisher with confirms.

The worker declares exchanges and queues (services/worker); this user may only publish.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opentelemetry.trace import SpanKind

from app.settings import Settings, split_address
from app.telemetry.tracing import Attributes, call, read_context, trace_headers

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange

ROUTING_KEY = "jobs"
CONNECT_TIMEOUT_S = 5
CONFIRM_TIMEOUT_S = 5
CLOSE_TIMEOUT_S = 1
HEARTBEAT_S = 10


class BrokerUnavailableError(Exception):
    """RabbitMQ does not answer."""


class PublishError(Exception):
    """RabbitMQ answered, and did not take the message."""


class Publisher:
    """Publishes persistent messages on a connection of its own; never consumes."""

    def __init__(self, settings: Settings) -> None:
        host, port = split_address(settings.rabbitmq_address)
        user = quote(settings.rabbitmq_default_user, safe="")
        password = quote(settings.rabbitmq_default_pass.get_secret_value(), safe="")
        self._url = f"amqp://{user}:{password}@{host}:{port}/?heartbeat={HEARTBEAT_S}"
        self._name = settings.job_queue
        self._call: Attributes = {
            "messaging.system": "rabbitmq",
            "messaging.operation.type": "send",
            "messaging.operation.name": "publish",
            "messaging.destination.name": settings.job_queue,
            "server.address": host,
            "server.port": port,
        }
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchange: AbstractExchange | None = None

    @property
    def connected(self) -> bool:
        """Whether messages can be published right now."""
        return (
            self._connection is not None
            and not self._connection.is_closed
            and self._channel is not None
            and not self._channel.is_closed
        )

    async def connect(self) -> None:
        """Connect and find the exchange; raises BrokerUnavailableError."""
        # Imported late: the API serves requests before it needs the broker.
        import aio_pika  # noqa: PLC0415 - see above

        await self.close()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                # Kept before it connects: a connection that failed must be closed, too.
                self._connection = aio_pika.Connection(aio_pika.connection.make_url(self._url))
                await self._connection.connect()
                self._channel = await self._connection.channel(on_return_raises=True)
                self._exchange = await self._channel.get_exchange(self._name)
        except aio_pika.exceptions.ChannelNotFoundEntity as error:
            await self.close()
            raise BrokerUnavailableError(f"no worker has declared {self._name} yet") from error
        except (*aio_pika.exceptions.CONNECTION_EXCEPTIONS, TimeoutError) as error:
            await self.close()
            raise BrokerUnavailableError(str(error) or type(error).__name__) from error

    async def publish(
        self, message_id: str, message: Mapping[str, Any], headers: Mapping[str, str], key: str
    ) -> None:
        """Return once the broker has the message safe.

        The message continues the trace that `headers` name. Raises PublishError when the broker
        returned or refused it, BrokerUnavailableError when nobody knows what became of it.
        """
        parent = read_context(headers) if headers else None
        with call(SpanKind.PRODUCER, f"publish {self._name}", self._call, parent) as span:
            sent = trace_headers(span) if span else headers
            await self._publish(message_id, message, sent, key)

    async def _publish(
        self, message_id: str, message: Mapping[str, Any], headers: Mapping[str, str], key: str
    ) -> None:
        import aio_pika  # noqa: PLC0415 - see connect

        if self._exchange is None:
            raise BrokerUnavailableError("not connected")
        envelope = aio_pika.Message(
            json.dumps(message).encode(),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=message_id,
            type=message["type"],
            headers=dict(headers),
        )
        try:
            await self._exchange.publish(envelope, key, timeout=CONFIRM_TIMEOUT_S)
        except aio_pika.exceptions.PublishError as error:
            raise PublishError(f"no queue is bound to {self._name} with key {key}") from error
        except aio_pika.exceptions.DeliveryError as error:
            raise PublishError("the broker refused the message") from error
        except (*aio_pika.exceptions.CONNECTION_EXCEPTIONS, TimeoutError) as error:
            raise BrokerUnavailableError(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection = self._connection
        self._connection = self._channel = self._exchange = None
        if connection is not None:
            with suppress(Exception):  # nobody waits for what the broker says to that
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await connection.close()

"""Plain connections to Redis, RabbitMQ and S3, and what they hold of a test."""

from datetime import timedelta

import obstore
from aio_pika import connect
from aio_pika.abc import AbstractConnection
from obstore.store import S3Store
from redis.asyncio import Redis

from app.broker import ROUTING_KEY
from app.settings import Settings
from tests.running import http_client


def redis_client(settings: Settings) -> Redis:
    """A plain Redis client."""
    host, port = settings.redis_address.split(":")
    password = settings.redis_password.get_secret_value()
    return Redis(host=host, port=int(port), username=settings.redis_user, password=password)


async def broker_connection(settings: Settings) -> AbstractConnection:
    """A plain connection to RabbitMQ."""
    host, port = settings.rabbitmq_address.split(":")
    return await connect(
        host=host,
        port=int(port),
        login=settings.rabbitmq_default_user,
        password=settings.rabbitmq_default_pass.get_secret_value(),
    )


async def create_bucket(settings: Settings) -> None:
    """Create the bucket, which the worker does elsewhere; harmless where it exists."""
    store = S3Store(
        settings.s3_bucket,
        endpoint=settings.s3_endpoint,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key.get_secret_value(),
        region=settings.s3_region,
        virtual_hosted_style_request=False,
    )
    url = await obstore.sign_async(store, "PUT", "", timedelta(minutes=1))
    async with http_client() as client:
        answer = await client.put(url)
    assert answer.status_code in {200, 409}, answer.text


async def delete_keys(settings: Settings) -> None:
    """Delete the Redis keys with the prefix of the settings."""
    async with redis_client(settings) as redis:
        async for key in redis.scan_iter(f"{settings.redis_prefix}*", count=1000):
            await redis.delete(key)


async def declare_queue(settings: Settings) -> None:
    """Declare exchange and queue, which the worker does elsewhere; harmless where they exist."""
    async with await broker_connection(settings) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(settings.job_queue, "direct", durable=True)
        queue = await channel.declare_queue(settings.job_queue, durable=True)
        await queue.bind(exchange, ROUTING_KEY)


async def delete_queue(settings: Settings) -> None:
    """Delete the exchange and the queue."""
    async with await broker_connection(settings) as connection:
        channel = await connection.channel()
        await channel.queue_delete(settings.job_queue)
        await channel.exchange_delete(settings.job_queue)

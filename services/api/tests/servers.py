"""Plain connections to Redis and RabbitMQ, and what they hold of a test."""

from aio_pika import connect
from aio_pika.abc import AbstractConnection
from redis.asyncio import Redis

from app.settings import Settings


def redis_client(settings: Settings) -> Redis:
    """A plain Redis client."""
    host, port = settings.redis_address.split(":")
    return Redis(host=host, port=int(port), password=settings.redis_password.get_secret_value())


async def broker_connection(settings: Settings) -> AbstractConnection:
    """A plain connection to RabbitMQ."""
    host, port = settings.rabbitmq_address.split(":")
    return await connect(
        host=host,
        port=int(port),
        login=settings.rabbitmq_default_user,
        password=settings.rabbitmq_default_pass.get_secret_value(),
    )


async def delete_keys(settings: Settings) -> None:
    """Delete the Redis keys with the prefix of the settings."""
    async with redis_client(settings) as redis:
        async for key in redis.scan_iter(f"{settings.redis_prefix}*", count=1000):
            await redis.delete(key)


async def delete_queues(settings: Settings) -> None:
    """Delete the queues and exchanges of the settings."""
    async with await broker_connection(settings) as connection:
        channel = await connection.channel()
        for name in (settings.job_queue, f"{settings.job_queue}.dead"):
            await channel.queue_delete(name)
            await channel.exchange_delete(name)

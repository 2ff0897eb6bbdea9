"""Waiting for something to become true, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(probe: Callable[[], Awaitable[T | None]], within_s: float = 15) -> T:
    """The first truthy answer of `probe`; fails when there is none in time."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        answer = await probe()
        if answer:
            return answer
        assert asyncio.get_running_loop().time() < deadline, f"not within {within_s} s: {probe}"
        await asyncio.sleep(0.02)

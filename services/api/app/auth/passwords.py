"""bcrypt in one thread of its own at low priority, so that a login storm delays nobody else."""

import asyncio
import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from app.auth.domain import MAX_PASSWORD_BYTES
from app.core.errors import UnavailableError

T = TypeVar("T")

COST = 12
NICENESS = 10
SECONDS_PER_HASH = 0.3
# Hash of a random password that nobody knows: unknown users cost as much time as known ones.
DUMMY_HASH = "$2b$12$KOmivLBNrZjRQBMiXQw.YuxSEa0C1mtWAbO8Ght8S8HSW9qsISsQi"


class PasswordHasher:
    """Hashes and verifies passwords, one after the other."""

    def __init__(self, queue_size: int) -> None:
        self._queue_size = queue_size
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "bcrypt", initializer=_lower_priority)

    async def hash(self, password: str) -> str:
        """Hash a password that `check_password` accepted."""
        return await self._run(lambda: hash_password(password))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password matches; takes the same time when there is no hash."""
        return await self._run(lambda: _verify(password, password_hash))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._queue_size:
            raise UnavailableError(
                "Too many people sign in right now. Try again in a moment.",
                "login_busy",
                retry_after=math.ceil(self._waiting * SECONDS_PER_HASH),
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Forget what still waits."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def hash_password(password: str) -> str:
    """Bcrypt hash, computed here and now (about 0.3 s)."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode()


def _verify(password: str, password_hash: str | None) -> bool:
    given = password.encode()
    possible = (
        password_hash is not None
        and password_hash.startswith("$2")
        and len(given) <= MAX_PASSWORD_BYTES
        and b"\x00" not in given
    )
    if password_hash is None or not possible:
        bcrypt.checkpw(b"", DUMMY_HASH.encode())
        return False
    return bcrypt.checkpw(given, password_hash.encode())


def _lower_priority() -> None:
    # Linux gives each thread its own priority; elsewhere this would slow down the whole process.
    if hasattr(os, "sched_setaffinity"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

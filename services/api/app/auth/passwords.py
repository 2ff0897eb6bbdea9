"""bcrypt in one thread of its own at low priority, so that a login storm delays nobody else."""

import asyncio
import hashlib
import math
import os
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from app.auth.domain import check_strength
from app.core.errors import InvalidError, UnavailableError

T = TypeVar("T")

COST = 12
NICENESS = 10
SECONDS_PER_HASH = 0.3
# bcrypt reads 72 bytes at most: such hashes are of the password's SHA-256, all of which it reads.
SCHEME = "sha256:"
MAX_BARE_BYTES = 72  # of hashes of earlier versions, which have no SCHEME
# Hash of a random password that nobody knows: unknown users cost as much time as known ones.
DUMMY_HASH = "$2b$12$KOmivLBNrZjRQBMiXQw.YuxSEa0C1mtWAbO8Ght8S8HSW9qsISsQi"


class PasswordHasher:
    """Hashes and verifies passwords, one after the other."""

    def __init__(self, queue_size: int) -> None:
        self._queue_size = queue_size
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "bcrypt", initializer=_lower_priority)

    async def hash(self, password: str) -> str:
        """Hash a password."""
        return await self._run(lambda: hash_password(password))

    async def hash_new(self, password: str, email: str, name: str, field: str) -> str:
        """Hash what shall become that person's password; InvalidError if it is easy to guess."""

        def work() -> str:
            check_strength(password, email, name)
            return hash_password(password)

        try:
            return await self._run(work)
        except ValueError as error:
            raise InvalidError(str(error), field, "password_too_easy") from error

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


def hash_password(password: str, cost: int = COST) -> str:
    """Hash of a password of any length, computed here and now (about 0.3 s)."""
    return SCHEME + bcrypt.hashpw(_shortened(password), bcrypt.gensalt(cost)).decode()


def is_outdated(password_hash: str) -> bool:
    """Whether a hash is one of earlier versions."""
    return not password_hash.startswith(SCHEME)


def _shortened(password: str) -> bytes:
    """44 bytes without NUL, where bcrypt would stop, that stand for the whole password."""
    return b64encode(hashlib.sha256(password.encode()).digest())


def _verify(password: str, password_hash: str | None) -> bool:
    stored = password_hash or ""
    if stored.startswith(SCHEME):
        return bcrypt.checkpw(_shortened(password), stored.removeprefix(SCHEME).encode())
    given = password.encode()
    possible = stored.startswith("$2") and len(given) <= MAX_BARE_BYTES and b"\x00" not in given
    if not possible:
        bcrypt.checkpw(b"", DUMMY_HASH.encode())
        return False
    return bcrypt.checkpw(given, stored.encode())


def _lower_priority() -> None:
    # Linux gives each thread its own priority; elsewhere this would slow down the whole process.
    if hasattr(os, "sched_setaffinity"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

"""A lock that many hold at once, or one alone."""

import asyncio


class SharedLock:
    """Who wants it alone goes before those who come later."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._shared = 0
        self._is_alone = False
        self._wanted_alone = 0

    async def open(self) -> None:
        """Wait until nobody holds the lock alone, or waits for that."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_alone and not self._wanted_alone)

    async def acquire(self, *, alone: bool) -> None:
        """Wait for the lock."""
        async with self._changed:
            if not alone:
                await self._changed.wait_for(lambda: not self._is_alone)
                self._shared += 1
                return
            self._wanted_alone += 1
            try:
                await self._changed.wait_for(lambda: not self._is_alone and self._shared == 0)
                self._is_alone = True
            finally:
                self._wanted_alone -= 1
                self._changed.notify_all()

    async def release(self, *, alone: bool) -> None:
        """Give it back, as it was acquired."""
        async with self._changed:
            if alone:
                self._is_alone = False
            else:
                self._shared -= 1
            self._changed.notify_all()

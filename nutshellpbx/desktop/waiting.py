"""The polls that wait in this process, by device."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

MOST_POLLS_PER_DEVICE = 4


class Waiter:
    """One waiting poll."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()
        self.device_id = ""
        self.is_over = False
        self.has_left = False

    def wake(self) -> None:
        self._bell.set()

    def end(self) -> None:
        """Have the poll answered now and not continued."""
        self.is_over = True
        self._bell.set()

    def leave(self) -> None:
        """Its client is gone: nothing is to be answered."""
        self.has_left = True
        self.end()

    async def sleep(self, timeout_s: float) -> None:
        """Return when woken or ended, at the latest after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._bell.wait()
        except TimeoutError:
            return
        self._bell.clear()


class Waiting:
    """All waiting polls, in a dict by device id."""

    def __init__(self) -> None:
        self._by_device: dict[str, list[Waiter]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_device)

    def enter(self, waiter: Waiter, device_id: str) -> None:
        """Let a poll wait as its device; one too many ends that device's oldest (its client is gone)."""
        if waiter.device_id:
            return
        waiter.device_id = device_id
        waiters = self._by_device.setdefault(device_id, [])
        waiters.append(waiter)
        if len(waiters) > MOST_POLLS_PER_DEVICE:
            waiters[0].end()
            self.leave(waiters[0])

    def leave(self, waiter: Waiter) -> None:
        """Forget a poll; may be repeated."""
        waiters = self._by_device.get(waiter.device_id, [])
        if waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._by_device[waiter.device_id]

    def wake(self, device_ids: Iterable[str]) -> None:
        """Have these devices' polls look."""
        for device_id in device_ids:
            for waiter in self._by_device.get(device_id, []):
                waiter.wake()

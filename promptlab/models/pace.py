"""Who may send to an endpoint now: slots for as many requests as it takes, first come, first served.

How many that is, :mod:`promptlab.models.limit` finds out from how they end.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Literal
from weakref import WeakValueDictionary

from promptlab.models.http_faults import Failure
from promptlab.models.limit import MOST, Limit, Slot

End = Literal["answered", "limited", "trouble", "other"]
"""How a request ended, as far as its endpoint's pace is concerned."""


class Pace:
    """The pace of one endpoint and key, shared by all models behind it. Belongs to one event loop at a time.

    Attributes:
        in_flight: Requests under way now.
    """

    def __init__(self, most: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """``most`` is never exceeded."""
        self.in_flight = 0
        self._limit = Limit(most or MOST)
        self._clock = clock
        self._held: int | None = None
        self._waiting: deque[asyncio.Future[Slot]] = deque()
        self._short_at = float("-inf")
        self._not_before = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """Requests that may be under way now."""
        found = int(self._limit.found)
        return found if self._held is None else min(found, self._held)

    @property
    def cuts(self) -> int:
        """Episodes of refusals so far."""
        return self._limit.cuts

    def allow(self, most: int) -> None:
        """Take in another model's own limit: the higher one of all counts."""
        self._limit.allow(most)

    def hold(self, most: int | None) -> None:
        """Send at most so many at once from now on, whatever the endpoint would take; None: as before. 0 pauses."""
        self._held = most
        self._wake()

    async def acquire(self) -> Slot:
        """Wait for a slot; first come, first served."""
        if not self._waiting and self._free():
            return self._slot()
        self._short_at = self._clock()
        waiter: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._wake()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # it had its slot already: the next one takes it
                self.release(waiter.result(), "other")
            raise

    @contextmanager
    def spare(self) -> Generator[bool]:
        """A place in flight for the time of the block, if one is free and nobody waits for it; else False."""
        free = not self._waiting and self._free()
        self.in_flight += free
        try:
            yield free
        finally:
            self.in_flight -= free
            self._wake()

    def release(self, slot: Slot, end: End, wait: float | None = None) -> None:
        """Give a slot back and learn from how its request ended.

        Args:
            wait: Seconds that the server asked everyone to wait, or None.
        """
        now = self._clock()
        self.in_flight -= 1
        if wait:
            self._not_before = max(self._not_before, now + wait)
        match end:
            case "answered":
                self._limit.answered(slot, now, self._short_at >= slot.sent)
            case "limited":
                self._limit.refused(slot, now)
            case "trouble":
                self._limit.troubled(now)
            case "other":
                pass
        self._limit.back(slot)
        self._wake()

    def _slot(self) -> Slot:
        self.in_flight += 1
        return self._limit.slot(self.in_flight, self._clock())

    def _free(self) -> bool:
        now = self._clock()
        if now < self._not_before or (self._held is not None and self.in_flight >= self._held):
            return False
        return self._limit.takes(self.in_flight, now)

    def _wake(self) -> None:
        while self._waiting and self._free():
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self._slot())
        late = self._not_before - self._clock()
        if self._waiting and late > 0:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = asyncio.get_running_loop().call_later(late, self._wake)


_paces: WeakValueDictionary[tuple[str, str], Pace] = WeakValueDictionary()


def pace_of(place: str, key: str, most: int | None) -> Pace:
    """The one pace of an endpoint and key in this process.

    Args:
        place: The endpoint's address.
        key: Its key, which is used to tell keys apart and for nothing else.
        most: Requests at once that are never exceeded, or None.
    """
    from hashlib import sha256

    name = (place, sha256(key.encode()).hexdigest())
    pace = _paces.get(name)
    if pace is None:
        pace = _paces[name] = Pace(most)
    elif most:
        pace.allow(most)
    return pace


def end_of(result: object) -> End:
    """What a try says of its endpoint's pace."""
    if not isinstance(result, Failure):
        return "answered"
    match result.fault.kind:
        case "rate_limit":
            return "limited"
        case "server" | "timeout" | "unavailable":
            return "trouble"
        case _:
            return "other"

"""How many requests an endpoint is sent at once: found while running, never told.

The limit starts low and grows by half in every round trip while all is calm. A refusal for sending too much (429)
begins an *episode*: the limit is cut once, to a fifth below what was in flight when the refused request was sent, and
further refusals of requests that were already under way then cut nothing. After that it grows quickly to just below
the number at which it was refused, and slowly beyond, as TCP's CUBIC does. Trouble of the server's own (5xx, a broken
connection) stops growth above where it started for some seconds. So does a round trip that takes twice as long as it
did at first: the server queues, more would only wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Literal
from weakref import WeakValueDictionary

from msgspec import Struct

from promptlab.models.http_faults import Failure

START = 20
MOST = 1000
"""Requests at once that are never exceeded, unless the entry says another number."""
LEAST = 1.0
CUT = 0.8
CALM = 5.0
"""Seconds without growth beyond ``START`` after trouble of the server's own."""

_ROUND_TRIP = 1.6
"""Factor by which the limit grows in one round trip at most, and a little more."""
_SLOWER = 2.0
_WINDOW = 20
"""Answers over which a round trip is measured."""

End = Literal["answered", "limited", "trouble", "other"]
"""How a request ended, as far as its endpoint's pace is concerned."""


class Slot(Struct, frozen=True, gc=False):
    """The right to have one request in flight.

    Attributes:
        sent: When it was sent, in seconds of a monotonic clock.
        among: How many were in flight then, itself included.
    """

    sent: float
    among: int


class Pace:
    """The pace of one endpoint and key, shared by all models behind it. Belongs to one event loop at a time.

    Attributes:
        in_flight: Requests under way now.
        limit: Requests that may be under way now.
        cuts: Episodes of refusals so far.
    """

    def __init__(self, most: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.in_flight = 0
        self.cuts = 0
        self._most = most or MOST
        self._limit = float(min(START, self._most))
        self._clock = clock
        self._held: int | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._episode_until = float("-inf")
        self._refused_at = float("inf")
        self._full_at = float("-inf")
        self._not_before = 0.0
        self._calm_from = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._slow = False
        self._first: float | None = None
        self._sum, self._count = 0.0, 0

    @property
    def limit(self) -> int:
        found = int(self._limit)
        return found if self._held is None else min(found, self._held)

    def allow(self, most: int) -> None:
        """Take in another model's own limit: the higher one of all counts."""
        self._most = max(self._most, most)

    def hold(self, most: int | None) -> None:
        """Send at most so many at once from now on, whatever the endpoint would take; None: as before. 0 pauses."""
        self._held = most
        self._wake()

    async def acquire(self) -> Slot:
        """Wait for a slot; first come, first served."""
        if self._waiting or not self._free():
            self._full_at = self._clock()
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            self._wake()
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():  # it had its slot already: the next one takes it
                    self.in_flight -= 1
                    self._wake()
                raise
        else:
            self.in_flight += 1
        return Slot(self._clock(), self.in_flight)

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
                self._learn(now, slot)
            case "limited":
                self._refusal(now, slot)
            case "trouble":
                self._calm_from = now + CALM
            case "other":
                pass
        self._wake()

    def _refusal(self, now: float, slot: Slot) -> None:
        if slot.sent <= self._episode_until:
            return  # sent before the last cut, or before the server could feel it
        self._episode_until = now + (now - slot.sent)
        self.cuts += 1
        # The limit went on growing while the refusal was under way. Where far fewer were in flight than it allowed,
        # they were not what was too much.
        grown = self._limit / _ROUND_TRIP <= slot.among < self._limit
        self._refused_at = float(slot.among) if grown else self._limit
        self._limit = max(LEAST, self._refused_at * CUT)

    def _learn(self, now: float, slot: Slot) -> None:
        """Grow after an answer, if the limit held others back meanwhile and nothing speaks against it."""
        self._sum += now - slot.sent
        self._count += 1
        if self._count >= _WINDOW:
            mean = self._sum / self._count
            self._first = self._first or mean
            self._slow = mean > _SLOWER * self._first
            self._sum, self._count = 0.0, 0
        troubled = now < self._calm_from and self._limit >= START
        if self._full_at < slot.sent or troubled or self._slow:
            return
        if not self.cuts:
            step = 0.5
        elif 0.95 * self._refused_at < self._limit < self._refused_at * 1.05:
            step = 1 / (
                10 * self._limit
            )  # a server that counts refused requests too loses a round trip at each episode
        else:
            step = 0.25
        self._limit = min(self._limit + step, self._most)

    def _free(self) -> bool:
        return self.in_flight < self.limit and self._clock() >= self._not_before

    def _wake(self) -> None:
        while self._waiting and self._free():
            waiter = self._waiting.popleft()
            if not waiter.done():
                self.in_flight += 1
                waiter.set_result(None)
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

"""A second request for the slowest: where an answer takes longer than nearly all before it, another one is asked for.

The first of the two counts and the other is given up. What the endpoint had computed for that one may still be
billed, so this is off unless a model's entry has ``hedge``.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import TypeVar

_T = TypeVar("_T")

ENOUGH = 20
"""Answers that must have come before it is known what is slow."""
_RECENT = 200
"""Answers that say what is slow: the last ones, since an endpoint's speed changes over the day."""


class Hedge:
    """Knows how long answers of one endpoint take.

    Attributes:
        second: How many requests were sent a second time.
    """

    def __init__(self, percentile: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``percentile``: of 100 answers so many must have been quicker, before a second one is asked for."""
        self.second = 0
        self._share = percentile / 100
        self._clock = clock
        self._took: deque[float] = deque(maxlen=_RECENT)

    @property
    def patience(self) -> float | None:
        """Seconds after which a request is among the slowest; None while that is not known."""
        if len(self._took) < ENOUGH:
            return None
        return sorted(self._took)[int(self._share * len(self._took))]

    async def first_of(
        self,
        send: Callable[[], Awaitable[_T]],
        spare: Callable[[], AbstractContextManager[bool]],
        good: Callable[[_T], bool],
    ) -> _T:
        """The first good result of sending once, and once more when that takes too long.

        Args:
            send: Sends the request.
            spare: Room for one more request while it lasts; False where there is none, and nothing more is sent.
            good: Whether a result is an answer. Where both are none, the first request's counts.
        """
        begin = self._clock()
        first = asyncio.ensure_future(send())
        others: set[asyncio.Future[_T]] = set()
        try:
            await asyncio.wait((first,), timeout=self.patience)
            if first.done():
                return self._noted(first.result(), begin, good)
            with spare() as room:
                if room:
                    self.second += 1
                    others.add(asyncio.ensure_future(send()))
                waiting = {first, *others}
                while waiting:
                    done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    for one in done:
                        if good(one.result()):
                            return self._noted(one.result(), begin, good)
            return first.result()
        finally:
            left = [one for one in (first, *others) if not one.done()]
            for one in left:
                one.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _noted(self, result: _T, begin: float, good: Callable[[_T], bool]) -> _T:
        if good(result):
            self._took.append(self._clock() - begin)
        return result

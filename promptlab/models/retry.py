"""When to ask again, and after how long."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from msgspec import Struct

LONGEST_RETRY_AFTER = 60.0
"""Seconds. A server that asks for more is asked again after this."""


class RetryPolicy(Struct, frozen=True):
    """How often and how patiently a failed request is sent again.

    Attributes:
        retries: Tries after the first. Where every eighth request fails, six lose one cell in two million.
        refusals: Tries after the first where each was refused for sending too much (429).
        first: Seconds before the first retry; each further one waits twice as long.
        longest: Seconds that one wait grows to at most.
    """

    retries: int = 6
    refusals: int = 20
    first: float = 0.5
    longest: float = 8.0

    def delay(self, key: str, attempt: int, retry_after: float | None) -> float:
        """Seconds to wait after a failed try.

        The server's own wish counts; without one the wait doubles, and half of it is random, so that requests
        which failed together do not come back together. The randomness is seeded by the request: a run waits
        the same way again.

        Args:
            key: The request's key.
            attempt: Tries so far, from 1.
            retry_after: What the server asked for, in seconds, or None.
        """
        share = random.Random(f"{key}:{attempt}").random()
        if retry_after is not None:
            return min(retry_after, LONGEST_RETRY_AFTER) * (1 + 0.1 * share)
        return min(self.first * 2.0 ** (attempt - 1), self.longest) * (0.5 + 0.5 * share)


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """The seconds of a Retry-After header (seconds or an HTTP date, RFC 9110 section 10.2.3), or None."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        if date.tzinfo is None:  # "-0000": UTC that does not say so
            date = date.replace(tzinfo=UTC)
        seconds = (date - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None

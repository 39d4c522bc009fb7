"""Beside a run, how long the loop was not free for anything else."""

from __future__ import annotations

import asyncio
import time


async def longest_gap() -> float:
    """Tick every millisecond until cancelled; the most seconds between two ticks."""
    longest, last = 0.0, time.perf_counter()
    try:
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest

"""The clock of the benchmarks: what a thing costs, as a multiple of what its bare work costs in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable

ROUNDS = 5


def least(*works: Callable[[], object]) -> list[float]:
    """Seconds that each takes: the least of several rounds, in which they take turns.

    What else the machine does then meets all of them, and the least is what it can do when nothing is in the way.
    """
    found = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for index, work in enumerate(works):
            start = time.perf_counter()
            work()
            found[index] = min(found[index], time.perf_counter() - start)
    return found


def ratio(name: str, work: Callable[[], object], beside: str, bare: Callable[[], object]) -> float:
    """How many times the bare work's seconds the work takes; prints one line."""
    seconds, bare_seconds = least(work, bare)
    found = seconds / bare_seconds
    print(f"\n  {name}: {1000 * seconds:.2f} ms = {found:.1f} × {beside} ({1000 * bare_seconds:.2f} ms)", end="")
    return found

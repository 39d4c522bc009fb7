"""How far a run is: counts, rate, time left, cost, and what went wrong most often."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping

from promptlab.models.values import Outcome
from promptlab.runs.values import Progress

_MEMORY = 10.0
"""Seconds after which an observation counts for about a third in the rate."""


def failed_share(progress: Progress) -> float:
    """The share of the cells done that ended in a fault, 0 to 1."""
    return progress.failed / progress.done if progress.done else 0.0


class Rate:
    """Things per second, lately: an exponentially weighted mean without the bias of its start.

    The clock starts with the first answers, which are not counted: the time before them is the model's loading.
    """

    def __init__(self) -> None:
        self._count = 0
        self._last: float | None = None
        self._sum = 0.0
        self._weight = 0.0

    def add(self, count: int, now: float) -> None:
        """Note that ``count`` of them arrived at ``now``, in seconds of any monotonic clock."""
        if self._last is None:
            self._last = now
        else:
            self._count += count

    def at(self, now: float) -> float:
        """The rate at ``now``, or 0.0 while it is unknown."""
        if self._last is not None and now > self._last:
            passed = now - self._last
            keep = math.exp(-passed / _MEMORY)
            self._sum = self._sum * keep + self._count / passed * (1 - keep)
            self._weight = self._weight * keep + (1 - keep)
            self._last, self._count = now, 0
        return self._sum / self._weight if self._weight else 0.0


class Tally:
    """Counts what a run has so far.

    Args:
        total: Cells of the run.
        currencies: Model name to the currency of its price.
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, total: int, currencies: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._total = total
        self._currencies = currencies
        self._clock = clock
        self._start = clock()
        self._model = ""
        self._rate = Rate()
        self._tokens = Rate()
        self._cached = 0
        self._cost: dict[str, float] = {}
        self._faults: Counter[str] = Counter()
        self.done = 0

    def begin_model(self, model: str) -> None:
        """The next answers come from this model; its rate is its own."""
        self._model = model
        self._rate = Rate()
        self._tokens = Rate()

    def add(self, model: str, outcome: Outcome) -> None:
        """Count a cell. A cached outcome keeps the price it once had, but costs nothing now."""
        self.done += 1
        if outcome.fault is not None:
            self._faults[outcome.fault.message] += 1
        if outcome.cached:
            self._cached += 1
        elif outcome.cost is not None:
            currency = self._currencies.get(model, "USD")
            self._cost[currency] = self._cost.get(currency, 0.0) + outcome.cost

    def answered(self, count: int) -> None:
        """Note that a model answered so many cells now."""
        self._rate.add(count, self._clock())

    def worked(self, tokens: int) -> None:
        """Note that a model worked on so many tokens now."""
        self._tokens.add(tokens, self._clock())

    def progress(self) -> Progress:
        """The counts as a value."""
        now = self._clock()
        rate = self._rate.at(now)
        left = self._total - self.done
        return Progress(
            total=self._total,
            done=self.done,
            cached=self._cached,
            failed=self._faults.total(),
            rate=rate,
            token_rate=self._tokens.at(now),
            eta=0.0 if left == 0 else left / rate if rate else None,
            elapsed=now - self._start,
            cost=dict(self._cost),
            model=self._model,
        )

    def failures(self) -> str:
        """How many cells failed and the sentence that was given most often, or ""."""
        if not self._faults:
            return ""
        sentence, times = self._faults.most_common(1)[0]
        failed = self._faults.total()
        often = "" if len(self._faults) == 1 else f" (most often, {times} times)"
        return f"{failed} of {self._total} cells failed{often}: {sentence}"

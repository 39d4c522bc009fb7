"""How far a run is: counts, rate, time left, cost, and what went wrong most often."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping

from promptlab.models.values import FaultKind, Outcome, Usage
from promptlab.runs.values import UNLIMITED, Budget, Progress

_MEMORY = 10.0
"""Seconds after which an observation counts for about a third in the rate."""


def failed_share(progress: Progress) -> float:
    """The share of the cells done that ended in a fault, 0 to 1."""
    return progress.failed / progress.done if progress.done else 0.0


class Rate:
    """Things per second, lately: an exponentially weighted mean without the bias of its start.

    The clock starts with the first answers, which are not counted: the time before them is the model's loading. What
    was asked together with them comes soon after, and says nothing yet: it is unknown until as much time has passed
    as the first of them took.
    """

    def __init__(self) -> None:
        self._count = 0
        self._last: float | None = None
        self._known_from = 0.0
        self._sum = 0.0
        self._weight = 0.0

    def add(self, count: int, now: float, took: float = 0.0) -> None:
        """Note that ``count`` of them arrived at ``now``, in seconds of any monotonic clock, each after ``took``."""
        if self._last is None:
            self._last, self._known_from = now, now + took
        else:
            self._count += count

    def at(self, now: float) -> float:
        """The rate at ``now``, or 0.0 while it is unknown."""
        if self._last is not None and now > self._last and now >= self._known_from:
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
        self._models: list[str] = []
        self._rate = Rate()
        self._calls = Rate()
        self._work = Rate()
        self._cached = 0
        self._tokens = 0
        self._kinds: Counter[FaultKind] = Counter()
        self._cost: dict[str, float] = {}
        self._faults: Counter[str] = Counter()
        self.done = 0

    def begin_model(self, model: str) -> None:
        """Answers come from this model too; models that are asked one after the other have a rate each."""
        if not self._models:
            self._rate = Rate()
            self._calls = Rate()
            self._work = Rate()
        self._models.append(model)

    def end_model(self, model: str) -> None:
        """No further answers come from this model."""
        self._models.remove(model)

    def add(self, model: str, outcome: Outcome) -> None:
        """Count a cell. A cached outcome keeps the price it once had, but costs nothing now."""
        self.done += 1
        if outcome.fault is not None:
            self._faults[outcome.fault.message] += 1
            self._kinds[outcome.fault.kind] += 1
        if outcome.cached:
            self._cached += 1
            return
        self._tokens += outcome.usage.prompt + outcome.usage.completion
        if outcome.cost is not None:
            currency = self.currency_of(model)
            self._cost[currency] = self._cost.get(currency, 0.0) + outcome.cost

    def currency_of(self, model: str) -> str:
        """The currency of a model's price."""
        return self._currencies.get(model, "USD")

    def answered(self, cells: int, calls: int, took: float) -> None:
        """Note that a model answered so many calls now, each in so many seconds, and how many cells that finished."""
        now = self._clock()
        self._rate.add(cells, now, took)
        self._calls.add(calls, now, took)

    def worked(self, tokens: int) -> None:
        """Note that a model worked on so many tokens now."""
        self._work.add(tokens, self._clock())

    def progress(self, calls_left: int) -> Progress:
        """The counts as a value; the time left is that of the calls that the cells still need."""
        now = self._clock()
        calls = self._calls.at(now)
        return Progress(
            total=self._total,
            done=self.done,
            cached=self._cached,
            failed=self._faults.total(),
            rate=self._rate.at(now),
            token_rate=self._work.at(now),
            eta=0.0 if self.done == self._total else calls_left / calls if calls else None,
            elapsed=now - self._start,
            cost=dict(self._cost),
            tokens=self._tokens,
            faults=dict(self._kinds),
            model=", ".join(self._models),
        )

    def failures(self) -> str:
        """How many cells failed and the sentence that was given most often, or ""."""
        if not self._faults:
            return ""
        sentence, times = self._faults.most_common(1)[0]
        failed = self._faults.total()
        often = "" if len(self._faults) == 1 else f" (most often, {times} times)"
        return f"{failed} of {self._total} cells failed{often}: {sentence}"


class _Used:
    """Tokens and their cost."""

    def __init__(self) -> None:
        self.cost = 0.0
        self.tokens = 0

    def add(self, usage: Usage, cost: float | None) -> None:
        self.cost += cost or 0.0
        self.tokens += usage.prompt + usage.completion


class Meter:
    """What a run has spent, counted as answers arrive: before they are written, so that it stops in time.

    Attributes:
        reached: The limit that ``used_up`` named, "" while none is: what was under way then may have cost less.
    """

    def __init__(self, budget: Budget = UNLIMITED, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._clock = clock
        self._start = clock()
        self._answers = 0
        self._answered = _Used()
        self._embedded = _Used()
        self.reached = ""

    def allow(self, budget: Budget) -> None:
        """Have another limit from now on; what was spent counts."""
        self._budget = budget
        self.reached = ""

    def add(self, outcome: Outcome) -> None:
        """Count an answer that was asked for now."""
        self._answers += outcome.fault is None
        self._answered.add(outcome.usage, outcome.cost)

    def add_vectors(self, usage: Usage, cost: float | None) -> None:
        """Count texts that were embedded now."""
        self._embedded.add(usage, cost)

    def spent(self, currency: str) -> str:
        """What was asked for now, in words: of cells that are not done, too."""
        total = self._answered.cost + self._embedded.cost
        cost = [f"{total:.4g} {currency}"] if total else []
        return " and ".join([*cost, f"{self._answered.tokens + self._embedded.tokens} tokens used"])

    def used_up(self, in_flight: int) -> str:
        """Which limit has been reached, as a clause, or "". What is under way is taken to cost what others did."""
        limit = self._limit(in_flight)
        self.reached = limit or self.reached
        return limit

    def _limit(self, in_flight: int) -> str:
        budget = self._budget
        share = 1 + in_flight / self._answers if self._answers else 1.0
        cost = self._answered.cost * share + self._embedded.cost
        tokens = self._answered.tokens * share + self._embedded.tokens
        if budget.cost is not None and cost >= budget.cost:
            return f"Stopped by the limit of cost, {budget.cost:g}"
        if budget.tokens is not None and tokens >= budget.tokens:
            return f"Stopped by the limit of tokens, {budget.tokens}"
        if budget.minutes is not None and self._clock() - self._start >= 60 * budget.minutes:
            return f"Stopped by the limit of time, {budget.minutes:g} min"
        return ""

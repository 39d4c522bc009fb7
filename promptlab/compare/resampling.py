"""Metrics of a whole column, such as macro F1: the examples are drawn again and the metric computed anew.

The interval is the percentile bootstrap over examples, or clusters of them (Efron & Tibshirani 1993), paired where
two columns are compared. The p value is approximate randomisation (Noreen 1989): under the null hypothesis the two
answers to an example could as well have been exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

from promptlab.compare.paired import DRAWS
from promptlab.compare.sentences import Measure
from promptlab.compare.values import Interval, Verdict
from promptlab.compare.verdict import Column, Pairs, conclude, invalid, pair, undecided
from promptlab.workspace.values import Decision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

Rows = Mapping[str, Sequence[float]]
"""Example id to what it adds to the totals."""
_SEED = 20_250_102
_BLOCK = 2_000_000  # numbers held at once while drawing
_EQUAL = 15  # drawing a kind of rows costs as much as drawing this many rows by themselves


def set_interval(
    rows: Rows,
    statistic: Callable[[Numbers], Numbers],
    clusters: Mapping[str, str] | None = None,
    level: float = 0.95,
    missing: int = 0,
    draws: int = DRAWS,
) -> Interval:
    """A set-level metric with the percentile bootstrap interval.

    Args:
        rows: Of the examples that have an answer; at least one.
        statistic: From totals (draws × columns) to one value a draw.
        clusters: Example id to cluster, or None.
        level: Confidence level.
        missing: How many examples had no value; passed through.
        draws: Samples of the bootstrap.
    """
    import numpy as np

    units = _units(list(rows), rows, clusters)
    value = float(statistic(units.sum(axis=0, keepdims=True))[0])
    if len(units) < 2:
        return Interval(value, math.nan, math.nan, len(rows), missing, level, "no interval from 1 example")
    drawn = statistic(_resampled(units, draws))
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
    what = "" if len(units) == len(rows) else f", {len(units)} clusters"
    return Interval(value, float(low), float(high), len(rows), missing, level, f"percentile bootstrap{what}")


def decide_set(
    baseline: Column,
    candidate: Column,
    rows: tuple[Rows, Rows],
    statistic: Callable[[Numbers], Numbers],
    metric: str,
    direction: Literal["max", "min", "info"],
    decision: Decision,
    clusters: Mapping[str, str] | None = None,
    draws: int = DRAWS,
) -> Verdict:
    """The verdict on a set-level metric.

    Args:
        baseline, candidate: What each example scored by itself, for pairing and for counting flips.
        rows: What each example adds to the totals, of the baseline and of the candidate.
        statistic: From totals (draws × columns) to one value a draw.
        metric: Its name, for the sentence.
        direction: Which way is better.
        decision: ``alpha`` and ``min_effect``.
        clusters: Example id to cluster, or None.
        draws: Samples of the bootstrap, and exchanges for p.
    """
    pairs = pair(baseline, candidate, direction)
    why = invalid(pairs, clusters)
    verdict = undecided(metric, decision, pairs, why)
    if not pairs.can_estimate(clusters):
        return verdict
    estimate = _Resampled(pairs, rows, statistic, clusters, draws)
    return conclude(verdict, estimate, why, pairs, clusters, decision, direction, Measure(points=False, unit=""))


class _Resampled:
    """What ``paired.Estimate`` says of a mean difference, said of a difference of two set-level metrics."""

    limit = math.inf
    test = "randomisation p"
    interval_name = "paired bootstrap interval"

    def __init__(
        self,
        pairs: Pairs,
        rows: tuple[Rows, Rows],
        statistic: Callable[[Numbers], Numbers],
        clusters: Mapping[str, str] | None,
        draws: int,
    ) -> None:
        old, new = (_units(pairs.ids, side, clusters) for side in rows)
        self.units = len(old)
        self.smallest_p = max(2.0 ** (1 - self.units), 1 / (1 + draws))
        total = [side.sum(axis=0, keepdims=True) for side in (old, new)]
        self.effect = float(statistic(total[1])[0] - statistic(total[0])[0])
        import numpy as np

        both = _resampled(np.hstack([old, new]), draws)
        width = old.shape[1]
        self._drawn = statistic(both[:, width:]) - statistic(both[:, :width])
        self.se = float(self._drawn.std())
        self.p = self._randomised(old, new, statistic, draws)

    def _randomised(self, old: Numbers, new: Numbers, statistic: Callable[[Numbers], Numbers], draws: int) -> float:
        import numpy as np

        change = new - old
        moved = change[np.any(change != 0, axis=1)]
        if not len(moved):
            return 1.0
        dice = np.random.default_rng(_SEED)
        base, hits = old.sum(axis=0), 0
        both = base + new.sum(axis=0)
        bar = abs(self.effect) - 1e-12
        moved = _compact(moved)
        for rows in _blocks(len(moved), draws):
            bits = np.frombuffer(dice.bytes((rows * len(moved) + 7) // 8), dtype=np.uint8)
            exchanged = np.unpackbits(bits, count=rows * len(moved)).reshape(rows, len(moved)).astype(moved.dtype)
            candidate = base + exchanged @ moved
            hits += int(np.count_nonzero(np.abs(statistic(candidate) - statistic(both - candidate)) >= bar))
        return (1 + hits) / (1 + draws)

    def interval(self, level: float) -> tuple[float, float]:
        """The two-sided interval at ``level``."""
        import numpy as np

        low, high = np.quantile(self._drawn, [0.5 - level / 2, 0.5 + level / 2])
        return float(low), float(high)


def _units(ids: Sequence[str], rows: Rows, clusters: Mapping[str, str] | None) -> Numbers:
    """One row of totals for each example, or for each cluster where there are any."""
    import numpy as np

    table = np.array([rows[example] for example in ids], dtype=np.float64)
    if clusters is None:
        return table
    places: dict[str, int] = {}
    at = [places.setdefault(clusters.get(example, f"\0{example}"), len(places)) for example in ids]
    summed = np.zeros((len(places), table.shape[1]))
    np.add.at(summed, at, table)
    return summed


def _resampled(units: Numbers, draws: int) -> Numbers:
    """Totals of ``draws`` samples of as many units, with replacement: how often each was drawn, times its row.

    Where there are few different rows, as with labels, equal ones are drawn together.
    """
    import numpy as np

    size = len(units)
    dice = np.random.default_rng(_SEED)
    kinds, counts = np.unique(units, axis=0, return_counts=True)
    if len(kinds) <= size // _EQUAL:
        return np.asarray(dice.multinomial(size, counts / size, size=draws), dtype=np.float64) @ kinds
    rows_of = _compact(units)
    return np.vstack([_times_drawn(dice, rows_of, rows) @ rows_of for rows in _blocks(size, draws)])


def _times_drawn(dice: np.random.Generator, units: Numbers, draws: int) -> Numbers:
    """How often each unit is in each sample: draws × units."""
    import numpy as np

    size = len(units)
    which = dice.integers(0, size, size=(draws, size), dtype=np.uint16 if size < 2**16 else np.uint32)
    times = np.empty((draws, size), dtype=units.dtype)
    for row in range(draws):
        times[row] = np.bincount(which[row], minlength=size)
    return times


def _compact(rows: Numbers) -> Numbers:
    """The same numbers at half the size where that loses nothing, and products of them are quicker."""
    import numpy as np

    exact = np.all(rows == np.rint(rows)) and np.abs(rows).sum(axis=0).max(initial=0) * 16 < 2**24
    return cast("Numbers", rows.astype(np.float32)) if exact else rows


def _blocks(width: int, draws: int) -> Sequence[int]:
    most = max(1, _BLOCK // max(1, width))
    return [min(most, draws - start) for start in range(0, draws, most)]

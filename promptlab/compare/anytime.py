"""Verdicts that may be looked at after every example, and stopped as soon as they are clear.

The state is a fortune. To test whether the true mean difference is ``r``, a fortune of 1 is staked on its being
larger: after each example it is multiplied by ``1 + γ·(d − r)/(1 + r)``, where ``d`` is the paired difference over
the range of the metric, from −1 to 1, and the bet ``0 < γ < 1`` is fixed before the first example. If the true mean
is at most ``r``, the fortune is a non-negative supermartingale, and so is its average over several bets; by Ville's
inequality it ever reaches ``1/a`` with probability at most ``a``, however often one looks and whenever one stops. The
values of ``r`` that are refuted from neither side, at ``a = α/2`` each, are a confidence sequence.

These are the betting confidence sequences of Waudby-Smith and Ramdas, "Estimating means of bounded random variables
by betting" (2024, arXiv 2010.09686), with their hedged capital and diversified bets ("dKelly"), written for
differences: with x = (d + 1)/2 and m = (r + 1)/2 the factor is ``1 + γ·(x − m)/m``. A fixed average of bets needs no
state but the differences themselves, and no order of them: whoever opens the run again later finds the verdict that
it stopped with.

Clusters are one observation each. For S, the sum of a cluster's differences, N of them, at most M in any cluster, the
factor is ``1 + γ·(S − r·N)/(M·(1 + r))``: the mean in question is that of the examples, ΣS ÷ ΣN.

The true mean is that of the cases that the examples were drawn from, as in every other verdict; a seeded random order
makes what was asked first a fair sample of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import structs

from promptlab.compare.values import Interval, Verdict
from promptlab.compare.verdict import Column, conclude, invalid, measure_of, pair, undecided
from promptlab.workspace.values import Decision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

BETS = (0.03, 0.06, 0.12, 0.25, 0.5, 0.75, 0.95)
"""A bet half or twice the best one still grows three quarters as fast; the best is about mean ÷ variance of d."""
_HALVINGS = 40
TEST = "betting p"


def fortunes(sums: Numbers, counts: Numbers, largest: float, r: float) -> Numbers:
    """Logarithm of the fortune that was staked on a mean above ``r``, after each observation.

    Args:
        sums: Of each observation's differences, each from −1 to 1.
        counts: Of the differences in each observation: 1, or the size of the cluster.
        largest: No cluster of the eval set has more.
        r: The mean that is tested, above −1 and at most 1.
    """
    import numpy as np

    steps = (sums - r * counts) / (largest * (1 + r))
    # Rounding must not make a total loss, which the bets below 1 exclude, out of a large one.
    growth = np.log1p(np.outer(BETS, np.maximum(steps, -1.0))).cumsum(axis=1)
    return np.logaddexp.reduce(growth, axis=0) - math.log(len(BETS))


class Betting:
    """What ``paired.Estimate`` says of a mean difference, at whatever moment one looks.

    Differences are scaled to the metric's range: ``limit`` is that range, and no difference is larger.
    """

    test = TEST
    interval_name = "anytime-valid betting interval"
    se = math.nan

    def __init__(
        self, differences: Sequence[float], clusters: Sequence[str] | None, span: float, largest: int = 1
    ) -> None:
        """Take in the differences.

        Args:
            differences: In the metric's unit, at least one.
            clusters: The cluster of each, or None where examples are independent.
            span: The metric's highest value less its lowest.
            largest: The size of the largest cluster of the eval set, asked or not.
        """
        import numpy as np

        self.limit = span
        scaled = np.array(differences, dtype=np.float64) / span
        self.effect = float(scaled.mean()) * span
        if clusters is None:
            self._sums: Numbers = scaled
            self._counts: Numbers = np.ones_like(scaled)
        else:
            places: dict[str, int] = {}
            at = np.array([places.setdefault(name, len(places)) for name in clusters])
            self._sums = np.bincount(at, scaled, len(places)).astype(np.float64)
            self._counts = np.bincount(at, minlength=len(places)).astype(np.float64)
        self._largest = float(largest)
        self.units = len(self._sums)
        self.p = min(1.0, 2 * math.exp(-max(self._above(0.0), self._below(0.0))))
        best = fortunes(self._counts, self._counts, self._largest, 0.0)[-1]
        self.smallest_p = min(1.0, 2 * math.exp(-float(best)))

    def _above(self, r: float) -> float:
        """Log of the fortune that a mean above ``r`` has earned."""
        return float(fortunes(self._sums, self._counts, self._largest, r)[-1])

    def _below(self, r: float) -> float:
        return float(fortunes(-self._sums, self._counts, self._largest, -r)[-1])

    def interval(self, level: float) -> tuple[float, float]:
        """The means that are not refuted at ``level``, in the metric's unit."""
        refuted = math.log(2 / (1 - level))
        # The fortune on "above r" falls with r, so what it refutes ends at one point; the other side is its mirror.
        low = _last_refuted(lambda r: self._above(r) >= refuted)
        high = -_last_refuted(lambda r: self._below(-r) >= refuted)
        return low * self.limit, high * self.limit

    def p_below(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true difference is at or below ``bound``."""
        r = bound / self.limit
        return min(1.0, math.exp(-self._above(r))) if -1 < r < 1 else float(r >= 1)

    def p_above(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true difference is at or above ``bound``."""
        r = bound / self.limit
        return min(1.0, math.exp(-self._below(-r))) if -1 < r < 1 else float(r <= -1)


def _last_refuted(refuted: Callable[[float], bool]) -> float:
    """The largest r from −1 to 1 that is refuted, where all below it are; −1 where none is."""
    low, high = -1.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low


class Range(NamedTuple):
    """The lowest and highest value that a metric can have."""

    low: float
    high: float

    @property
    def span(self) -> float:
        return self.high - self.low


def decide_anytime(
    baseline: Column,
    candidate: Column,
    metric: str,
    direction: Literal["max", "min", "info"],
    kind: Literal["binary", "numeric", "preference"],
    decision: Decision,
    bounds: Range | None,
    clusters: Mapping[str, str] | None = None,
    unit: str = "",
) -> Verdict:
    """The verdict on the examples asked so far, by rules that hold however often it is asked for.

    Args:
        baseline, candidate: Scores by example id; examples that were not asked are not in them.
        metric: Its name, for the sentence.
        direction: Which way is better.
        kind: ``binary`` for metrics whose single scores are 0 or 1, averaged over trials or not. ``preference`` for
            those that are held against the middle of their range.
        decision: ``alpha`` and ``min_effect``.
        bounds: What the metric can be; None where it has no end, or is one of the whole column: then it settles
            nothing, since no interval of it holds at a moment that was chosen by looking.
        clusters: Example id to cluster for every example of the eval set, or None.
        unit: Of the metric, for the sentence.
    """
    pairs = pair(baseline, candidate, direction)
    if bounds is None:
        verdict = undecided(metric, decision, pairs, "")
        why = (
            f"{metric} has no lowest and highest value, and the run could stop at any moment, so no interval of it "
            "holds. A run without --until-clear can say more."
        )
        return structs.replace(verdict, status="INCONCLUSIVE", sentence=f"INCONCLUSIVE: {why}")
    why = invalid(pairs, clusters)
    verdict = undecided(metric, decision, pairs, why)
    if not pairs.can_estimate(clusters):
        return verdict
    span = bounds.span / 2 if kind == "preference" else bounds.span
    estimate = Betting(pairs.differences, pairs.groups(clusters), span, largest(clusters))
    return conclude(verdict, estimate, why, pairs, clusters, decision, direction, measure_of(kind, unit))


def mean_anytime(
    values: Sequence[float], clusters: Sequence[str] | None, bounds: Range, size: int, level: float, missing: int
) -> Interval:
    """The mean of one column of a run that could stop at any moment.

    Args:
        values: At least one.
        clusters: The cluster of each value, or None.
        bounds: What the metric can be.
        size: Of the largest cluster of the eval set.
        level: Confidence level.
        missing: How many examples had no value; passed through.
    """
    middle, half = (bounds.low + bounds.high) / 2, bounds.span / 2
    betting = Betting([value - middle for value in values], clusters, half, size)
    low, high = betting.interval(level)
    mean = math.fsum(values) / len(values)
    return Interval(mean, middle + low, middle + high, len(values), missing, level, "betting, anytime-valid")


def largest(clusters: Mapping[str, str] | None) -> int:
    """The size of the largest cluster."""
    return max(Counter(clusters.values()).values(), default=1) if clusters else 1

"""Tests and intervals of a mean paired difference, each test with the interval of its own family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from promptlab.compare.student import t_quantile, t_upper

EXACT_UNITS = 15
"""Up to this many non-zero differences, all 2^15 sign patterns are counted; above, ``DRAWS`` of them are drawn."""
DRAWS = 10_000
FEW_CLUSTERS = 10
_SEED = 20_250_101  # fixed, so that the same scores give the same p on every machine


class Estimate(NamedTuple):
    """A mean paired difference d = candidate − baseline with its uncertainty.

    Attributes:
        effect: Mean of d.
        centre: Middle of the interval; differs from ``effect`` where the interval shrinks towards 0.
        se: Standard error that goes with ``centre``.
        df: Degrees of freedom of the t distribution, infinite for the normal one.
        p: Two-sided p of the test.
        units: Independent things that were counted: examples, or clusters of them.
        smallest_p: The smallest p that this many units can reach.
        limit: No difference can be larger than this (1 for shares, else infinite).
    """

    effect: float
    centre: float
    se: float
    df: float
    p: float
    units: int
    smallest_p: float
    limit: float
    test: str
    interval_name: str

    def interval(self, level: float) -> tuple[float, float]:
        """The two-sided interval at ``level``, such as 0.95."""
        half = t_quantile(0.5 + level / 2, self.df) * self.se
        return max(-self.limit, self.centre - half), min(self.limit, self.centre + half)

    def p_below(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true difference is at or below ``bound``."""
        if self.se == 0:
            return 0.0 if self.centre > bound else 1.0
        return t_upper((self.centre - bound) / self.se, self.df)

    def p_above(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true difference is at or above ``bound``."""
        return 1 - self.p_below(bound)


def binary(differences: Sequence[float]) -> Estimate:
    """One independent yes-or-no score per example and side: McNemar's mid-p test with the Bonett–Price interval.

    Over all tables with n ≤ 30, p < 0.05 never meets an interval that includes 0; the reverse (interval clear of 0,
    p between 0.050 and 0.070) happens in 1.1 % of them.
    """
    n = len(differences)
    gained = sum(1 for d in differences if d > 0)
    lost = sum(1 for d in differences if d < 0)
    centre, se = bonett_price(lost, gained, n)
    return Estimate(
        effect=(gained - lost) / n,
        centre=centre,
        se=se,
        df=math.inf,
        p=mcnemar_mid_p(lost, gained),
        units=n,
        smallest_p=0.5**n,
        limit=1.0,
        test="McNemar mid-p",
        interval_name="Bonett–Price interval",
    )


def preference(differences: Sequence[float]) -> Estimate:
    """One independent win (0.5), tie (0) or loss (−0.5) per example: the mid-p sign test on those that are no tie.

    That is McNemar's test of the wins against the losses; the interval is Bonett and Price's of (wins − losses)/n,
    halved, which is that of the win rate with ties as half a win, less one half.
    """
    found = binary(differences)
    return found._replace(
        effect=found.effect / 2, centre=found.centre / 2, se=found.se / 2, limit=0.5, test="sign test mid-p"
    )


def mcnemar_mid_p(lost: int, gained: int) -> float:
    """Two-sided McNemar mid-p (Fagerland, Lydersen & Laake 2013): the exact binomial p less half its own point.

    Args:
        lost: Examples that only the baseline has right.
        gained: Examples that only the candidate has right.
    """
    flips, fewer = lost + gained, min(lost, gained)
    if not flips:
        return 1.0
    tail = point = 1
    for i in range(fewer):
        point = point * (flips - i) // (i + 1)
        tail += point
    # Twice the lower tail counts the middle point twice where both sides are equal: then it is 1 less half of it.
    # In whole numbers to the last division: thousands of flips are beyond what a float can hold.
    doubled = 2 * (2 * tail - point) if lost != gained else 2 * 2**flips - point
    return min(1.0, doubled / (2 * 2**flips))


def bonett_price(lost: int, gained: int, n: int) -> tuple[float, float]:
    """Centre and standard error of the adjusted Wald interval of p₂ − p₁ (Bonett & Price 2012)."""
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    centre = up - down
    return centre, math.sqrt((up + down - centre * centre) / (n + 2))


def numeric(differences: Sequence[float], clusters: Sequence[str] | None, bounded: bool) -> Estimate:
    """Any numbers: sign-flip permutation of the differences (or of their cluster sums) with a t interval.

    The interval is mean ± t_{n−1}·SE, and for clusters the CR1 standard error with t_{G−1} (Miller 2024).

    Args:
        differences: One per example, at least two.
        clusters: The cluster of each, at least two different ones; None where examples are independent.
        bounded: The scores are shares, so no difference is larger than 1.
    """
    n = len(differences)
    effect = math.fsum(differences) / n
    sums = _sums(differences, clusters)
    units = len(sums)
    se = mean_se(differences, clusters)
    centre = effect
    if se == 0 and effect == 0 and bounded:
        # No share moved at all; that bounds a true difference no better than so many yes-or-no answers would.
        centre, se = bonett_price(0, 0, units)
    kind = f"t interval, {units} clusters" if clusters is not None else "t interval"
    return Estimate(
        effect=effect,
        centre=centre,
        se=se,
        df=units - 1,
        p=sign_flip_p(sums),
        units=units,
        smallest_p=2.0 ** (1 - units) if units <= EXACT_UNITS else 1 / (1 + DRAWS),
        limit=1.0 if bounded else math.inf,
        test="sign-flip p",
        interval_name=kind,
    )


def mean_se(values: Sequence[float], clusters: Sequence[str] | None) -> float:
    """Standard error of a mean: SD/√n, or CR1 over clusters.

    CR1 is √(G/(G−1) · Σ_c (Σ_{i∈c} u_i)²) / n with u = value − mean; with clusters of one it is SD/√n. It is
    exactly 0 where all values are equal, and not a number for one value or one cluster.
    """
    n = len(values)
    mean = values[0] if min(values) == max(values) else math.fsum(values) / n
    sums = _sums([value - mean for value in values], clusters)
    if len(sums) < 2:
        return math.nan
    return math.sqrt(len(sums) / (len(sums) - 1) * math.fsum(total * total for total in sums)) / n


def _sums(values: Sequence[float], clusters: Sequence[str] | None) -> list[float]:
    if clusters is None:
        return list(values)
    members: dict[str, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        members.setdefault(cluster, []).append(value)
    return [math.fsum(group) for group in members.values()]


def sign_flip_p(sums: Sequence[float]) -> float:
    """Two-sided p of a sum under random signs: how often |Σ ±s| is at least |Σ s|.

    Exact over all sign patterns for up to ``EXACT_UNITS`` non-zero values, else (1 + hits) / (1 + draws) over
    ``DRAWS`` seeded draws. The order of the values does not matter.
    """
    moved = sorted(value for value in sums if value)
    if not moved:
        return 1.0
    import numpy as np

    values = np.array(moved)
    # Sums that differ by rounding only are equal: |s| adds up to at most `total`.
    bar = abs(math.fsum(moved)) - 1e-12 * math.fsum(map(abs, moved))
    if len(moved) <= EXACT_UNITS:
        patterns = np.arange(2 ** len(moved), dtype=np.uint32)
        signs = (patterns[:, None] >> np.arange(len(moved), dtype=np.uint32)) & 1
        return float(np.mean(np.abs((signs * 2.0 - 1.0) @ values) >= bar))
    # Eight signs are one byte, and the sum of its values is looked up: half the time of multiplying, and one core.
    size = -(-len(moved) // 8)
    eights = np.zeros(8 * size)
    eights[: len(moved)] = values
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    sums_of_bytes = eights.reshape(size, 8) @ bits.T
    dice = np.random.default_rng(_SEED)
    kept = np.zeros(DRAWS)
    for sums_of_byte in sums_of_bytes:
        kept += sums_of_byte[np.frombuffer(dice.bytes(DRAWS), dtype=np.uint8)]
    hits = int(np.count_nonzero(np.abs(2.0 * kept - values.sum()) >= bar))
    return (1 + hits) / (1 + DRAWS)

"""The mean of one column of scores, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from promptlab.compare.paired import FEW_CLUSTERS, mean_se
from promptlab.compare.student import NORMAL, t_quantile
from promptlab.compare.values import Interval


def mean_interval(
    values: Sequence[float],
    kind: Literal["binary", "numeric"],
    clusters: Sequence[str] | None = None,
    level: float = 0.95,
    missing: int = 0,
) -> Interval:
    """The mean of scores and where the true mean may lie.

    Independent yes-or-no scores get the Wilson interval (Wilson 1927), other numbers mean ± t_{n−1}·SD/√n, and
    clustered scores mean ± t_{G−1}·SE with the CR1 standard error. Shares stay within 0 and 1.

    Args:
        values: One per example; means over trials where an example was tried several times.
        kind: ``binary`` for metrics whose single scores are 0 or 1, averaged over trials or not.
        clusters: The cluster of each value; None (or one value in each) where examples are independent.
        level: Confidence level.
        missing: How many examples had no value; passed through.

    Returns:
        The interval; ``low`` and ``high`` are not a number where nothing can be said, nor ``mean`` without a value.
    """
    n = len(values)
    if clusters is not None and len(set(clusters)) == n:
        clusters = None
    mean = math.fsum(values) / n if n else math.nan
    if n == 0:
        low, high, method = math.nan, math.nan, "no values"
    elif kind == "binary" and clusters is None and all(value in (0, 1) for value in values):
        low, high = wilson(mean, n, level)
        method = "Wilson"
    else:
        low, high, method = _student(values, mean, clusters, level, bounded=kind == "binary")
    return Interval(mean=mean, low=low, high=high, n=n, missing=missing, level=level, method=method)


def wilson(share: float, n: int, level: float) -> tuple[float, float]:
    """Wilson's score interval for a share of ``n``, without continuity correction."""
    z = NORMAL.inv_cdf(0.5 + level / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 and 1 the ends are exact; rounding must not move them to 1e-17.
    return (0.0 if share == 0 else centre - half), (1.0 if share == 1 else centre + half)


def _student(
    values: Sequence[float], mean: float, clusters: Sequence[str] | None, level: float, bounded: bool
) -> tuple[float, float, str]:
    units = len(values) if clusters is None else len(set(clusters))
    what = "value" if clusters is None else "cluster"
    if bounded and min(values) == max(values):
        # No spread to measure, which for shares is no proof of certainty: at most as sure as this many answers.
        low, high = wilson(mean, units, level)
        return low, high, f"Wilson, {units} {what}{'' if units == 1 else 's'} without spread"
    if units < 2:
        return math.nan, math.nan, f"no interval from 1 {what}"
    half = t_quantile(0.5 + level / 2, units - 1) * mean_se(values, clusters)
    low, high = mean - half, mean + half
    if bounded:
        low, high = max(0.0, low), min(1.0, high)
    method = "t" if clusters is None else f"t, {units} clusters"
    if min(values) == max(values):
        method += ", all values equal"
    elif clusters is not None and units < FEW_CLUSTERS:
        method += f" (fewer than {FEW_CLUSTERS}: the true spread may be larger)"
    return low, high, method

"""How many trials an example would settle what more examples would settle too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

from promptlab.compare.student import NORMAL

POWER = 0.8


def trials_needed(
    differences: Sequence[float], within: float, trials: int, effect: float, alpha: float = 0.05
) -> int | None:
    """Trials an example with which a mean paired difference of ``effect`` would show four times in five.

    The variance of the mean difference is (ω² + σ²/K)/n (Miller 2024, arXiv 2411.00640, section 5): of n examples, K
    trials of each, σ² the variance of single answers around their example's mean, of both sides together, and ω² that
    of the examples' true differences, which no number of trials makes smaller.

    Args:
        differences: One per example, of means over ``trials`` answers; at least two.
        within: σ², from the answers of both sides.
        trials: K so far.
        effect: The difference that is to be seen, above 0.
        alpha: Of the two-sided test.

    Returns:
        None where no number of trials would do.
    """
    between = max(0.0, variance(differences) - within / trials)
    wanted = len(differences) * (effect / (NORMAL.inv_cdf(1 - alpha / 2) + NORMAL.inv_cdf(POWER))) ** 2
    return math.ceil(within / (wanted - between) - 1e-9) if wanted > between else None


def spread_within(examples: Sequence[Sequence[float]]) -> float:
    """The variance of single answers around their example's mean, over the examples with two answers or more."""
    found = [variance(values) for values in examples if len(values) > 1]
    return fmean(found) if found else 0.0

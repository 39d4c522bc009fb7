"""A judge's mean corrected by what people said: prediction-powered inference.

Angelopoulos, Bates, Fannjiang, Jordan & Zrnic 2023 (arXiv 2301.09633), with the weight of Angelopoulos, Duchi & Zrnic
2023 (PPI++, arXiv 2311.01453): unbiased for any weight, and with the best one no wider than from the labels alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import covariance, fmean, variance

from promptlab.compare.student import t_quantile
from promptlab.compare.values import Interval

FEWEST = 20
"""Human labels from which a mean is corrected."""


def powered_mean(
    labelled: Sequence[tuple[float, float]], unlabelled: Sequence[float], level: float = 0.95
) -> Interval:
    """The mean of what people would say of all answers.

    θ = mean(y − λf) over the labelled + λ·mean(f) over the others, with variance Var(y − λf)/n + λ²·Var(f)/N and
    λ = Cov(y, f) / ((1 + n/N)·Var(f)).

    Args:
        labelled: The label and the judge's score of each answer that has both; at least two.
        unlabelled: The judge's scores of the other answers.
        level: Confidence level.
    """
    labels, scores = [y for y, _ in labelled], [f for _, f in labelled]
    n, others = len(labelled), len(unlabelled)
    weight = 0.0
    if others > 1 and (spread := variance([*scores, *unlabelled])) > 0:
        weight = covariance(labels, scores) / ((1 + n / others) * spread)
    rest = [y - weight * f for y, f in labelled]
    mean = fmean(rest) + (weight * fmean(unlabelled) if weight else 0.0)
    squared = variance(rest) / n + (weight**2 * variance(unlabelled) / others if weight else 0.0)
    half = t_quantile(0.5 + level / 2, n - 1) * math.sqrt(squared)
    method = f"prediction-powered, {n} labels, weight {weight:.2f}"
    return Interval(mean, mean - half, mean + half, n + others, 0, level, method)

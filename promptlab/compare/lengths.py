"""What a judge of pairs would prefer if both answers were of one length.

The length-controlled win rate of Dubois 2024 (arXiv 2404.04475), of one pair of columns:
P(win) = σ(θ + φ·tanh(Δ ÷ sd)), where Δ is by how much the candidate's answer is longer and sd its standard deviation;
σ(θ) is the win rate at Δ = 0. Fitted by maximum likelihood, ties as half a win; the interval is θ ± z·SE on the logit
scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from promptlab.compare.values import Interval

FEWEST = 50
"""Pairs without a tie below which nothing is said."""
_STEPS = 50


def win_rate_at_equal_length(wins: Sequence[float], longer: Sequence[float], level: float = 0.95) -> Interval | None:
    """The win rate that is left when length is taken out.

    Args:
        wins: 1 where the candidate wins, 0.5 for a tie, 0 where it loses.
        longer: By how much the candidate's answer is longer, in any unit.
        level: Of the interval.

    Returns:
        None with fewer than 50 pairs that are no tie, equal differences, or where length alone tells every winner.
    """
    import numpy as np

    won, difference = np.asarray(wins, dtype=np.float64), np.asarray(longer, dtype=np.float64)
    spread = float(difference.std(ddof=1)) if len(difference) > 1 else 0.0
    if np.count_nonzero(won != 0.5) < FEWEST or spread == 0:
        return None
    rows = np.column_stack([np.ones(len(won)), np.tanh(difference / spread)])
    found = np.zeros(2)
    for _ in range(_STEPS):
        said = 1 / (1 + np.exp(-np.clip(rows @ found, -30, 30)))
        information = (rows * (said * (1 - said))[:, None]).T @ rows
        if np.linalg.cond(information) > 1e10:
            return None
        step = np.linalg.solve(information, rows.T @ (won - said))
        found = found + step
        if np.abs(step).max() < 1e-10:
            break
    else:
        return None
    error = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(np.linalg.inv(information)[0, 0])
    low, mean, high = (1 / (1 + math.exp(-logit)) for logit in (found[0] - error, found[0], found[0] + error))
    return Interval(mean, low, high, len(won), 0, level, "logistic, at equal length")

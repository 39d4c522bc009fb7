"""Student's t distribution, in forty lines: importing scipy for it would take a quarter of a second.

The tests hold it against scipy to ten digits.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

NORMAL = NormalDist()


def t_upper(t: float, df: float) -> float:
    """P(T > t) for T with ``df`` degrees of freedom; the normal distribution where ``df`` is infinite."""
    if math.isinf(df):
        return NORMAL.cdf(-t)
    tail = 0.5 * _incomplete_beta(df / 2, 0.5, df / (df + t * t))
    return tail if t >= 0 else 1 - tail


@lru_cache(maxsize=1024)
def t_quantile(p: float, df: float) -> float:
    """The t with P(T ≤ t) = p, for 0 < p < 1."""
    if p < 0.5:
        return -t_quantile(1 - p, df)
    t = NORMAL.inv_cdf(p)
    if math.isinf(df):
        return t
    # Newton from the normal quantile: the tail is convex there, so every step stays on the near side of the root.
    scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(df * math.pi)
    for _ in range(100):
        density = scale * (1 + t * t / df) ** (-(df + 1) / 2)
        step = (t_upper(t, df) - (1 - p)) / density
        t += step
        if abs(step) <= 1e-14 * max(1.0, t):
            break
    return t


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    return front / a / _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """1 + d₁/(1 + d₂/(1 + …)) by Lentz's method."""
    value, upper, lower = 1.0, 1.0, 0.0
    for k in range(1, 1000):
        m = k // 2
        if k % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / (1 + term * lower)
        upper = 1 + term / upper
        value *= upper * lower
        if abs(upper * lower - 1) < 1e-15:
            break
    return value

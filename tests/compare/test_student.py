"""Student's t against scipy."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from promptlab.compare.student import t_quantile, t_upper


@pytest.mark.parametrize("df", [1, 2, 3, 4.5, 10, 29, 64, 999, 100_000])
def test_quantiles_and_tails_agree_with_scipy(df: float) -> None:
    for p in (0.0005, 0.025, 0.5, 0.8, 0.95, 0.975, 0.995, 0.9995):
        assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-9, abs=1e-12)
    for t in (-20, -2.5, 0, 0.3, 1.96, 7):
        assert t_upper(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-9, abs=1e-14)


def test_infinite_degrees_of_freedom_are_the_normal_distribution() -> None:
    assert t_quantile(0.975, math.inf) == pytest.approx(1.959963984540054)
    assert t_upper(1.959963984540054, math.inf) == pytest.approx(0.025)

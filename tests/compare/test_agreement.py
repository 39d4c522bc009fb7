"""Agreement of raters against scikit-learn, statsmodels, krippendorff and published tables."""

from __future__ import annotations

import math
import random

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from promptlab.compare.agreement import agreement, calibration, krippendorff_alpha


def pairs_of(table: list[list[int]]) -> list[tuple[object, object]]:
    return [(row, column) for row, counts in enumerate(table) for column, n in enumerate(counts) for _ in range(n)]


@pytest.mark.parametrize(
    ("table", "kappa", "ac1"),
    # Feinstein & Cicchetti 1990, tables 1 and 2: one raw agreement of 0.85, two kappas; AC1 after Gwet 2008.
    [([[40, 9], [6, 45]], 0.70, 0.70), ([[80, 10], [5, 5]], 0.32, 0.81)],
)
def test_the_paradox_of_kappa(table: list[list[int]], kappa: float, ac1: float) -> None:
    found = agreement(pairs_of(table))
    assert (round(found.raw, 2), round(found.kappa, 2), round(found.ac1, 2)) == (0.85, kappa, ac1)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60))
def test_kappa_is_that_of_others(pairs: list[tuple[int, int]]) -> None:
    found = agreement(pairs)
    first, second = zip(*pairs, strict=True)
    if len({*first, *second}) < 2:
        assert math.isnan(found.kappa)
        assert found.ac1 == 1.0
        return
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    table = np.zeros((4, 4))
    for one, other in pairs:
        table[one, other] += 1
    with np.errstate(all="ignore"):
        oracle = cohens_kappa(table)
    if math.isnan(oracle.kappa_low):  # rounding takes its variance of 0 below 0
        assert found.kappa_low == pytest.approx(found.kappa, abs=1e-6)
        return
    assert found.kappa_low == pytest.approx(max(-1.0, oracle.kappa_low), abs=1e-6)
    assert found.kappa_high == pytest.approx(min(1.0, oracle.kappa_upp), abs=1e-6)


@pytest.mark.parametrize("level", ["nominal", "interval"])
def test_alpha_is_that_of_krippendorff(level: str) -> None:
    dice = random.Random(3)
    for _ in range(20):
        grid = [[dice.choice([1.0, 2.0, 3.0, 4.0, math.nan]) for _ in range(12)] for _ in range(4)]
        items = [{str(r): grid[r][i] for r in range(4) if not math.isnan(grid[r][i])} for i in range(12)]
        oracle = krippendorff.alpha(np.array(grid), level_of_measurement=level)
        assert krippendorff_alpha(items, level) == pytest.approx(oracle, abs=1e-12)  # type: ignore[arg-type] parametrized


def test_alpha_of_nothing_to_compare() -> None:
    assert math.isnan(krippendorff_alpha([{"a": 1.0}, {"b": 1.0}]))
    assert math.isnan(krippendorff_alpha([{"a": 1.0, "b": 1.0}] * 4))


def test_calibration() -> None:
    pairs = [(0.1, 0.0), (0.15, 1.0), (0.9, 1.0), (1.0, 1.0)]
    found = calibration(pairs)
    assert found.brier == pytest.approx(brier_score_loss([y for _, y in pairs], [f for f, _ in pairs]))
    assert found.bins == ((0.125, 0.5, 2), (0.95, 1.0, 2))
    assert found.ece == pytest.approx((2 * 0.375 + 2 * 0.05) / 4)

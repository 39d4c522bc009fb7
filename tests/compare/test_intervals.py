"""The interval of one column against statsmodels, scipy and published worked examples."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from promptlab.compare.intervals import effective_answers, mean_interval, share_interval, wilson


def shares(right: int, n: int) -> list[float]:
    return [1.0] * right + [0.0] * (n - right)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # Newcombe 1998 (Statistics in Medicine 17, 857–872), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(right: int, n: int, low: float, high: float) -> None:
    found = wilson(right / n, n, 0.95)
    assert (round(found[0], 4), round(found[1], 4)) == (low, high)


@given(st.integers(2, 300), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_shares_agree_with_statsmodels(n: int, data: st.DataObject, level: float) -> None:
    """Agresti–Coull of statsmodels, at the level whose z is our t."""
    right = data.draw(st.integers(0, n))
    interval = mean_interval(shares(right, n), "binary", level=level, missing=3)
    t = float(stats.t.ppf(0.5 + level / 2, n + 3))
    low, high = proportion_confint(right, n, 2 * float(stats.norm.sf(t)), method="agresti_coull")
    assert (interval.low, interval.high) == pytest.approx((max(0, low), min(1, high)), abs=1e-9)
    assert 0 <= interval.low <= interval.mean <= interval.high <= 1
    assert (interval.missing, interval.method) == (3, "Agresti–Coull, t")


@pytest.mark.parametrize("n", [20, 31, 50, 100, 200])
def test_coverage_by_enumeration(n: int) -> None:
    """At every share from 0.5 to 0.95 in steps of 0.001: the binomial distribution is summed, not drawn."""
    ends = [share_interval(right / n, n, n + 3, 0.95) for right in range(n + 1)]
    low, high = np.array(ends).T
    p = np.arange(0.5, 0.9505, 0.001)[:, None]
    covered = np.where((low <= p) & (p <= high), stats.binom.pmf(np.arange(n + 1), n, p), 0).sum(axis=1)
    assert covered.min() >= 0.9399


def test_numbers_get_a_t_interval() -> None:
    values = [random.Random(1).gauss(5, 2) for _ in range(3)] + [4.0, 9.5, 2.25]
    interval = mean_interval(values, "numeric")
    oracle = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx(tuple(oracle))
    assert interval.method == "t"


def test_means_over_trials_of_yes_or_no_scores_stay_within_0_and_1() -> None:
    interval = mean_interval([1.0, 1.0, 0.75, 1.0], "binary", trials=4)
    assert interval.method == "Agresti–Coull, t"
    assert 0 <= interval.low < interval.high == 1.0


def test_clusters_widen_the_interval() -> None:
    values = [1.0] * 20 + [0.0] * 20
    clusters = [f"g{index // 4}" for index in range(40)]
    alone, together = mean_interval(values, "binary"), mean_interval(values, "binary", clusters)
    assert together.method == "Agresti–Coull, t, 10 clusters"
    assert together.low < alone.low
    assert together.high > alone.high


def test_few_clusters_are_named() -> None:
    interval = mean_interval([1.0, 2.0, 3.0, 5.0], "numeric", ["a", "a", "b", "c"])
    assert interval.method == "t, 3 clusters (fewer than 10: the true spread may be larger)"


def test_clusters_of_one_are_no_clusters() -> None:
    assert mean_interval(shares(3, 8), "binary", [str(index) for index in range(8)]).method == "Agresti–Coull, t"


def test_all_right_in_few_clusters_is_no_certainty() -> None:
    interval = mean_interval([1.0] * 30, "binary", [f"g{index % 5}" for index in range(30)])
    assert (interval.low, interval.high) == share_interval(1.0, 5, 4, 0.95)
    assert interval.low < 0.5
    assert interval.method == "Agresti–Coull, t, 5 clusters (fewer than 10: the true spread may be larger)"


def test_a_share_of_clusters_is_worth_as_many_answers_as_its_spread_says() -> None:
    """Against statsmodels: the cluster-robust standard error of a regression on a constant."""
    dice = random.Random(3)
    values = [float(dice.random() < 0.2 + 0.6 * (index // 5 % 2)) for index in range(60)]
    clusters = [f"g{index // 5}" for index in range(60)]
    ones = np.ones(60)
    fit = sm.OLS(values, ones).fit(cov_type="cluster", cov_kwds={"groups": clusters, "df_correction": True})
    mean, se = float(np.mean(values)), float(fit.bse[0])
    found = mean_interval(values, "binary", clusters)
    design = se**2 * 60 / (mean * (1 - mean))
    assert effective_answers(mean, se, 60, 12) <= 60 / design
    known = 11 * 4 * mean * (1 - mean)
    worth = 60 / ((design * known + 5) / (known + 1))
    assert (found.low, found.high) == pytest.approx(share_interval(mean, worth, 11, 0.95))


@pytest.mark.parametrize(
    ("units", "size", "alike", "p"), [(20, 10, 0.3, 0.95), (10, 20, 0.3, 0.95), (20, 20, 0.7, 0.95)]
)
def test_coverage_of_shares_in_few_units(units: int, size: int, alike: float, p: float) -> None:
    """Beta distributed units: without what is added to the design effect, 0.91, 0.90 and 0.88 were covered."""
    dice, rounds = np.random.default_rng(3), 1000
    own = dice.beta(p * (1 - alike) / alike, (1 - p) * (1 - alike) / alike, size=(rounds, units))
    found = [mean_interval((row / size).tolist(), "binary", trials=size) for row in dice.binomial(size, own)]
    assert sum(one.low <= p <= one.high for one in found) / rounds >= 0.95


def test_nothing_to_say() -> None:
    empty = mean_interval([], "numeric", missing=4)
    assert math.isnan(empty.mean)
    assert (empty.n, empty.missing, empty.method) == (0, 4, "no values")
    single = mean_interval([3.5], "numeric")
    assert (single.mean, single.method) == (3.5, "no interval from 1 value")
    assert math.isnan(single.low)
    assert math.isnan(single.high)
    one_cluster = mean_interval([3.5, 4.5], "numeric", ["a", "a"])
    assert one_cluster.method == "no interval from 1 cluster"


def test_equal_numbers_are_named() -> None:
    interval = mean_interval([2.0, 2.0, 2.0], "numeric")
    assert (interval.low, interval.high, interval.method) == (2.0, 2.0, "t, all values equal")

"""Paired tests and intervals against statsmodels, scipy and published worked examples."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar

from promptlab.compare import paired

DARWIN = [49.0, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
"""Height differences of 15 pairs of maize plants, in eighths of an inch: Fisher, The Design of Experiments, 1935."""


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    [
        (1, 7, 0.039),  # airway hyper-responsiveness, Fagerland, Lydersen & Laake 2013
        (6, 16, 0.035),  # complete response before and after consolidation, same paper
    ],
)
def test_mcnemar_mid_p_as_published(lost: int, gained: int, p: float) -> None:
    assert round(paired.mcnemar_mid_p(lost, gained), 3) == p


@pytest.mark.parametrize(("lost", "gained"), [(0, 1), (1, 5), (12, 3), (0, 10), (59, 6), (300, 200), (4_000, 4_200)])
def test_mcnemar_mid_p_is_the_exact_p_of_statsmodels_less_half_of_both_end_points(lost: int, gained: int) -> None:
    exact = mcnemar([[10, lost], [gained, 10]], exact=True).pvalue
    point = stats.binom.pmf(min(lost, gained), lost + gained, 0.5)
    assert paired.mcnemar_mid_p(lost, gained) == pytest.approx(exact - point, rel=1e-9)


@pytest.mark.parametrize("each", [3, 1_500])
def test_mcnemar_mid_p_without_a_winner(each: int) -> None:
    assert paired.mcnemar_mid_p(0, 0) == 1.0
    assert paired.mcnemar_mid_p(each, each) == pytest.approx(1 - 0.5 * stats.binom.pmf(each, 2 * each, 0.5))


@pytest.mark.parametrize(("lost", "gained", "n"), [(1, 7, 21), (0, 0, 60), (5, 0, 5), (30, 12, 400)])
def test_bonett_price_is_wald_with_one_more_flip_each_way(lost: int, gained: int, n: int) -> None:
    differences = np.array([1.0] * (gained + 1) + [-1.0] * (lost + 1) + [0.0] * (n - lost - gained))
    centre, se = paired.bonett_price(lost, gained, n)
    assert centre == pytest.approx(differences.mean())
    assert se == pytest.approx(differences.std() / math.sqrt(n + 2))


def test_binary_test_and_interval_agree_on_every_small_table() -> None:
    """p < 0.05 never meets an interval over 0; the reverse is rare, and always a near miss."""
    tables = clashes = 0
    for n in range(2, 31):
        for lost in range(n + 1):
            for gained in range(lost + 1, n + 1 - lost):
                estimate = paired.binary([1.0] * gained + [-1.0] * lost + [0.0] * (n - gained - lost))
                low, _ = estimate.interval(0.95)
                tables += 1
                if estimate.p < 0.05:
                    assert low > 0, (n, lost, gained)
                elif low > 0:
                    clashes += 1
                    assert estimate.p < 0.0704, (n, lost, gained)
    assert (tables, clashes) == (2599, 29)


def test_sign_flip_counts_darwins_maize_as_fisher_did() -> None:
    """Fisher found 863 of 2^15 patterns at or above the sum 314 on one side."""
    assert paired.sign_flip_p(DARWIN) == 2 * 863 / 2**15


def test_t_interval_of_darwins_maize() -> None:
    estimate = paired.numeric(DARWIN, None, bounded=False)
    oracle = stats.ttest_1samp(DARWIN, 0)
    assert estimate.effect == pytest.approx(20.93, abs=0.005)
    assert estimate.interval(0.95) == pytest.approx(tuple(oracle.confidence_interval(0.95)), rel=1e-9)
    assert estimate.effect / estimate.se == pytest.approx(oracle.statistic)
    assert 2 * estimate.p_below(0) == pytest.approx(oracle.pvalue)


@pytest.mark.parametrize("n", [3, 8, 14])
def test_exact_sign_flip_agrees_with_scipy(n: int) -> None:
    dice = random.Random(n)
    differences = [round(dice.gauss(0.4, 1), 1) for _ in range(n)]
    oracle = stats.permutation_test((np.array(differences),), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert paired.sign_flip_p(differences) == pytest.approx(oracle.pvalue)


def test_drawn_sign_flip_is_near_the_exact_one_and_repeatable() -> None:
    dice = random.Random(5)
    differences = [dice.gauss(0.3, 1) for _ in range(40)]
    normal = stats.ttest_1samp(differences, 0).pvalue
    p = paired.sign_flip_p(differences)
    assert p == pytest.approx(normal, abs=0.01)
    dice.shuffle(differences)
    assert paired.sign_flip_p(differences) == p


def test_sign_flip_of_equal_sums_is_not_fooled_by_rounding() -> None:
    assert paired.sign_flip_p([0.1] * 8) == 2 / 2**8
    assert paired.sign_flip_p([0.1, 0.2, -0.3]) == 1.0
    assert paired.sign_flip_p([0.0, 0.0]) == 1.0


def test_clustered_interval_agrees_with_statsmodels() -> None:
    dice = random.Random(7)
    clusters = [f"g{dice.randrange(12)}" for _ in range(90)]
    shift = {cluster: dice.gauss(0, 1) for cluster in set(clusters)}
    differences = [shift[cluster] + dice.gauss(0.2, 0.5) for cluster in clusters]
    codes = np.unique(clusters, return_inverse=True)[1]
    oracle = OLS(differences, np.ones(90)).fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True)
    estimate = paired.numeric(differences, clusters, bounded=False)
    assert estimate.se == pytest.approx(oracle.bse[0], rel=1e-9)
    assert estimate.interval(0.95) == pytest.approx(tuple(oracle.conf_int()[0]), rel=1e-9)
    assert estimate.units == 12
    assert estimate.df == 11


def test_clusters_of_one_are_no_clusters() -> None:
    names = [str(index) for index in range(15)]
    assert paired.mean_se(DARWIN, names) == pytest.approx(paired.mean_se(DARWIN, None))


def test_equal_differences_have_no_spread() -> None:
    assert paired.mean_se([0.1] * 7, None) == 0.0
    assert math.isnan(paired.mean_se([1.0, 2.0], ["a", "a"]))
    estimate = paired.numeric([0.1] * 7, None, bounded=False)
    assert estimate.interval(0.95) == (estimate.effect, estimate.effect)
    assert (estimate.p_below(0.0), estimate.p_below(0.2)) == (0.0, 1.0)


def test_shares_that_never_moved_are_as_sure_as_so_many_answers() -> None:
    still = paired.numeric([0.0] * 40, [f"g{index % 10}" for index in range(40)], bounded=True)
    assert (still.centre, still.se) == paired.bonett_price(0, 0, 10)
    assert still.p == 1.0

"""The win rate at equal length, against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from promptlab.compare.lengths import FEWEST, win_rate_at_equal_length


@pytest.mark.parametrize("seed", range(3))
def test_as_a_logistic_regression_of_statsmodels(seed: int) -> None:
    dice = np.random.default_rng(seed)
    longer = dice.normal(10, 30, size=120)
    drawn = dice.random(120) < expit(0.3 + 0.8 * np.tanh(longer / 30))
    wins = np.where(dice.random(120) < 0.1, 0.5, drawn)
    found = win_rate_at_equal_length(list(wins), list(longer))
    assert found is not None
    design = sm.add_constant(np.tanh(longer / longer.std(ddof=1)))
    fit = sm.GLM(wins, design, family=sm.families.Binomial()).fit(tol=1e-12)
    low, high = fit.conf_int()[0]
    assert (found.low, found.mean, found.high) == pytest.approx(tuple(expit([low, fit.params[0], high])), abs=1e-6)


def test_a_judge_that_only_counts_words_has_no_opinion_at_equal_length() -> None:
    dice = np.random.default_rng(7)
    longer = dice.normal(20, 20, size=400)
    wins = (dice.random(400) < expit(3 * np.tanh(longer / longer.std(ddof=1)))).astype(float)
    found = win_rate_at_equal_length(list(wins), list(longer))
    assert found is not None
    assert wins.mean() > 0.75
    assert found.low < 0.5 < found.high


def test_where_nothing_can_be_said() -> None:
    few = [1.0, 0.0] * (FEWEST // 2 - 1)
    assert win_rate_at_equal_length([*few, *[0.5] * 90], list(range(len(few) + 90))) is None
    assert win_rate_at_equal_length([1.0, 0.0] * FEWEST, [3.0] * 2 * FEWEST) is None
    assert win_rate_at_equal_length([0.0] * FEWEST + [1.0] * FEWEST, list(range(2 * FEWEST))) is None

"""Whole decisions against the tests of statsmodels and scipy, and an enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.descriptivestats import sign_test
from statsmodels.stats.weightstats import ttost_paired

from promptlab.compare import paired
from promptlab.compare.guardrails import check_guardrail
from promptlab.compare.sequential import BETS, clear_side, clearly_no_drop
from promptlab.compare.verdict import decide
from promptlab.workspace.values import Decision, Guardrail

Scores = dict[str, float | None]
COUNT = st.integers(0, 25)


def columns(old: np.ndarray, new: np.ndarray) -> tuple[Scores, Scores]:
    first, second = ({f"e{at}": float(value) for at, value in enumerate(side)} for side in (old, new))
    return first, second


@given(COUNT, COUNT, COUNT)
def test_yes_or_no_is_mcnemar_of_statsmodels(lost: int, gained: int, same: int) -> None:
    """Its exact p, less half of the point on either side: the mid-p of Fagerland, Lydersen and Laake 2013."""
    estimate = paired.binary([-1.0] * lost + [1.0] * gained + [0.0] * (same + 1))
    exact = mcnemar([[same, lost], [gained, 1]], exact=True).pvalue
    point = float(stats.binom.pmf(min(lost, gained), lost + gained, 0.5))
    oracle = exact - point if lost != gained else 1 - point / 2
    assert estimate.p == pytest.approx(oracle if lost + gained else 1.0)
    assert estimate.effect == pytest.approx((gained - lost) / (lost + gained + same + 1))


@given(COUNT, COUNT, COUNT)
def test_preference_is_the_sign_test_of_statsmodels(wins: int, losses: int, ties: int) -> None:
    """Ties dropped; and the effect is the win rate with half of the ties, less one half."""
    if wins == losses:
        return
    estimate = paired.preference([0.5] * wins + [-0.5] * losses + [0.0] * ties)
    _, exact = sign_test(np.array([1.0] * wins + [-1.0] * losses + [0.0] * ties))
    assert estimate.p == pytest.approx(exact - float(stats.binom.pmf(min(wins, losses), wins + losses, 0.5)))
    assert estimate.effect + 0.5 == pytest.approx((wins + ties / 2) / (wins + losses + ties))


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.05, 0.2]), st.sampled_from([0.1, 0.25]))
def test_equivalent_is_tost_of_statsmodels(seed: int, shift: float, margin: float) -> None:
    dice = np.random.default_rng(seed)
    old = dice.normal(0, 1, 30)
    new = old + dice.normal(shift, 0.3, 30)
    verdict = decide(*columns(old, new), "grade", "max", "numeric", Decision(min_effect=margin))
    p, _, _ = ttost_paired(new, old, -margin, margin)
    if verdict.status not in ("BETTER", "WORSE") and abs(p - 0.05) > 1e-6:
        assert (verdict.status == "EQUIVALENT") == (p < 0.05)


@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.3]), st.sampled_from(["max", "min"]))
def test_a_guardrail_is_the_one_sided_t_test_of_scipy(seed: int, margin: float, direction: str) -> None:
    dice = np.random.default_rng(seed)
    old, new = dice.normal(0, 1, (2, 25))
    way = "max" if direction == "max" else "min"
    found = check_guardrail(*columns(old, new), Guardrail("grade", margin=margin), way, "numeric", Decision())
    gain = new - old if way == "max" else old - new
    assert found.p == pytest.approx(stats.ttest_1samp(gain, -margin, alternative="greater").pvalue)


def ever_called(fortune: np.ndarray, alpha: float, down: float) -> float:
    """How often a fortune (by count of one event and the other) ever reaches 1/alpha: all sequences, no chance."""
    size = len(fortune) - 1
    called = fortune >= 1 / alpha
    here = np.zeros_like(fortune)
    here[0, 0], wrong = 1.0, 0.0
    for _ in range(size):
        after = np.zeros_like(here)
        after[1:] += here[:-1] * (1 - down)
        after[:, 1:] += here[:, :-1] * down
        wrong += float(after[called].sum())
        after[called] = 0.0
        here = after
    return wrong


OTHERS, DOWNS = np.meshgrid(np.arange(201), np.arange(201), indexing="ij")
STAKES = np.array(BETS)[:, None, None]


def test_a_coin_is_called_clear_exactly_this_often() -> None:
    """Dynamic programming over heads and tails: after each of 200 tosses, one side is called 5 % at most."""
    fortune = np.mean((1 + STAKES) ** OTHERS * (1 - STAKES) ** DOWNS, axis=0)
    assert 0.01 < ever_called(fortune, 0.05, 0.5) <= 0.05
    first = int(np.argmax(fortune[:, 0] >= 20))
    assert clear_side([1.0] * first, 0.05) == 1
    assert clear_side([1.0] * (first - 1), 0.05) == 0


def test_a_drop_is_overlooked_exactly_this_often() -> None:
    """Dynamic programming over examples that stay and those that get worse, 15 % of them: 4 % at most."""
    fortune = np.mean((1 + STAKES * 0.15) ** OTHERS * (1 - STAKES * 0.85) ** DOWNS, axis=0)
    assert 0.01 < ever_called(fortune, 0.04, 0.15) <= 0.04
    first = int(np.argmax(fortune[:, 0] >= 25))
    assert clearly_no_drop([0.0] * first)
    assert not clearly_no_drop([0.0] * (first - 1))

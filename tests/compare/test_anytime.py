"""The betting confidence sequence against its definition, exact enumeration and simulation."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.compare.anytime import BETS, Betting, Range, decide_anytime, fortunes, mean_anytime
from promptlab.compare.values import Verdict
from promptlab.workspace.values import Decision

differences = st.lists(st.integers(-4, 4).map(lambda quarters: quarters / 4), min_size=1, max_size=30)


def capital(differences: list[float], r: float) -> Fraction:
    """The diversified capital of arXiv 2010.09686 from its definition, with x = (d + 1)/2 and m = (r + 1)/2."""
    m = (Fraction(r) + 1) / 2
    total = Fraction(0)
    for bet in map(Fraction, BETS):
        fortune = Fraction(1)
        for d in differences:
            fortune *= 1 + bet / m * ((Fraction(d) + 1) / 2 - m)
        total += fortune
    return total / len(BETS)


@given(differences, st.sampled_from([-0.75, -0.02, 0.0, 0.25, 0.5]))
def test_the_fortune_is_that_of_the_paper(values: list[float], r: float) -> None:
    found = fortunes(np.array(values), np.ones(len(values)), 1.0, r)
    assert math.exp(found[-1]) == pytest.approx(float(capital(values, r)), rel=1e-9)


@given(differences, st.sampled_from([0.9, 0.95, 0.99]))
def test_the_interval_ends_where_the_capital_refutes(values: list[float], level: float) -> None:
    low, high = Betting(values, None, 1.0).interval(level)
    assert -1 <= low <= np.mean(values) <= high <= 1
    bar = 2 / (1 - level)
    if low > -1:
        assert capital(values, low - 1e-6) > bar
    assert capital(values, min(1.0, low + 1e-6)) < bar
    mirrored = [-value for value in values]
    assert Betting(mirrored, None, 1.0).interval(level) == pytest.approx((-high, -low), abs=1e-9)


@given(differences)
def test_neither_order_nor_unit_matters(values: list[float]) -> None:
    one = Betting(values, None, 1.0)
    shuffled = random.Random(1).sample(values, len(values))
    grades = Betting([4 * value for value in shuffled], None, 4.0)
    assert grades.p == pytest.approx(one.p)
    assert grades.interval(0.95) == pytest.approx([4 * end for end in one.interval(0.95)], abs=1e-6)
    assert (one.p < 0.05) == (not one.interval(0.95)[0] <= 0 <= one.interval(0.95)[1])


@pytest.mark.parametrize(("gain", "loss"), [(0.25, 0.25), (0.5, 0.1), (0.05, 0.0)])
def test_it_is_a_martingale_where_the_mean_is_true(gain: float, loss: float) -> None:
    """By enumeration of all sequences of six: the expected fortune at the true mean is 1."""
    chance = {1.0: gain, -1.0: loss, 0.0: 1 - gain - loss}
    expected = math.fsum(
        math.prod(chance[d] for d in sequence)
        * math.exp(fortunes(np.array(sequence), np.ones(6), 1.0, gain - loss)[-1])
        for sequence in itertools.product(chance, repeat=6)
    )
    assert expected == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("flips", [0.1, 0.4, 1.0])
def test_looking_after_each_of_300_examples_refutes_the_truth_exactly_this_often(flips: float) -> None:
    """By dynamic programming over gained and lost, without chance: at most 5 % of nulls are ever called."""
    size = 300
    ups, downs = np.meshgrid(np.arange(size + 1), np.arange(size + 1), indexing="ij")
    bets = np.array(BETS)[:, None, None]
    above = np.mean((1 + bets) ** ups * (1 - bets) ** downs, axis=0)
    called = np.maximum(above, above.T) >= 40
    here = np.zeros((size + 1, size + 1))
    here[0, 0], wrong = 1.0, 0.0
    for _ in range(size):
        after = here * (1 - flips)
        after[1:] += here[:-1] * flips / 2
        after[:, 1:] += here[:, :-1] * flips / 2
        wrong += float(after[called].sum())
        after[called] = 0.0
        here = after
    assert wrong <= 0.05
    assert Betting([1.0] * 9 + [-1.0], None, 1.0).p == pytest.approx(2 / max(above[9, 1], above[1, 9]))


def test_clusters_of_one_size_are_examples_of_their_means() -> None:
    values, names = [0.5, 1.0, -0.5, 0.0, 1.0, 1.0], ["a", "a", "b", "b", "c", "c"]
    together = Betting(values, names, 1.0, largest=2)
    assert together.units == 3
    assert together.interval(0.9) == pytest.approx(Betting([0.75, -0.25, 1.0], None, 1.0).interval(0.9))
    assert together.effect == pytest.approx(0.5)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([-1.0, 0.0, 1.0])), min_size=1, max_size=20))
def test_no_cluster_makes_a_fortune_negative(rows: list[tuple[str, float]]) -> None:
    names, values = [name for name, _ in rows], [value for _, value in rows]
    largest = max(names.count(name) for name in names)
    low, high = Betting(values, names, 1.0, largest).interval(0.95)
    assert low - 1e-9 <= np.mean(values) <= high + 1e-9


def column(values: list[float | None]) -> dict[str, float | None]:
    return {f"e{at}": value for at, value in enumerate(values)}


def verdict(old: list[float | None], new: list[float | None], margin: float = 0.02) -> Verdict:
    decision = Decision(min_effect=margin)
    return decide_anytime(column(old), column(new), "exact", "max", "binary", decision, Range(0, 1))


def test_verdicts() -> None:
    better = verdict([0.0] * 20, [1.0] * 15 + [0.0] * 5)
    assert better.status == "BETTER"
    assert better.method == "betting p, anytime-valid betting interval"
    assert better.sentence.startswith("BETTER: exact is 75.0 points higher (95 % interval +")
    assert verdict([1.0] * 20, [0.0] * 15 + [1.0] * 5).status == "WORSE"
    assert verdict([1.0] * 400, [1.0] * 400, margin=0.1).status == "EQUIVALENT"
    open_ = verdict([0.0] * 20, [1.0] * 2 + [0.0] * 18)
    assert (open_.status, open_.mde, open_.needed) == ("INCONCLUSIVE", None, None)
    assert verdict([0.0] * 20, [None] * 2 + [1.0] * 18).status == "INVALID"


def test_a_metric_without_ends_settles_nothing() -> None:
    found = decide_anytime(
        column([1.0] * 50), column([9.0] * 50), "latency", "min", "numeric", Decision(), None, unit="s"
    )
    assert (found.status, found.n, found.worse) == ("INCONCLUSIVE", 50, 50)
    assert found.sentence.startswith("INCONCLUSIVE: latency has no lowest and highest value, and the run could stop")


def test_one_column() -> None:
    found = mean_anytime([5.0, 4.0, 5.0, 5.0] * 5, None, Range(1, 5), 1, 0.95, 2)
    assert (found.mean, found.n, found.missing, found.method) == (4.75, 20, 2, "betting, anytime-valid")
    assert 1 <= found.low < 4.75 < found.high <= 5

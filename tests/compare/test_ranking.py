"""Bradley–Terry against a published worked example and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from promptlab.compare.ranking import rank, strengths

# Agresti, Categorical Data Analysis (2nd edition, 2002), table 10.10: American League East of 1987, row beat column.
TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
WINS = np.array(
    [
        [0, 7, 9, 7, 7, 9, 11],
        [6, 0, 7, 5, 11, 9, 9],
        [4, 6, 0, 7, 7, 8, 12],
        [6, 8, 6, 0, 6, 7, 10],
        [6, 2, 6, 7, 0, 7, 12],
        [4, 4, 5, 6, 6, 0, 6],
        [2, 4, 1, 3, 1, 7, 0],
    ],
    dtype=float,
)


def test_the_worked_example_of_agresti() -> None:
    """Estimates printed there, with Baltimore at 0."""
    found = strengths(WINS, prior=0.0)
    against = found - found[TEAMS.index("Baltimore")]
    assert dict(zip(TEAMS, against.round(2), strict=True)) == {
        "Milwaukee": 1.58,
        "Detroit": 1.44,
        "Toronto": 1.29,
        "New York": 1.25,
        "Boston": 1.11,
        "Cleveland": 0.68,
        "Baltimore": 0.0,
    }
    assert found.mean() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("prior", [0.0, 0.5])
def test_as_a_logistic_regression_of_statsmodels(prior: float) -> None:
    dice = np.random.default_rng(2)
    wins = dice.integers(1, 30, size=(4, 4)) * (1.0 - np.eye(4))
    rows, counts = [], []
    for i in range(4):
        for j in range(i + 1, 4):
            rows.append([(k == i) - (k == j) for k in range(3)])
            counts.append([wins[i, j] + prior, wins[j, i] + prior])
    fit = sm.GLM(np.array(counts), np.array(rows, dtype=float), family=sm.families.Binomial()).fit()
    against = [*fit.params, 0.0]
    assert strengths(wins, prior) == pytest.approx(np.array(against) - np.mean(against), abs=1e-6)


def column(values: list[float | None]) -> dict[str, float | None]:
    return {f"e{at}": value for at, value in enumerate(values)}


def test_columns_from_strongest_to_weakest() -> None:
    dice = np.random.default_rng(3)
    item = dice.normal(size=120)
    columns = {
        name: column([*map(float, item + shift + dice.normal(size=120)), None if name == "a" else 9.0])
        for name, shift in (("a", 0.0), ("b", 1.0), ("c", 0.9))
    }
    found = rank(columns, "max")
    assert {one.column for one in found[:2]} == {"b", "c"}
    assert found[2].column == "a"
    assert found[2].high < min(found[0].low, found[1].low)
    assert sum(one.best for one in found) == pytest.approx(1)
    assert sum(one.wins for one in found) == 3 * 120
    assert all(one.low <= one.strength <= one.high and one.compared == 240 for one in found)
    assert [one.column for one in rank(columns, "min")] == [one.column for one in reversed(found)]


def test_a_column_that_always_wins_has_a_strength_and_equal_ones_have_none() -> None:
    found = rank({"a": column([1.0] * 20), "b": column([0.0] * 20), "c": column([0.0] * 20)}, "max")
    assert (found[0].column, found[0].best, found[0].wins) == ("a", 1.0, 40.0)
    assert 2 < found[0].strength < 10
    assert [one.strength for one in found[1:]] == pytest.approx([found[1].strength] * 2)
    assert rank({"a": column([1.0]), "b": column([None]), "c": column([0.0])}, "max") == []


def test_clusters_widen_the_intervals() -> None:
    dice = np.random.default_rng(4)
    group = np.repeat(np.arange(12), 10)
    columns = {
        name: column([float(value) for value in dice.normal(shift, 1, 12)[group] + dice.normal(0, 0.3, 120)])
        for name, shift in (("a", 0.0), ("b", 0.2), ("c", 0.4))
    }
    alone = rank(columns, "max")
    together = rank(columns, "max", {f"e{at}": str(of) for at, of in enumerate(group)})
    assert all(b.high - b.low > 1.5 * (a.high - a.low) for a, b in zip(alone, together, strict=True))

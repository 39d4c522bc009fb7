"""Set-level metrics: the bootstrap against scipy's, randomisation against all patterns, and the verdicts."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from promptlab.compare.resampling import decide_set, set_interval
from promptlab.scoring.families.labels import Reader, macro_f1
from promptlab.workspace.values import Decision

LABELS = ("a", "b", "c")


def column(right: Sequence[str], said: Sequence[str]) -> tuple[dict[str, float | None], dict[str, list[float]]]:
    """Scores of single answers and rows of counts, by example id."""
    reader = Reader(LABELS)
    ids = [f"e{at}" for at in range(len(right))]
    scores: dict[str, float | None] = {id: float(r == s) for id, r, s in zip(ids, right, said, strict=True)}
    return scores, {id: reader.row(r, s) for id, r, s in zip(ids, right, said, strict=True)}


def answers(right: Sequence[str], correct: float, seed: int) -> list[str]:
    dice = np.random.default_rng(seed)
    return [r if dice.random() < correct else str(dice.choice(LABELS)) for r in right]


RIGHT = [LABELS[at % 3] for at in range(90)]


def test_the_interval_agrees_with_scipy() -> None:
    said = answers(RIGHT, 0.6, 1)
    interval = set_interval(column(RIGHT, said)[1], macro_f1)
    pairs = np.array([[LABELS.index(r), LABELS.index(s)] for r, s in zip(RIGHT, said, strict=True)])

    def statistic(at: np.ndarray, axis: int = -1) -> np.ndarray:
        right, found = pairs[at, 0], pairs[at, 1]  # scikit-learn takes a millisecond for each of a thousand
        each = [(right == k, found == k) for k in range(3)]
        hits = [2 * (a & b).sum(axis) / (a.sum(axis) + b.sum(axis)) for a, b in each]
        return np.mean(hits, axis=0)

    theirs = stats.bootstrap(
        (np.arange(90),), statistic, n_resamples=1000, method="percentile", rng=7
    ).confidence_interval
    assert interval.mean == pytest.approx(f1_score(pairs[:, 0], pairs[:, 1], average="macro"))
    assert interval.mean == pytest.approx(float(statistic(np.arange(90))))
    assert (interval.low, interval.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)
    assert (interval.n, interval.method) == (90, "percentile bootstrap")


def test_the_p_value_is_that_of_all_exchanges() -> None:
    right, old, new = list("aabbccaa"), list("abbccbaa"), list("aabbccab")

    @functools.cache
    def f1(said: tuple[str, ...]) -> float:
        return float(f1_score(right, said, average="macro"))

    before, after = column(right, old), column(right, new)
    verdict = decide_set(before[0], after[0], (before[1], after[1]), macro_f1, "f1", "max", Decision())
    effect = f1(tuple(new)) - f1(tuple(old))
    hits = 0
    for keep in itertools.product((True, False), repeat=8):
        one = tuple(n if k else o for k, o, n in zip(keep, old, new, strict=True))
        other = tuple(o if k else n for k, o, n in zip(keep, old, new, strict=True))
        hits += abs(f1(one) - f1(other)) >= abs(effect) - 1e-12
    assert verdict.effect == pytest.approx(effect)
    assert verdict.p == pytest.approx(hits / 2**8, abs=0.015)


def test_verdicts() -> None:
    poor, good = column(RIGHT, answers(RIGHT, 0.3, 1)), column(RIGHT, answers(RIGHT, 0.9, 2))

    def of(
        one: tuple[dict[str, float | None], dict[str, list[float]]],
        other: tuple[dict[str, float | None], dict[str, list[float]]],
    ) -> str:
        return decide_set(one[0], other[0], (one[1], other[1]), macro_f1, "f1", "max", Decision()).status

    assert of(poor, good) == "BETTER"
    assert of(good, poor) == "WORSE"
    assert of(good, good) == "EQUIVALENT"
    assert of(good, column(RIGHT, answers(RIGHT, 0.9, 3))) == "INCONCLUSIVE"


def test_the_sentence_and_what_is_missing() -> None:
    poor, good = column(RIGHT, answers(RIGHT, 0.3, 1)), column(RIGHT, answers(RIGHT, 0.9, 2))
    verdict = decide_set(poor[0], good[0], (poor[1], good[1]), macro_f1, "f1", "max", Decision())
    assert verdict.method == "randomisation p, paired bootstrap interval"
    assert verdict.sentence.startswith("BETTER: f1 is 0.")
    assert f"n = 90, {verdict.better} better, {verdict.worse} worse, randomisation p < 0.001" in verdict.sentence
    lost = {**good[0], **{f"e{at}": None for at in range(10)}}
    invalid = decide_set(poor[0], lost, (poor[1], good[1]), macro_f1, "f1", "max", Decision())
    assert (invalid.status, invalid.n, len(invalid.unpaired)) == ("INVALID", 80, 10)


def test_clusters_widen_the_interval() -> None:
    right = [LABELS[at // 10 % 3] for at in range(90)]
    said = [r if at // 10 % 2 else "a" for at, r in enumerate(right)]
    rows = column(right, said)[1]
    alone = set_interval(rows, macro_f1)
    clustered = set_interval(rows, macro_f1, {f"e{at}": str(at // 10) for at in range(90)})
    assert clustered.high - clustered.low > 1.5 * (alone.high - alone.low)
    assert clustered.method == "percentile bootstrap, 9 clusters"
    one = set_interval({"e0": rows["e0"]}, macro_f1)
    assert np.isnan(one.low)

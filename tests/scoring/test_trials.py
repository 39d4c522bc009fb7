"""Metrics over several trials, against published code and counting by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scored
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from promptlab.scoring.catalogue import validate
from promptlab.scoring.families.trials import OVER_TRIALS, Trial
from promptlab.scoring.metric import Missing
from promptlab.workspace.values import MetricSpec


def estimator(n: int, c: int, k: int) -> float:
    """The numerically stable estimate as printed in Chen 2021 (arXiv 2107.03374), figure 3."""
    if n - c < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def trials(*values: float | None) -> list[Trial]:
    return [Trial(str(value), value) for value in values]


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=12), st.data())
def test_pass_at_k_is_that_of_the_paper_and_of_all_subsets(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(values)))
    found = OVER_TRIALS["pass_at_k"]({"k": k}, trials(*values))
    every = OVER_TRIALS["pass_hat_k"]({"k": k}, trials(*values))
    assert found == pytest.approx(estimator(len(values), int(sum(values)), k))
    subsets = list(itertools.combinations(values, k))
    assert found == pytest.approx(sum(any(subset) for subset in subsets) / len(subsets))
    assert every == pytest.approx(sum(all(subset) for subset in subsets) / len(subsets))


def test_too_few_trials_are_missing_and_failed_ones_do_not_count() -> None:
    with pytest.raises(Missing, match=r"^k = 3 needs 3 trials with a score, and there are 2 \(-k\)$"):
        OVER_TRIALS["pass_at_k"]({"k": 3}, trials(1.0, None, 0.0))
    assert OVER_TRIALS["pass_at_k"]({"k": 2}, trials(1.0, None, 0.0)) == 1.0
    assert OVER_TRIALS["pass_at_k"]({}, trials(1.0, 0.0)) == 0.5
    for id in ("agreement", "stability", "vote"):
        with pytest.raises(Missing, match="run several trials"):
            OVER_TRIALS[id]({}, trials(1.0))


def test_how_alike_the_trials_are() -> None:
    said = [Trial("Billing", 1.0), Trial("billing.", 1.0), Trial("shipping", 0.0), Trial("ship ping", 0.0)]
    assert OVER_TRIALS["agreement"]({}, said) == 0.5
    assert OVER_TRIALS["vote"]({}, said) == 1.0
    assert OVER_TRIALS["vote"]({}, said[1:]) == pytest.approx(1 / 3)  # three answers, once each
    texts = [trial.text for trial in said]
    oracle = [Levenshtein.normalized_similarity(one, two) for one, two in itertools.combinations(texts, 2)]
    assert OVER_TRIALS["stability"]({}, said) == pytest.approx(np.mean(oracle))


def test_one_answer() -> None:
    assert scored.value("pass_at_k", "3", scored.expecting("3")) == 1.0
    assert scored.value("vote", "It is 3", scored.expecting("3"), of="contains") == 1.0
    assert "run several trials" in scored.of("stability", "x").missing
    assert validate(MetricSpec("pass_at_k", "p", {"of": "numeric", "k": 5}), "e.toml") == []
    (problem,) = validate(MetricSpec("pass_at_k", "p", {"of": "rouge_l"}), "e.toml")
    assert problem.message.startswith("Expected")

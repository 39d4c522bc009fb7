"""Several trials of one example: right at least once, right every time, the same every time.

A score of these is of all trials of an example. The score of a single answer is only what it is made of: whether that
answer is right, or nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb
from typing import NamedTuple

from promptlab.scoring.families import answers, checks, json_answers
from promptlab.scoring.families.references import similarity
from promptlab.scoring.metric import Case, Metric, Missing, Options, number, yes_no
from promptlab.scoring.values import Score
from promptlab.workspace import sheet as check

_RIGHT = {
    metric.info.id: metric
    for family in (answers, json_answers, checks)
    for metric in family.METRICS
    if metric.info.kind == "binary" and not metric.required
}
"""Metrics that say of one answer whether it is right, without options."""


class Trial(NamedTuple):
    """One trial of an example that has an answer: its text, and the metric's score of it."""

    text: str
    value: float | None


def right(case: Case) -> Score:
    """Whether this answer is right by the metric `of`."""
    metric = _RIGHT[str(case.options.get("of", "exact"))]
    return metric.compute(case._replace(options={}))


def several(case: Case) -> Score:
    """Nothing: one answer does not agree or differ."""
    raise Missing("one answer by itself says nothing here: run several trials (-k)")


def pass_at_k(options: Options, trials: Sequence[Trial]) -> float:
    """The chance that one of k trials is right: 1 − C(n − c, k) ÷ C(n, k), unbiased (Chen 2021)."""
    n, c, k = _counted(options, trials)
    return 1 - comb(n - c, k) / comb(n, k)


def pass_hat_k(options: Options, trials: Sequence[Trial]) -> float:
    """The chance that all of k trials are right: C(c, k) ÷ C(n, k) (Yao 2024)."""
    n, c, k = _counted(options, trials)
    return comb(c, k) / comb(n, k)


def _counted(options: Options, trials: Sequence[Trial]) -> tuple[int, int, int]:
    values = [trial.value for trial in trials if trial.value is not None]
    k = options.get("k", 1)
    assert isinstance(k, int)
    if len(values) < k:
        raise Missing(f"k = {k} needs {k} trials with a score, and there are {len(values)} (-k)")
    return len(values), sum(value == 1 for value in values), k


def agreement(options: Options, trials: Sequence[Trial]) -> float:
    """The share of trials with the most frequent answer; case, white space and a full stop do not count."""
    said = _answers(trials)
    return max(said.values()) / said.total()


def stability(options: Options, trials: Sequence[Trial]) -> float:
    """How alike the answers are: 1 − Levenshtein distance ÷ the longer length, mean over all pairs of trials."""
    _answers(trials)
    pairs = [similarity(one.text.strip(), other.text.strip()) for one, other in combinations(trials, 2)]
    return sum(pairs) / len(pairs)


def vote(options: Options, trials: Sequence[Trial]) -> float:
    """Whether the most frequent answer is right (Wang 2023); with several most frequent ones their mean."""
    said = _answers(trials)
    rights = {_plain(trial.text): trial.value for trial in trials}
    most = [rights[text] for text, count in said.items() if count == max(said.values())]
    if None in most:
        raise Missing("the most frequent answer has no score")
    return sum(value or 0.0 for value in most) / len(most)


def _answers(trials: Sequence[Trial]) -> Counter[str]:
    if len(trials) < 2:
        raise Missing("one answer by itself says nothing here: run several trials (-k)")
    return Counter(_plain(trial.text) for trial in trials)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")


OVER_TRIALS: dict[str, Callable[[Options, Sequence[Trial]], float]] = {
    "pass_at_k": pass_at_k,
    "pass_hat_k": pass_hat_k,
    "agreement": agreement,
    "stability": stability,
    "vote": vote,
}
"""Metric id to the score of all trials of one example, which raises ``Missing``."""

_OF = {"of": check.one_of(*_RIGHT)}
_K = {**_OF, "k": check.whole(1, 1000)}

METRICS = (
    Metric(yes_no("pass_at_k", "one of k trials is right, by the metric `of`"), right, _K),
    Metric(yes_no("pass_hat_k", "all of k trials are right, by the metric `of`"), right, _K),
    Metric(yes_no("vote", "the most frequent answer of all trials is right, by the metric `of`"), right, _OF),
    Metric(number("agreement", "share of trials with the most frequent answer", "", "max", high=1.0), several),
    Metric(number("stability", "characters shared by any two trials", "", "max", high=1.0), several),
)

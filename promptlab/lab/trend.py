"""How a prompt's versions scored, from the tags of its saved runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from promptlab.history.values import RunRecord, ScoreLine


class _Basis(NamedTuple):
    """What means must share to be a trend: another metric, model or set of cases is another ruler."""

    metric: str
    model: str
    cases: str


class Trend(NamedTuple):
    """Content hash to mean; ``basis`` says in words what all the means share."""

    metric: str
    basis: str
    means: dict[str, float]


def trend_of(name: str, records: Iterable[RunRecord]) -> Trend:
    """The means of a prompt's versions on one ruler: the one that measured most versions, the newest among equals.

    Columns with parameters changed on the command line are left out: they are not the version as it is.

    Args:
        records: Saved runs, newest first.
    """
    means: dict[_Basis, dict[str, float]] = {}
    words: dict[_Basis, str] = {}
    for record in records:
        for basis, content, mean in _primary_means(name, record):
            means.setdefault(basis, {}).setdefault(content, mean)
            words.setdefault(basis, f"{basis.metric} on {record.evalset}, n = {record.n}, {basis.model}")
    best = max(means, key=lambda basis: len(means[basis]), default=None)
    return Trend(best.metric, words[best], means[best]) if best else Trend("", "", {})


def _primary_means(name: str, record: RunRecord) -> Iterator[tuple[_Basis, str, float]]:
    """The first score of each column: the primary metric comes first in a tag."""
    columns = {line.column: line for line in record.columns if line.prompt == name and not line.set}
    first: dict[str, ScoreLine] = {}
    for score in record.scores:
        first.setdefault(score.column, score)
    for column, line in columns.items():
        if column in first:
            score = first[column]
            yield _Basis(score.metric, line.model, record.evalset_content), line.content, score.mean

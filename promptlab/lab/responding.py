"""How much of a run people have answered, and what they said of it: a rate without its response rate misleads."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import TYPE_CHECKING

from msgspec import Struct

from promptlab.compare.intervals import mean_interval
from promptlab.compare.values import Interval
from promptlab.lab.reviewing import Asked, Labels, text_of
from promptlab.lab.wording import plural
from promptlab.workspace.reviews import Review

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable

_KINDS: dict[Asked, str] = {"thumb": "right", "grade": "mean grade", "pairwise": "win rate"}


class Response(Struct, frozen=True):
    """What people said of one column, in answer to one kind of question.

    Attributes:
        kind: The question: a thumb, a grade, a choice between it and its baseline.
        metric: The judge metric that asks the same, "" for the answer as a whole.
        reviewed: How many of its ``answers`` anybody reviewed.
        mean: Over the reviewed answers, of the mean of their reviewers; groups of examples considered.
    """

    column: str
    kind: Asked
    metric: str
    reviewed: int
    answers: int
    mean: Interval

    @property
    def sentence(self) -> str:
        """All of it in one line: ``b, thumb: right 75.0 % [47.2, 91.1]; 12 of 120 answers reviewed (10.0 %)``."""
        shown = 1.0 if self.kind == "grade" else 100.0
        mean = f"{shown * self.mean.mean:.3g}{' %' * (shown > 1)}"
        if self.mean.low == self.mean.low:
            mean += f" [{shown * self.mean.low:.3g}, {shown * self.mean.high:.3g}]"
        share = 100 * self.reviewed / self.answers
        said = f"{self.reviewed:,} of {plural(self.answers, 'answer')} reviewed ({share:.3g} %)"
        about = f" ({self.metric})" if self.metric else ""
        return f"{self.column}, {self.kind}{about}: {_KINDS[self.kind]} {mean}; {said}"


def responses(table: RunTable, reviews: Iterable[Review]) -> list[Response]:
    """Of each column and each kind of question that anybody answered; of the first trial's answers.

    Args:
        table: The run.
        reviews: Those that stand.
    """
    reviews = list(reviews)
    labels = Labels(reviews)
    found = [
        _response(table, variant.column, kind, metric, labels)
        for kind in _KINDS
        for metric in dict.fromkeys(one.metric for one in reviews if one.kind == kind)
        for variant in table.variants
    ]
    return [one for one in found if one is not None]


def _response(table: RunTable, column: str, kind: Asked, metric: str, labels: Labels) -> Response | None:
    base, clusters = table.baseline_of(column), table.clusters()
    if kind == "pairwise" and column == base:
        return None
    answers = 0
    said: dict[str, float] = {}
    for example in table.examples:
        answer = text_of(table, column, example.id)
        against = text_of(table, base, example.id) if kind == "pairwise" else ""
        # Of two equal answers nobody is asked which is better.
        if not answer or (kind == "pairwise" and (not against or against.strip() == answer.strip())):
            continue
        answers += 1
        if values := labels.of(kind, example, answer, against, metric):
            said[example.id] = fmean(values.values())
    if not said:
        return None
    groups = [clusters[example] for example in said] if clusters else None
    mean = mean_interval(list(said.values()), "numeric" if kind == "grade" else "binary", groups)
    return Response(column, kind, metric, len(said), answers, mean)

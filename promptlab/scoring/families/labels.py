"""Label metrics: of a whole column, from the counts of each label, with right or wrong as the score of one answer.

A set-level metric is a function of sums: each answer gives a row of counts, the rows of a column are added up, and
the metric is computed from the totals. So it can be computed again on any resample of the examples without a second
look at the answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from promptlab.scoring.metric import Case, Metric, Missing, Options
from promptlab.scoring.values import MetricInfo, Score
from promptlab.workspace import sheet as check
from promptlab.workspace.sheet import Expected
from promptlab.workspace.values import Example

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Totals = NDArray[np.float64]


def label(case: Case) -> Score:
    """Whether the answer is the expected label; case, and quotes and full stops around it, do not count."""
    return case.score(_plain(case.text) == _plain(expected_label(case.example)))


def expected_label(example: Example) -> str:
    """The right label of an example.

    Raises:
        Missing: It has none, or several.
    """
    if example.expected is None:
        raise Missing("the example has no `expected`")
    if isinstance(example.expected, list | dict):
        raise Missing("the example's `expected` is not one label")
    text = example.expected if isinstance(example.expected, str) else json.dumps(example.expected)
    if not _plain(text):
        raise Missing("the example's `expected` is empty")
    return text.strip()


def label_or_none(example: Example) -> str | None:
    """The right label of an example, None where it has none."""
    try:
        return expected_label(example)
    except Missing:
        return None


def _plain(text: str) -> str:
    return " ".join(text.casefold().strip(" \t\r\n\"'“”‘’`*.").split())


def labels_of(options: Options, examples: Sequence[Example]) -> tuple[str, ...]:
    """The declared labels, and those that the examples expect beside them, in order of the first sight."""
    declared = options.get("labels")
    found = [str(item) for item in cast("list[object]", declared)] if isinstance(declared, list) else []
    found += [text for example in examples if (text := label_or_none(example))]
    labels: dict[str, str] = {}
    for text in found:
        labels.setdefault(_plain(text), text)
    return tuple(labels.values())


class Reader:
    """Reads answers as one of a list of labels.

    Attributes:
        labels: In order; an answer that is none of them has the place ``len(labels)``.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._places = {_plain(text): at for at, text in enumerate(self.labels)}

    def place(self, text: str) -> int:
        return self._places.get(_plain(text), len(self.labels))

    def row(self, expected: str, answer: str) -> list[float]:
        """For each label right answers, then answers, then examples: three counts a label, one example in all."""
        size = len(self.labels)
        row = [0.0] * (3 * size + 1)
        right, said = self._places[_plain(expected)], self.place(answer)
        row[2 * size + 1 + right] = 1.0
        row[size + said] = 1.0  # the place behind the last label counts the others
        if right == said:
            row[right] = 1.0
        return row


class _Counts(NamedTuple):
    """Totals taken apart: arrays with one more dimension for the labels at the end."""

    right: Totals
    said: Totals
    others: Totals
    true: Totals

    @classmethod
    def of(cls, totals: Totals) -> _Counts:
        size = (totals.shape[-1] - 1) // 3
        return cls(
            totals[..., :size], totals[..., size : 2 * size], totals[..., 2 * size], totals[..., 2 * size + 1 :]
        )


def macro_f1(totals: Totals) -> Totals:
    """The mean of the labels' F1 = 2·right ÷ (answers + examples); a label that nobody used or needed is left out."""
    import numpy as np

    counts = _Counts.of(totals)
    used = counts.said + counts.true
    scores = np.divide(2 * counts.right, used, out=np.zeros_like(used), where=used > 0)
    return scores.sum(axis=-1) / np.maximum(1, (used > 0).sum(axis=-1))


def micro_f1(totals: Totals) -> Totals:
    """2·right ÷ (answers that are a label + examples)."""
    counts = _Counts.of(totals)
    used = (counts.said + counts.true).sum(axis=-1)
    return 2 * counts.right.sum(axis=-1) / used


def mcc(totals: Totals) -> Totals:
    """Matthews correlation of several labels (Gorodkin 2004); other answers are a label of their own.

    0 where only one label was said, or only one is right: then nothing can correlate.
    """
    import numpy as np

    counts = _Counts.of(totals)
    all_ = counts.true.sum(axis=-1)
    right = counts.right.sum(axis=-1)
    said_squares = (counts.said**2).sum(axis=-1) + counts.others**2
    true_squares = (counts.true**2).sum(axis=-1)
    covariance = right * all_ - (counts.said * counts.true).sum(axis=-1)
    spread = np.sqrt(np.maximum(0, (all_**2 - said_squares) * (all_**2 - true_squares)))
    return np.divide(covariance, spread, out=np.zeros_like(covariance), where=spread > 0)


def _labels(value: object) -> list[str]:
    found = check.words(value)
    if len({_plain(text) for text in found}) < max(2, len(found)):
        raise Expected("at least two labels that all differ", "fewer, or one of them twice")
    return found


def _set_level(id: str, low: float, summary: str) -> Metric:
    info = MetricInfo(id, "max", "set", low, 1.0, "", "expected", 1, summary)
    return Metric(info, label, {"labels": _labels})


STATISTICS: dict[str, Callable[[Totals], Totals]] = {"macro_f1": macro_f1, "micro_f1": micro_f1, "mcc": mcc}

METRICS = (
    _set_level("macro_f1", 0.0, "F1 of each label, averaged: rare labels count as much as common ones"),
    _set_level("micro_f1", 0.0, "F1 over all labels together"),
    _set_level("mcc", -1.0, "correlation of answers and right labels (Matthews), 0 is chance"),
)

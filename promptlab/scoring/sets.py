"""Metrics of a whole column: what each answer adds to the totals, and the metric of the totals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from promptlab.scoring.families import corpus, labels
from promptlab.workspace.values import Example, MetricSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Totals = NDArray[np.float64]

Row = Callable[[Example, str], list[float]]

STATISTICS: dict[str, Callable[[Totals], Totals]] = {**labels.STATISTICS, **corpus.VALUES}
"""Metric id to the metric of totals (draws × columns), one value a draw."""


def row_of(spec: MetricSpec, examples: Sequence[Example]) -> Row:
    """What an answer to an example adds to the totals.

    Args:
        spec: An entry whose id is in ``STATISTICS``.
        examples: Of the whole run: their labels are what answers are read as.
    """
    if spec.id in labels.STATISTICS:
        reader = labels.Reader(labels.labels_of(spec.options, examples))
        return lambda example, text: reader.row(labels.expected_label(example), text)
    count = corpus.ROWS[spec.id]
    return lambda example, text: count(text.strip(), (example.reference or "").strip())

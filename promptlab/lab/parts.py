"""A column taken apart: a metric by tag, group or split, and which label was taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from promptlab.compare.values import Interval
from promptlab.errors import UsageFault
from promptlab.lab.measuring import mean_of, scored_answers, spec_of, verdict_of
from promptlab.workspace.values import Example

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable

By = Literal["tag", "group", "split"]


# -- which label was taken for which --------------------------------------------------------------


class Confusion(Struct, frozen=True):
    """How often each label was answered where another, or the same, was right.

    Attributes:
        labels: The rows, right labels, in order; the columns are the same and one more for other answers.
        counts: ``counts[right][answered]``, over all trials.
        missing: Answers without a score.
    """

    column: str
    label: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    missing: int


def confusion(table: RunTable, column: str) -> Confusion:
    """The confusion matrix of a column, by the table's first label metric, else by ``exact``.

    Raises:
        UsageFault: The run has no metric of labels.
    """
    from promptlab.scoring.families.labels import STATISTICS, Reader, label_or_none, labels_of

    metric = next((name for name, info in table.infos.items() if info.id in STATISTICS), "")
    metric = metric or next((name for name, info in table.infos.items() if info.id == "exact"), "")
    if not metric:
        raise UsageFault(
            "The run has no metric of labels. `promptlab score RUN -M macro_f1` scores it with one, where its "
            "examples have `expected`."
        )
    reader = Reader(labels_of(spec_of(table, metric).options, table.examples))
    counts = [[0] * (len(reader.labels) + 1) for _ in reader.labels]
    scored = 0
    for example, value in table.values(column, metric).items():
        if value is None or not (expected := label_or_none(table.example(example))):
            continue
        right = reader.place(expected)
        for _, outcome in scored_answers(table, column, example, metric):
            if not outcome.stored:
                raise UsageFault(
                    f"Outputs of the run {table.run} were not stored, so there is nothing to count which label was "
                    'answered from. A run with store_outputs = "all" keeps them.'
                )
            counts[right][reader.place(outcome.text)] += 1
            scored += 1
    cells = sum(
        table.outcome(column, example.id, trial) is not None
        for example in table.examples
        for trial in range(table.trials)
    )
    label = table.variant(column).label
    return Confusion(column, label, reader.labels, tuple(map(tuple, counts)), cells - scored)


# -- parts of the examples ------------------------------------------------------------------------


class Part(Struct, frozen=True):
    """One column on the examples of one tag, group or split.

    Attributes:
        value: The tag, group or split; "" for the examples that have none.
        mean: Of the metric over these examples.
        effect: Mean paired difference to the baseline, or the factor, with its interval; None for the baseline.
    """

    value: str
    column: str
    examples: int
    mean: Interval | None
    effect: tuple[float, float, float] | None
    better: int
    worse: int
    scale: Literal["difference", "ratio"] = "difference"


class Breakdown(Struct, frozen=True):
    """A metric by tag, group or split. Parts are looked at, not tested: no verdict is drawn from them."""

    by: By
    metric: str
    parts: tuple[Part, ...]


def breakdown(table: RunTable, by: By, metric: str = "") -> Breakdown:
    """A metric of every column on every part of the examples, the largest part first.

    Raises:
        UsageFault: No example has a tag (group, split), or the run has no such metric.
    """
    metric = metric or table.primary
    if metric not in table.infos:
        raise UsageFault(f"The run has no metric “{metric}”. Its metrics: {', '.join(table.infos)}.")
    parts: dict[str, list[str]] = {}
    for example in table.examples:
        for value in _values(example, by) or ("",):
            parts.setdefault(value, []).append(example.id)
    if not parts.keys() - {""}:
        raise UsageFault(f"No example of this run has a {by}.")
    ordered = sorted(parts.items(), key=lambda part: (not part[0], -len(part[1]), part[0]))
    found = [_part(table, v.column, value, ids, metric) for value, ids in ordered for v in table.variants]
    return Breakdown(by, metric, tuple(found))


def _values(example: Example, by: By) -> tuple[str, ...]:
    match by:
        case "tag":
            return example.tags
        case "group":
            return (example.group,) if example.group else ()
        case "split":
            return (example.split,) if example.split else ()


def _part(table: RunTable, column: str, value: str, ids: list[str], metric: str) -> Part:
    among = frozenset(ids)
    mean = mean_of(table, column, metric, among)
    base = table.baseline_of(column)
    if column == base or table.infos[metric].direction == "info":
        return Part(value, column, len(ids), mean, None, 0, 0)
    verdict = verdict_of((table, base), (table, column), metric, among)
    if verdict is None or verdict.effect != verdict.effect:
        return Part(value, column, len(ids), mean, None, 0, 0)
    effect = (verdict.effect, verdict.low, verdict.high)
    return Part(value, column, len(ids), mean, effect, verdict.better, verdict.worse, verdict.scale)

"""Every column of a run against every other: a verdict for each pair, and one list from strongest to weakest."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from msgspec import Struct

from promptlab.compare.values import Verdict
from promptlab.errors import UsageFault
from promptlab.lab.measuring import verdict_of
from promptlab.lab.wording import plural

if TYPE_CHECKING:
    from promptlab.compare.ranking import Standing
    from promptlab.lab.table import RunTable

FEW = 30


class PairVerdict(Struct, frozen=True):
    """One column held against another."""

    before: str
    after: str
    verdict: Verdict


class Ranking(Struct, frozen=True):
    """All pairs of columns on one metric.

    Attributes:
        pairs: With Holm's correction over all of them.
        standings: The strongest first; none where no example has a score in every column.
        notes: What must be known to read them.
    """

    metric: str
    pairs: tuple[PairVerdict, ...]
    standings: tuple[Standing, ...]
    notes: tuple[str, ...]


def ranking_of(table: RunTable, metric: str = "") -> Ranking:
    """Every pair of columns, and their order.

    Raises:
        UsageFault: Fewer than three columns, no such metric, or one that cannot compare any two columns.
    """
    from promptlab.compare.ranking import rank
    from promptlab.compare.several import corrected

    metric = metric or table.primary
    if metric not in table.infos:
        raise UsageFault(f"The run has no metric “{metric}”. Its metrics: {', '.join(table.infos)}.")
    info, columns = table.infos[metric], [variant.column for variant in table.variants]
    if len(columns) < 3:
        raise UsageFault(f"All pairs need three columns or more; this run has {plural(len(columns), 'column')}.")
    if info.direction == "info":
        raise UsageFault(f"The metric “{metric}” has no better or worse, so it ranks nothing.")
    if info.kind == "preference":
        raise UsageFault(f"The judge of “{metric}” compared each column with the baseline only, not all pairs.")
    single: dict[str, tuple[str, str, Verdict]] = {}
    for before, after in combinations(columns, 2):
        verdict = verdict_of((table, before), (table, after), metric)
        if verdict is not None:
            single[f"{before} {after}"] = (before, after, verdict)
    settled = corrected({pair: verdict for pair, (_, _, verdict) in single.items()})
    pairs = tuple(PairVerdict(before, after, settled[pair]) for pair, (before, after, _) in single.items())
    standings = rank({c: table.values(c, metric) for c in columns}, info.direction, table.clusters())
    return Ranking(metric, pairs, tuple(standings), tuple(_notes(table, metric, standings)))


class Change(Struct, frozen=True):
    """One example in one column: its value, its baseline's, and the difference, positive where it is better."""

    example: str
    column: str
    before: float
    after: float
    delta: float


class Changes(Struct, frozen=True):
    """Where a metric differs from the baseline, the largest difference first; ``same`` cells do not differ."""

    metric: str
    changes: tuple[Change, ...]
    same: int


def changes_of(table: RunTable, metric: str = "") -> Changes:
    """The examples of every column by how far they are from its baseline, in any metric.

    Raises:
        UsageFault: The run has one column only, or no such metric.
    """
    metric = metric or table.primary
    if metric not in table.infos:
        raise UsageFault(f"The run has no metric “{metric}”. Its metrics: {', '.join(table.infos)}.")
    if len(table.variants) < 2:
        raise UsageFault("The run has one column, so nothing changed in it.")
    found: list[Change] = []
    same = 0
    for column in (v.column for v in table.variants if v.column != table.baseline):
        base = table.base_values(column, metric)
        for example, after in table.values(column, metric).items():
            before, delta = base.get(example), table.delta(column, example, metric)
            if before is None or after is None or delta is None:
                continue
            if delta:
                found.append(Change(example, column, before, after, delta))
            else:
                same += 1
    found.sort(key=lambda change: (-abs(change.delta), change.delta, change.example))
    return Changes(metric, tuple(found), same)


def _notes(table: RunTable, metric: str, standings: list[Standing]) -> list[str]:
    notes = [
        "Strength is the log odds of winning an example (Bradley–Terry), 0 on average; ties are half a win for each, "
        "and every pair begins with half a win each way. 95 % intervals by drawing the examples again."
    ]
    examples = standings[0].compared // (len(table.variants) - 1) if standings else 0
    if examples < FEW:
        notes.append(f"Only {plural(examples, 'example')} with a score in every column: the order is a guess.")
    if table.infos[metric].kind == "set":
        notes.append(f"{metric} is of the whole column: strengths go by which single answers are right.")
    if table.sequential is not None:
        notes.append("The run could stop at any moment, which the intervals of the strengths do not allow for.")
    return notes

"""The rows of the results grid: how each example fared in the chosen column, filtered and sorted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from promptlab.lab import wording
from promptlab.scoring.values import MetricInfo
from promptlab.tui.screens.searching import finder
from promptlab.tui.widgets.columns import Cell, Column
from promptlab.tui.widgets.lines import Tone

if TYPE_CHECKING:
    from promptlab.lab import RunTable

Fate = Literal["better", "worse", "same", "error", "pending"]
Filter = Literal["all", "better", "worse", "same", "error"]
MARKS: dict[Fate, Cell] = {
    "better": Cell("▲", "good"),
    "worse": Cell("▼", "bad"),
    "same": Cell("=", "dim"),
    "error": Cell("!", "bad"),
    "pending": Cell("·", "dim"),
}
SORTS = ("changed", "difference", "change", "score", "file")
SORT_WORDS = {
    "changed": "changed first",
    "difference": "largest loss first",
    "change": "largest change first",
    "score": "lowest score first",
    "file": "as in the eval set",
}


class Entry(NamedTuple):
    """One example in the chosen column: its value there, and its difference to the baseline where both have one."""

    example: str
    fate: Fate
    value: float | None
    delta: float | None


class View(NamedTuple):
    """What the grid is asked to show. ``search`` leaves the examples that have these words in what goes in or out."""

    column: str
    metric: str
    filter: Filter = "all"
    sort: str = "changed"
    search: str = ""


class GridRows:
    """One view of a run's table. It is a picture of one moment: a run that goes on gets new ones."""

    def __init__(self, table: RunTable, view: View) -> None:
        self._table = table
        self._view = view
        self._info = table.infos.get(view.metric)
        look = Lens(table, view.column, view.metric)
        has = finder(table, view.search)
        entries = [look.entry(example.id) for example in table.examples if has(example)]
        self.counts = Counter(entry.fate for entry in entries)
        if view.filter != "all":
            entries = [entry for entry in entries if entry.fate == view.filter]
        if view.sort != "file":
            entries.sort(key=_SORT_KEYS[view.sort])
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    def key(self, row: int) -> str:
        """The example's id."""
        return self._entries[row].example

    def cell(self, row: int, column: str) -> Cell:
        """The mark, the id, the difference, what came back, or a column's value."""
        entry = self._entries[row]
        match column:
            case "mark":
                return MARKS[entry.fate]
            case "example":
                return Cell(entry.example)
            case "delta":
                return delta_cell(entry.delta, self._info)
            case "output":
                return self._output(entry.example)
            case _:
                return value_cell(self._table, column, entry.example, self._view.metric)

    def _output(self, example: str) -> Cell:
        outcome = self._table.outcome(self._view.column, example)
        if outcome is None:
            return Cell("")
        if outcome.fault is not None:
            return Cell(outcome.fault.message[:200], "bad")
        return Cell(outcome.shown[:200].strip(), "dim")


def columns_of(table: RunTable) -> tuple[Column, ...]:
    """Mark and example, one column for each of the run's, the difference, the start of the output."""
    return (
        Column("mark", "", 1),
        Column("example", "example", 8, grow=True),
        *(Column(variant.column, variant.column, 6, "right", choice=True) for variant in table.variants),
        Column("delta", "Δ", 6, "right", drop=1),
        Column("output", "output", 14, grow=True, drop=2),
    )


class Lens:
    """How examples fared in one column against its baseline. What is the same for all of them is looked up once."""

    def __init__(self, table: RunTable, column: str, metric: str) -> None:
        self._table = table
        self._column = column
        self._base = table.baseline_of(column)
        self._metric = metric
        info = table.infos.get(metric)
        self._sign = -1.0 if info is not None and info.direction == "min" else 1.0
        self._pairs = info is not None and info.kind == "preference"

    def entry(self, example: str) -> Entry:
        """One example: its value, and its difference signed so that positive is better."""
        value = self._table.value(self._column, example, self._metric)
        if value is None and self._pairs and self._column == self._base:
            return Entry(example, "same", None, None)
        if value is None:
            return Entry(example, self._without_value(self._column, example), None, None)
        if self._column == self._base:
            return Entry(example, "same", value, None)
        base = self._base_value(example)
        if base is None:
            return Entry(example, self._without_value(self._base, example), value, None)
        delta = self._sign * (value - base)
        return Entry(example, "better" if delta > 0 else "worse" if delta < 0 else "same", value, delta)

    def _base_value(self, example: str) -> float | None:
        if self._pairs:  # what a preference is held against does not stand in a column
            return self._table.base_value(self._column, example, self._metric)
        return self._table.value(self._base, example, self._metric)

    def _without_value(self, column: str, example: str) -> Fate:
        """A fault, or a score that says why it is missing, is an error; what has not arrived yet is not."""
        outcome = self._table.outcome(column, example)
        if outcome is None:
            return "pending"
        return "error" if outcome.fault or self._metric in self._table.scores(column, example) else "pending"


def _changed_first(entry: Entry) -> tuple[float, ...]:
    value = entry.value if entry.value is not None else 0.0
    match entry.fate:
        case "worse":
            return 0, entry.delta or 0.0
        case "error":
            return 1, 0.0
        case "better":
            return 2, -(entry.delta or 0.0)
        case "same":
            return 3, value
        case "pending":
            return 4, 0.0


def _largest_loss_first(entry: Entry) -> tuple[float, ...]:
    return (0, entry.delta) if entry.delta is not None else (1, 0.0)


def _largest_change_first(entry: Entry) -> tuple[float, ...]:
    return (0, -abs(entry.delta), entry.delta) if entry.delta is not None else (1, 0.0)


def _lowest_first(entry: Entry) -> tuple[float, ...]:
    return (0, entry.value) if entry.value is not None else (1, 0.0)


_SORT_KEYS: dict[str, Callable[[Entry], tuple[float, ...]]] = {
    "changed": _changed_first,
    "difference": _largest_loss_first,
    "change": _largest_change_first,
    "score": _lowest_first,
}


def value_cell(table: RunTable, column: str, example: str, metric: str) -> Cell:
    """A value in six cells: ✓ or ✗ for yes and no, else a number; ! for a fault, – for a missing score."""
    outcome = table.outcome(column, example)
    if outcome is None:
        return Cell("·", "dim")
    if outcome.fault is not None:
        return Cell("!", "bad")
    score = table.scores(column, example).get(metric)
    info = table.infos[metric]
    if score is None:
        pair = info.kind == "preference" and column == table.baseline_of(column)
        return Cell("" if pair else "…", "dim")
    if score.value is None:
        return Cell("–", "warn")
    if info.kind == "binary" and score.value in (0.0, 1.0):
        good = (score.value == 1.0) == (info.direction != "min")
        tone: Tone = "good" if good else "bad"
        return Cell("✓" if score.value else "✗", tone)
    if info.kind == "preference":
        return _PREFERRED.get(score.value, Cell(short(score.value, info)))
    return Cell(short(score.value, info))


_PREFERRED = {1.0: Cell("wins", "good"), 0.5: Cell("tie", "dim"), 0.0: Cell("loses", "bad")}


def delta_cell(delta: float | None, info: MetricInfo | None) -> Cell:
    """A difference that is positive where it is better."""
    if delta is None or info is None:
        return Cell("")
    if delta == 0:
        return Cell("0", "dim")
    return Cell(f"{delta:+.2g}", "good" if delta > 0 else "bad")


def short(value: float, info: MetricInfo) -> str:
    """A value in at most six cells or so: seconds with their unit, else three digits."""
    return wording.seconds(value).replace(" ", "") if info.unit == "s" else f"{value:.3g}"

"""The head of a run: one line for each column, with what it scored, how fast it was and what it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from promptlab.compare.values import Verdict
from promptlab.lab import wording
from promptlab.lab.values import ColumnSummary
from promptlab.tui.widgets.columns import Cell, Column
from promptlab.tui.widgets.lines import Tone

if TYPE_CHECKING:
    from promptlab.lab import RunTable

VERDICTS: dict[str, tuple[str, Tone]] = {
    "BETTER": ("▲", "good"),
    "WORSE": ("▼", "bad"),
    "EQUIVALENT": ("=", ""),
    "INCONCLUSIVE": ("?", "warn"),
    "INVALID": ("!", "bad"),
}
"""The mark and tone of each verdict: the mark stands before the difference, where the word may have no room."""


def head_columns(metric: str) -> tuple[Column, ...]:
    """The columns of the head; ``metric`` is the one that is shown."""
    return (
        Column("letter", "", 2),
        Column("label", "column", 14, grow=True),
        Column("mean", f"{metric} [95 %]", 22),
        Column("delta", "Δ", 8, "right"),
        Column("verdict", "verdict", 12, drop=1),
        Column("failed", "fail", 4, "right"),
        Column("p50", "p50", 7, "right", drop=2),
        Column("p95", "p95", 7, "right", drop=4),
        Column("speed", "tok/s", 5, "right", drop=5),
        Column("cost", "cost", 8, "right", drop=3),
    )


class ColumnRows:
    """The lines of the head: a picture of one moment."""

    def __init__(self, table: RunTable, metric: str, currencies: Mapping[str, str]) -> None:
        """Sum a table up. Means and verdicts of a big one take a while: called in a thread."""
        self._table = table
        self._metric = metric
        self._currencies = currencies
        self._summaries = [table.summary(variant.column) for variant in table.variants]
        # A verdict on half of a run would change with every look at it.
        self._verdicts: dict[str, Verdict | None] = {}
        if table.state != "running":
            self._verdicts = {v.column: table.verdict(v.column, metric) for v in table.variants}

    def __len__(self) -> int:
        return len(self._summaries)

    def key(self, row: int) -> str:
        """The column's letter."""
        return self._summaries[row].variant.column

    def cell(self, row: int, column: str) -> Cell:
        """One figure of one column."""
        summary = self._summaries[row]
        match column:
            case "letter":
                return Cell(summary.variant.column, "head")
            case "label":
                return Cell(summary.variant.label)
            case "mean" | "delta" | "verdict":
                return self._score(summary, column)
            case "failed":
                return Cell(str(summary.failed), "bad" if summary.failed else "dim")
            case "p50" | "p95":
                seconds = summary.latency_p50 if column == "p50" else summary.latency_p95
                return Cell(wording.seconds(seconds) if seconds is not None else "–")
            case "speed":
                return Cell(f"{summary.tokens_per_second:.0f}" if summary.tokens_per_second else "–")
            case _:
                return Cell(self._cost(summary))

    def _score(self, summary: ColumnSummary, column: str) -> Cell:
        info = self._table.infos.get(self._metric)
        if info is None:
            return Cell("no metric" if column == "mean" else "", "dim")
        if column == "mean":
            return Cell(wording.mean(summary.means.get(self._metric), info))
        if summary.variant.column == self._table.baseline:
            return Cell("base" if column == "delta" else "", "dim")
        verdict = self._verdicts.get(summary.variant.column)
        if verdict is None:
            return Cell("–" if self._verdicts else "…", "dim")
        mark, tone = VERDICTS[verdict.status]
        if column == "verdict":
            return Cell(verdict.status, tone)
        if not math.isfinite(verdict.effect):  # nothing could be compared
            return Cell(mark, tone)
        if verdict.scale == "ratio":
            return Cell(f"{mark} ×{verdict.effect:.3g}", tone)
        effect = f"{100 * verdict.effect:+.1f}" if wording.is_share(info) else f"{verdict.effect:+.3g}"
        return Cell(f"{mark} {effect}", tone)

    def _cost(self, summary: ColumnSummary) -> str:
        if summary.cost is None:
            return "–"
        currency = self._currencies.get(summary.variant.model, "")
        return f"{'$' if currency == 'USD' else ''}{summary.cost:.4f}{'' if currency in ('', 'USD') else currency}"

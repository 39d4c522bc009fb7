"""The list of prompts, chains and judges: what has been read of them, and what git adds later."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from promptlab.lab.values import PromptPast, PromptRow
from promptlab.lab.wording import spark
from promptlab.tui.widgets.virtual_table import Cell, Column

COLUMNS = (
    Column("mark", "", 1),
    Column("name", "prompt", 10, grow=True),
    Column("version", "", 3, "right"),
    Column("trend", "trend", 6, drop=1),
)
_TREND = 6
_KINDS = ("prompt", "chain", "judge")


class PromptRows:
    """Rows of the list: prompts, below them chains, below these judges."""

    def __init__(self, rows: Sequence[PromptRow], pasts: Mapping[str, PromptPast], unsaved: Container[str]) -> None:
        self._rows = sorted(rows, key=lambda row: (_KINDS.index(row.kind), row.name))
        self._pasts = pasts
        self._unsaved = unsaved

    def __len__(self) -> int:
        return len(self._rows)

    def key(self, row: int) -> str:
        """The prompt's name."""
        return self._rows[row].name

    def cell(self, row: int, column: str) -> Cell:
        """What stands in one place of the list."""
        prompt = self._rows[row]
        past = self._pasts.get(prompt.name)
        match column:
            case "mark":
                return self._mark(prompt, past)
            case "name":
                name = f"» {prompt.name}" if prompt.kind == "chain" else prompt.name
                return Cell(name, "bad" if prompt.problems else "dim" if prompt.kind == "judge" else "")
            case "version":
                return Cell(past.current if past else "", "warn" if past and past.current == "*" else "dim")
            case _:
                return Cell(spark(past.trend[-_TREND:]) if past and past.metric else "", "accent")

    def _mark(self, prompt: PromptRow, past: PromptPast | None) -> Cell:
        if prompt.name in self._unsaved:
            return Cell("●", "warn")
        if prompt.problems:
            return Cell("!", "bad")
        dirty = past is not None and past.current == "*"
        return Cell(("◌" if past and past.by_uses else "○") if dirty else "", "warn")

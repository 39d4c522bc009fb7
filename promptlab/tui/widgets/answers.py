"""The widgets of Compare: a pane for an answer, and the line that names all columns with how each fares."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from textual.binding import BindingType
from textual.content import Content
from textual.reactive import reactive
from textual.style import Style

from promptlab.tui.actions import bindings
from promptlab.tui.safe import one_line
from promptlab.tui.widgets.cells import cut
from promptlab.tui.widgets.chrome import Line
from promptlab.tui.widgets.textview import Piece, TextView

_GAP = 4
"""Cells around a column's label and its mark."""


class AnswerView(TextView):
    """A text beside others; space pins the example instead of turning the page."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("answer")]

    def show_growing(self, pieces: list[Piece]) -> None:
        """Show a text that is being written: its end, unless the reader has scrolled away from that."""
        at_end = self.scroll_offset.y + self.room.height >= self.virtual_size.height
        self.show(pieces, keep_place=True)
        if at_end:
            self.action_last()


class Standing(NamedTuple):
    """A column as the line names it: its letter, its label, how its answer fared."""

    column: str
    label: str
    mark: str


class ColumnsLine(Line):
    """All columns; the chosen one stands out, and a click chooses one. Labels are cut before a column is left out."""

    DEFAULT_CSS = "ColumnsLine { background: $surface; }"

    columns: reactive[tuple[Standing, ...]] = reactive(tuple[Standing, ...]())
    chosen: reactive[str] = reactive("")

    def render(self) -> Content:
        """Draw the columns for the width of the moment."""
        known = [column._replace(label=one_line(column.label)) for column in self.columns]
        fixed = sum(len(column.column) + cell_len(column.mark) + _GAP for column in known)
        room = max(self.size.width - 1 - fixed, 0) // max(len(known), 1)
        line = Content(" ")
        for column, label, mark in known:
            style = Style(reverse=column == self.chosen) + Style.from_meta({"@click": f"screen.column('{column}')"})
            shown = label if cell_len(label) <= room else f"{cut(label, room - 1)}…" if room > 2 else ""
            line = line.append(Content.styled(f" {' '.join(filter(None, (column, shown, mark)))} ", style))
        return line

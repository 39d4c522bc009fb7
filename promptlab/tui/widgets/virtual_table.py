"""A table that draws the rows on the screen and no others: a hundred thousand rows cost as much as forty."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip

from promptlab.tui.actions import bindings
from promptlab.tui.safe import one_line
from promptlab.tui.widgets.cells import fit
from promptlab.tui.widgets.columns import Cell, Column, Placed, place
from promptlab.tui.widgets.lines import Lines

_CHOICE = Style(reverse=True)
"""The cell where the row's cursor and the column's meet."""


class Rows(Protocol):
    """Where the rows come from. Asked only for what is on the screen."""

    def __len__(self) -> int: ...

    def key(self, row: int) -> str:
        """What the row is, so that the cursor stays on it when rows are sorted or filtered."""
        ...

    def cell(self, row: int, column: str) -> Cell: ...


class NoRows:
    """A table's rows before there are any."""

    def __len__(self) -> int:
        return 0

    def key(self, row: int) -> str:
        raise IndexError(row)

    def cell(self, row: int, column: str) -> Cell:
        raise IndexError(row)


class VirtualTable(Lines):
    """A table with a row cursor, a column cursor over its ``choice`` columns, and a header that stays."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("table")]

    class Moved(Message):
        """The cursor stands on another row or column."""

        def __init__(self, table: VirtualTable) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> VirtualTable:
            return self.table

    class Opened(Moved):
        """Enter was pressed, or the row under the cursor was clicked."""

    class HeaderClicked(Message):
        """A column's label was clicked."""

        def __init__(self, table: VirtualTable, column: str) -> None:
            super().__init__()
            self.table = table
            self.column = column

        @property
        def control(self) -> VirtualTable:
            return self.table

    def __init__(self, columns: Sequence[Column] = (), *, header: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._header = 1 if header else 0
        self._rows: Rows = NoRows()
        self._row = 0
        self._choice = 0
        self._first_choice = 0
        self._sort = ("", False)
        self._empty = ""
        self._placed: tuple[Placed, ...] | None = None

    # -- what it shows ------------------------------------------------------------------------------------

    @property
    def row(self) -> int:
        """The row under the cursor, or -1 when there is none."""
        return self._row if len(self._rows) else -1

    @property
    def row_key(self) -> str:
        """The key of the row under the cursor, or ""."""
        return self._rows.key(self._row) if len(self._rows) else ""

    @property
    def choice(self) -> str:
        """The key of the column under the column cursor, or ""."""
        choices = self._choices
        return choices[self._choice].key if choices else ""

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    @property
    def shown_keys(self) -> list[str]:
        """The keys of the rows on the screen."""
        top = self.scroll_offset.y
        return [self._rows.key(row) for row in range(top, min(top + self.page, len(self._rows)))]

    @property
    def _choices(self) -> tuple[Column, ...]:
        return tuple(column for column in self._columns if column.choice)

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Show other columns; the column cursor stays where it is if it can."""
        self._columns = tuple(columns)
        self._choice = min(self._choice, max(len(self._choices) - 1, 0))
        self._relayout()

    def set_rows(self, rows: Rows, *, empty: str = "", keep: Literal["row", "place"] = "row") -> None:
        """Show other rows.

        Args:
            empty: The sentence to show when there are no rows: what to do next.
            keep: Whether the cursor goes with the row that it stands on, as far as that is still there, or stays
                in its place.
        """
        before, key = self.row, self.row_key
        self._rows = rows
        self._empty = empty
        count = len(rows)
        if keep == "row" and key and not (before < count and rows.key(before) == key):
            before = next((row for row in range(count) if rows.key(row) == key), before)
        self._row = min(max(before, 0), max(count - 1, 0))
        self.set_height(count + self._header)
        self._show_cursor()
        self.refresh()
        if self.row_key != key:
            self.post_message(self.Moved(self))

    def set_sort(self, column: str, descending: bool = False) -> None:
        """Mark the column by which the rows are sorted; the rows themselves come sorted."""
        self._sort = (column, descending)
        self.refresh()

    def select(self, key: str) -> bool:
        """Put the cursor on the row with this key; False when there is none."""
        for row in range(len(self._rows)):
            if self._rows.key(row) == key:
                self.move_to(row)
                return True
        return False

    def select_choice(self, key: str) -> None:
        """Put the column cursor on this column."""
        keys = [column.key for column in self._choices]
        if key in keys:
            self._move_choice(keys.index(key))

    def refresh_row(self, row: int) -> None:
        """Draw one row again, if it is on the screen."""
        self.refresh_line(row + self._header)

    # -- moving -------------------------------------------------------------------------------------------

    @property
    def page(self) -> int:
        """How many rows fit."""
        return max(self.room.height - self._header, 1)

    def move_to(self, row: int) -> None:
        """Put the cursor on a row, or on the nearest one that exists."""
        row = min(max(row, 0), max(len(self._rows) - 1, 0))
        if row == self._row:
            return
        old, self._row = self._row, row
        top = self.scroll_offset.y
        self._show_cursor()
        if self.scroll_offset.y == top:
            self.refresh_row(old)
            self.refresh_row(row)
        self.post_message(self.Moved(self))

    def _show_cursor(self) -> None:
        top = self.scroll_offset.y
        if self._row < top:
            self.jump(self._row)
        elif self._row >= top + self.page:
            self.jump(self._row - self.page + 1)

    def action_down(self) -> None:
        self.move_to(self._row + 1)

    def action_up(self) -> None:
        self.move_to(self._row - 1)

    def action_half_down(self) -> None:
        self.move_to(self._row + max(self.page // 2, 1))

    def action_half_up(self) -> None:
        self.move_to(self._row - max(self.page // 2, 1))

    def action_page_down(self) -> None:
        self.move_to(self._row + self.page)

    def action_page_up(self) -> None:
        self.move_to(self._row - self.page)

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.move_to(len(self._rows) - 1)

    def action_open(self) -> None:
        if len(self._rows):
            self.post_message(self.Opened(self))

    def action_left(self) -> None:
        self._move_choice(self._choice - 1)

    def action_right(self) -> None:
        self._move_choice(self._choice + 1)

    def _move_choice(self, index: int) -> None:
        index = min(max(index, 0), max(len(self._choices) - 1, 0))
        if index != self._choice:
            self._choice = index
            self._relayout()
            self.post_message(self.Moved(self))

    # -- drawing ------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        self._relayout()
        self._show_cursor()

    def _relayout(self) -> None:
        self._placed = None
        self.refresh()

    def watch_has_focus(self, focus: bool) -> None:
        """Draw the cursor as it looks now."""
        super().watch_has_focus(focus)
        self.refresh()

    def _layout(self) -> tuple[Placed, ...]:
        if self._placed is None:
            self._placed, self._first_choice = place(self._columns, self.room.width, self._choice, self._first_choice)
        return self._placed

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        width = self.room.width
        if y < self._header:
            return self._header_strip(width)
        row = y - self._header + self.scroll_offset.y
        if row < len(self._rows):
            return self._row_strip(row, width)
        lines = textwrap.wrap(self._empty, max(width - 1, 1)) if not len(self._rows) else []
        text = lines[y - self._header] if y - self._header < len(lines) else ""
        return Strip([Segment(fit(f" {text}", width), self.ground + self.tone_style("dim"))], width)

    def _header_strip(self, width: int) -> Strip:
        base = self.ground + self.tone_style("dim")
        chosen = base + self.tone_style("head")
        segments: list[Segment] = []
        used = 0
        for column, cells in self._layout():
            label = column.label
            if self._sort[0] == column.key:
                label = f"{label}{'▾' if self._sort[1] else '▴'}"
            style = chosen if column.choice and column.key == self.choice else base
            segments.append(Segment(fit(one_line(label), cells, column.align) + " ", style))
            used += cells + 1
        segments.append(Segment(" " * max(width - used, 0), base))
        return Strip(segments).adjust_cell_length(width, base)

    def _row_strip(self, row: int, width: int) -> Strip:
        base = self.ground
        current = row == self._row
        if current:
            base += self.cursor_style
        segments: list[Segment] = []
        used = 0
        for column, cells in self._layout():
            text, tone = self._rows.cell(row, column.key)
            style = base + self.tone_style(tone) if tone else base
            if current and column.choice and column.key == self.choice:
                style += _CHOICE
            segments.append(Segment(fit(one_line(text), cells, column.align), style))
            segments.append(Segment(" ", base))
            used += cells + 1
        segments.append(Segment(" " * max(width - used, 0), base))
        return Strip(segments).adjust_cell_length(width, base)

    # -- mouse --------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """Select what was clicked; a click on the selected row opens it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        column = self._column_at(offset.x)
        if offset.y < self._header:
            if column is not None:
                self.post_message(self.HeaderClicked(self, column.key))
            return
        row = offset.y - self._header + self.scroll_offset.y
        if row >= len(self._rows):
            return
        same_column = column is None or not column.choice or column.key == self.choice
        if row == self._row and same_column:
            self.action_open()
            return
        if column is not None and column.choice:
            self.select_choice(column.key)
        self.move_to(row)

    def _column_at(self, x: int) -> Column | None:
        left = 0
        for column, width in self._layout():
            left += width + 1
            if x < left:
                return column
        return None


class ChoiceTable(VirtualTable):
    """A virtual table whose columns can be walked with h and l."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("columns")]


__all__ = ["Cell", "ChoiceTable", "Column", "NoRows", "Rows", "VirtualTable"]

"""Read-only text: outputs, diffs, rendered messages. A megabyte opens at once, because rows are wrapped as needed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import ClassVar

from rich.segment import Segment
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer

from promptlab.compare.values import DiffSpan
from promptlab.tui.actions import bindings
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.lines import Lines
from promptlab.tui.widgets.wrapping import Piece, Row, logical_lines, wrap

_SLICE = 0.012
"""Seconds that wrapping may hold the screen at a time."""


class TextView(Lines):
    """A text of pieces with tones, wrapped to the width of the view."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("text")]

    class Copied(Message):
        """The text went to the clipboard."""

        def __init__(self, characters: int) -> None:
            super().__init__()
            self.characters = characters

    class PagerAsked(Message):
        """The text is to be opened in the person's own pager."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self._empty = empty
        self._pieces: tuple[Piece, ...] = ()
        self._rows: list[Row] = []
        self._first_rows: list[int] = []
        self._rest: Iterator[tuple[int, Row]] | None = None
        self._more: Timer | None = None
        self._width = 0

    @property
    def text(self) -> str:
        """The whole text as it came."""
        return "".join(piece.text for piece in self._pieces)

    def show(self, pieces: Iterable[Piece], *, keep_place: bool = False) -> None:
        """Show another text.

        Args:
            pieces: The text. Its tones are promptlab's, its characters may be anybody's.
            keep_place: Stay where the reader is instead of going to the top: for a text that grows.
        """
        pieces = tuple(pieces)
        if pieces == self._pieces and self._rows:
            return
        self._pieces = pieces
        top = self.scroll_offset.y if keep_place else 0
        self._rewrap(top)

    def _rewrap(self, top: int) -> None:
        self._rows, self._first_rows = [], []
        self._width = self.room.width
        shown = self._pieces if any(piece.text for piece in self._pieces) else (Piece(self._empty, "dim"),)
        self._rest = wrap(logical_lines(shown), self._width - 1) if self._width > 1 else None
        self._wrap_on(at_least=top + self.room.height)
        self.jump(top)
        self.refresh()

    def _wrap_on(self, at_least: int = 0) -> None:
        """Wrap for one slice of time, and at least so many rows; go on later with the rest."""
        rest = self._rest
        if rest is None:
            return
        deadline = time.perf_counter() + _SLICE
        for line, row in rest:
            if line >= len(self._first_rows):
                self._first_rows.append(len(self._rows))
            self._rows.append(row)
            if len(self._rows) >= at_least and time.perf_counter() > deadline:
                break
        else:
            self._rest = None
        self.set_height(len(self._rows))
        if self._rest is not None and self._more is None and self.is_attached:
            self._more = self.set_timer(0.01, self._continue)

    def _continue(self) -> None:
        self._more = None
        self._wrap_on()

    def goto_line(self, line: int) -> None:
        """Scroll so that a logical line (counted from 0) is at the top, wrapping as far as that needs."""
        while line >= len(self._first_rows) and self._rest is not None:
            self._wrap_on()
        if self._first_rows:
            self.jump(self._first_rows[min(line, len(self._first_rows) - 1)])

    @property
    def top_line(self) -> int:
        """The logical line at the top of the view, counted from 0."""
        top = self.scroll_offset.y
        low, high = 0, len(self._first_rows)
        while low < high:
            middle = (low + high) // 2
            if self._first_rows[middle] <= top:
                low = middle + 1
            else:
                high = middle
        return max(low - 1, 0)

    def on_resize(self) -> None:
        """Wrap again when the width has changed, and stay at the same line."""
        if self.room.width != self._width:
            line = self.top_line
            self._rewrap(0)
            if line:
                self.goto_line(line)

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        base = self.ground
        width = self.room.width
        index = y + self.scroll_offset.y
        if index >= len(self._rows):
            return Strip.blank(width, base)
        segments = [Segment(text, base + self.tone_style(tone) if tone else base) for text, tone in self._rows[index]]
        return Strip([Segment(" ", base), *segments]).adjust_cell_length(width, base)

    # -- moving -------------------------------------------------------------------------------------------

    def _scroll_by(self, lines: int) -> None:
        self.jump(min(self.scroll_offset.y + lines, max(len(self._rows) - self.room.height, 0)))

    def action_down(self) -> None:
        self._scroll_by(1)

    def action_up(self) -> None:
        self._scroll_by(-1)

    def action_half_down(self) -> None:
        self._scroll_by(max(self.room.height // 2, 1))

    def action_half_up(self) -> None:
        self._scroll_by(-max(self.room.height // 2, 1))

    def action_page_down(self) -> None:
        self._scroll_by(max(self.room.height - 1, 1))

    def action_page_up(self) -> None:
        self._scroll_by(-max(self.room.height - 1, 1))

    def action_first(self) -> None:
        self.jump(0)

    def action_last(self) -> None:
        while self._rest is not None:
            self._wrap_on()
        self.jump(len(self._rows) - self.room.height)

    def action_copy(self) -> None:
        """Put the whole text on the clipboard."""
        text = self.text
        app_of(self).copy_to_clipboard(text)
        self.post_message(self.Copied(len(text)))

    def action_pager(self) -> None:
        """Open the whole text in the person's own pager."""
        self.post_message(self.PagerAsked(self.text))


def diff_pieces(spans: Iterable[DiffSpan]) -> list[Piece]:
    """A word diff as pieces: ``[-removed-]`` struck through and ``{+added+}`` underlined, readable without colour."""
    pieces: list[Piece] = []
    for span in spans:
        if span.op == "same":
            pieces.append(Piece(span.text))
        elif span.op == "removed":
            pieces += (Piece("[-", "mark"), Piece(span.text, "removed"), Piece("-]", "mark"))
        else:
            pieces += (Piece("{+", "mark"), Piece(span.text, "added"), Piece("+}", "mark"))
    return pieces


__all__ = ["Piece", "TextView", "diff_pieces"]

"""Drawing Compare: only what has changed, answers with their word diffs in a thread, one picture at a time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from promptlab.tui.background import in_thread
from promptlab.tui.safe import one_line, plain
from promptlab.tui.screens.compare_cells import Look, Shot, case_pieces, figures_of, mark_of, shot_of, shot_pieces
from promptlab.tui.screens.compare_layout import SLOTS
from promptlab.tui.widgets.answers import AnswerView, ColumnsLine, Standing

if TYPE_CHECKING:
    from promptlab.tui.screens.compare import CompareScreen


class Painting:
    """What the Compare screen does to show its columns.

    Attributes:
        look: What the panes show.
    """

    def __init__(self, screen: CompareScreen) -> None:
        self.look = Look()
        self._screen = screen
        self._shown: list[Shot | None] = [None] * SLOTS
        self._busy = self._again = False

    def soon(self) -> None:
        """Draw again what has changed."""
        self._again = True
        if not self._busy:
            self._busy = True
            self._screen.run_worker(self._paint, group="paint")

    async def _paint(self) -> None:
        try:
            while self._again:
                self._again = False
                self._line()
                for slot, column in enumerate(self._screen.seats):
                    await self._slot(slot, column)
        finally:
            self._busy = False

    async def _slot(self, slot: int, column: str) -> None:
        screen, sheet = self._screen, self._screen.sheet
        if sheet is None or column not in sheet.columns or screen.example not in sheet.examples:
            return
        look = self.look._replace(beside=len(screen.seats) > 1)
        shot, before = shot_of(sheet, screen.job, column, screen.example, look), self._shown[slot]
        view = screen.query_one(f"#slot{slot}", AnswerView)
        base = " · baseline" if column == sheet.top.baseline and len(sheet.columns) > 1 else ""
        stale = screen.rewriting.stale_note(column)
        view.border_title = plain(one_line(f"{column} {sheet.variant(column).label}{base}{stale}"))
        view.border_subtitle = plain(one_line(figures_of(shot)))
        if shot == before:
            return
        if shot.place is None:
            view.show_growing(shot_pieces(shot))
        else:
            pieces = await in_thread(partial(shot_pieces, shot))
            if screen.seats[slot : slot + 1] != (column,) or screen.sheet is not sheet:
                return  # It is about something else by now, and is drawn again.
            same = before is not None and (before.column, before.example) == (column, shot.example)
            view.show(pieces, keep_place=same and before is not None and before.place is not None)
        self._shown[slot] = shot

    def _line(self) -> None:
        """Every column with how its answer fares."""
        screen, sheet = self._screen, self._screen.sheet
        if sheet is None or screen.example not in sheet.examples:
            return
        line = screen.query_one(ColumnsLine)
        shots = [shot_of(sheet, screen.job, column, screen.example, self.look) for column in sheet.columns]
        line.columns = tuple(Standing(s.column, sheet.variant(s.column).label, mark_of(s)) for s in shots)
        line.chosen = screen.column

    def case(self) -> None:
        """The example above the columns."""
        screen, sheet = self._screen, self._screen.sheet
        if sheet is None or screen.example not in sheet.examples:
            return
        case = screen.query_one("#case", AnswerView)
        pinned = "  ● pinned" if screen.example in screen.pins.ids else ""
        case.border_title = plain(one_line(f"{sheet.top.evalset} · {screen.example}{pinned}"))
        pins = f"{len(screen.pins.ids)} pinned · " if screen.pins.ids else ""
        case.border_subtitle = plain(f"{pins}{sheet.examples[screen.example] + 1}/{len(sheet.examples)}")
        case.show(case_pieces(sheet.example(screen.example), sheet.top))

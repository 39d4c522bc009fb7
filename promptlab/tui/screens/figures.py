"""A run in tables and drawings, above the screen: one view at a time, the same letters for the columns in all."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from promptlab.tui.background import in_thread
from promptlab.tui.screens.figures_pieces import VIEWS, Room, columns_pieces
from promptlab.tui.screens.reading import Reading
from promptlab.tui.widgets.textview import Piece

if TYPE_CHECKING:
    from promptlab.lab import RunTable

_HINT = "← → view · m metric · y copies · Esc closes"


class Figures(Reading):
    """Left and right go from view to view, m to the next metric."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "view(-1)", "The view before", show=False),
        Binding("right,l,f", "view(1)", "The next view", show=False),
        Binding("m", "metric", "The next metric", show=False),
    ]

    def __init__(self, table: RunTable, metric: str) -> None:
        super().__init__(f"{table.subject} on {table.evalset}", [Piece("counting …", "dim")], _HINT)
        self._table = table
        self._metric = metric
        self._at = 0

    def on_mount(self) -> None:
        """Draw as soon as the room is known."""
        self.call_after_refresh(self._draw_soon)

    def on_resize(self) -> None:
        """Draw for the room of the moment."""
        self.call_after_refresh(self._draw_soon)

    def _draw_soon(self) -> None:
        self.run_worker(self._draw, group="draw", exclusive=True)

    async def _draw(self) -> None:
        room = Room(max(self.view.room.width - 2, 10), max(self.view.room.height - 4, 5))
        self.view.show(await in_thread(partial(_drawn, self._table, self._metric, self._at, room)))

    def action_view(self, step: int) -> None:
        """Another view."""
        self._at = (self._at + step) % len(VIEWS)
        self._draw_soon()

    def action_metric(self) -> None:
        """The next metric."""
        names = list(self._table.infos)
        if self._metric in names:
            self._metric = names[(names.index(self._metric) + 1) % len(names)]
            self._draw_soon()


def _drawn(table: RunTable, metric: str, at: int, room: Room) -> list[Piece]:
    """The names of all views, the one that is shown, what the letters stand for."""
    pieces: list[Piece] = []
    for place, (name, _) in enumerate(VIEWS):
        pieces += [Piece(f"[{name}]", "strong") if place == at else Piece(f" {name} ", "dim"), Piece(" ")]
    pieces.append(Piece("\n"))
    pieces += columns_pieces(table)
    pieces.append(Piece("\n"))
    if metric not in table.infos:
        return [
            *pieces,
            Piece("This run has no metric. `promptlab score RUN -M METRIC` scores it with one.\n", "dim"),
        ]
    return [*pieces, *VIEWS[at][1](table, metric, room)]

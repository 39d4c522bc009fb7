"""Points against two axes, drawn with characters and readable without colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from rich.segment import Segment
from textual.strip import Strip

from promptlab.tui.widgets.cells import cut, fit
from promptlab.tui.widgets.lines import Lines, Tone
from promptlab.tui.widgets.wrapping import LogicalLine, Piece, wrap

_LOG_FROM = 20.0
"""Ratio of the largest to the least value from which an axis is logarithmic."""
_LEAST = (24, 5)
"""Columns and lines below which nothing is drawn."""


class Point(NamedTuple):
    """One point, the interval of its height, and the label that stands beside it.

    Attributes:
        low, high: NaN without an interval.
        front: No other point is better; drawn as ◆, the others as ○.
    """

    x: float
    y: float
    low: float
    high: float
    label: str
    front: bool = False


class Scale(NamedTuple):
    """An axis: what it is of, and how a value is written."""

    label: str
    write: Callable[[float], str]


class _Canvas:
    """Characters with tones, a row at a time from the top."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._cells: list[list[tuple[str, Tone]]] = [[(" ", "")] * width for _ in range(height)]

    def free(self, x: int, y: int, length: int) -> bool:
        return (
            0 <= y < self.height
            and 0 <= x <= self.width - length
            and all(self._cells[y][x + i][0] in " │" for i in range(length))
        )

    def put(self, x: int, y: int, text: str, tone: Tone) -> None:
        for index, character in enumerate(text):
            self._cells[y][x + index] = (character, tone)

    def rows(self) -> list[list[Piece]]:
        return [
            [Piece("".join(text for text, _ in run), tone) for tone, run in groupby(row, key=_tone)]
            for row in self._cells
        ]


def _tone(cell: tuple[str, Tone]) -> Tone:
    return cell[1]


def draw(points: Sequence[Point], across: Scale, up: Scale, width: int, height: int) -> list[list[Piece]]:
    """The points in exactly ``width`` × ``height`` cells; nothing where that is too little.

    Bars of ``│`` are intervals. A label goes where there is room beside its point; points in one place share it.
    """
    if not points or width < _LEAST[0] or height < _LEAST[1]:
        return []
    heights = [value for p in points for value in (p.y, p.low, p.high) if not math.isnan(value)]
    low, high = min(heights), max(heights)
    ends = up.write(high), up.write(low)
    gutter = min(max(map(len, ends)), width // 3)
    canvas = _Canvas(width - gutter - 2, height - 3)
    to_x, logarithmic = _along([p.x for p in points], canvas.width)
    span = (high - low) or 1.0

    def to_y(value: float) -> int:
        return round((high - value) / span * (canvas.height - 1)) if high > low else canvas.height // 2

    _bars(canvas, points, to_x, to_y)
    _points(canvas, points, to_x, to_y)
    body = canvas.rows()
    rows = [[Piece(fit(up.label + " ↑", width), "dim")]]
    for y, cells in enumerate(body):
        tick = ends[0] if y == 0 else ends[1] if y == len(body) - 1 and high > low else ""
        rows.append([Piece(fit(tick, gutter, "right"), "dim"), Piece(" │", "dim"), *cells])
    rows.append([Piece(" " * gutter + " └" + "─" * canvas.width, "dim")])
    rows.append([Piece(_foot(points, across, logarithmic, width, gutter + 2), "dim")])
    return rows


def _along(values: Sequence[float], width: int) -> tuple[Callable[[float], int], bool]:
    """Where a value stands across, with room for labels at both ends, and whether by its logarithm."""
    least, most = min(values), max(values)
    logarithmic = least > 0 and most / least >= _LOG_FROM
    bend: Callable[[float], float] = math.log if logarithmic else float
    begin, span = bend(least), bend(most) - bend(least)

    def to_x(value: float) -> int:
        share = (bend(value) - begin) / span if span else 0.5
        return 1 + round(share * (width - 5))

    return to_x, logarithmic


def _bars(
    canvas: _Canvas, points: Sequence[Point], to_x: Callable[[float], int], to_y: Callable[[float], int]
) -> None:
    for point in points:
        if not math.isnan(point.low):
            for y in range(to_y(point.high), to_y(point.low) + 1):
                canvas.put(to_x(point.x), y, "│", "dim")


def _points(
    canvas: _Canvas, points: Sequence[Point], to_x: Callable[[float], int], to_y: Callable[[float], int]
) -> None:
    """The points, then their labels, so that no label hides a point."""
    places: dict[tuple[int, int], list[Point]] = {}
    for point in points:
        places.setdefault((to_x(point.x), to_y(point.y)), []).append(point)
    for (x, y), here in places.items():
        front = any(point.front for point in here)
        canvas.put(x, y, "◆" if front else "○", "good" if front else "accent")
    for (x, y), here in places.items():
        label = ",".join(point.label for point in here)
        spots = ((x + 1, y), (x - len(label), y), (x + 1, y - 1), (x + 1, y + 1))
        for at in spots:
            if canvas.free(*at, len(label)):
                canvas.put(*at, label, "strong")
                break


def _foot(points: Sequence[Point], across: Scale, logarithmic: bool, width: int, indent: int) -> str:
    """The ends of the axis with its name between them."""
    least, most = min(p.x for p in points), max(p.x for p in points)
    left, right = across.write(least), across.write(most) if most > least else ""
    label = f"{across.label} →{' (log)' if logarithmic else ''}"
    room = width - indent - len(left) - len(right) - 2
    return fit(" " * indent + f"{left} {cut(label, max(room, 0)):^{max(room, 0)}} {right}", width)


class Plot(Lines):
    """A scatter plot as large as its room."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._points: tuple[Point, ...] = ()
        self._scales: tuple[Scale, Scale] | None = None
        self._empty = ""
        self._rows: list[Sequence[Piece]] = []

    def show(self, points: Sequence[Point], across: Scale, up: Scale, *, empty: str) -> None:
        """Draw other points; ``empty`` is said where there are none."""
        self._points, self._scales, self._empty = tuple(points), (across, up), empty
        self._draw()

    def on_resize(self) -> None:
        """Draw again for the room of the moment."""
        self._draw()

    def _draw(self) -> None:
        if self._scales is None:
            return
        width, height = self.room.width - 1, self.room.height
        self._rows = list(draw(self._points, *self._scales, width, height))
        if not self._rows and width > 1:
            words = "The plot needs more room: z zooms." if self._points else self._empty
            self._rows = [row for _, row in wrap(iter([LogicalLine(words, ())]), width)]
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        base, width = self.ground, self.room.width
        if y >= len(self._rows):
            return Strip.blank(width, base)
        segments = [Segment(text, base + self.tone_style(tone) if tone else base) for text, tone in self._rows[y]]
        return Strip([Segment(" ", base), *segments]).adjust_cell_length(width, base)

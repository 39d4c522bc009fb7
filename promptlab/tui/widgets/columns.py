"""The columns of a table: what they are, and which of them fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from promptlab.tui.widgets.cells import Align
from promptlab.tui.widgets.lines import Tone


class Cell(NamedTuple):
    """What stands in one place of the table. The text may come from anywhere: the table makes it harmless."""

    text: str
    tone: Tone = ""


class Column(NamedTuple):
    """One column.

    Attributes:
        key: Names the column to the rows.
        width: Cells; the least that it gets when it may grow.
        grow: Takes what the other columns leave.
        drop: 0 stays; otherwise the column goes when the table is too narrow, highest number first.
        choice: The column cursor (h, l) can stand on it, and it scrolls sideways with the others of its kind.
    """

    key: str
    label: str
    width: int
    align: Align = "left"
    grow: bool = False
    drop: int = 0
    choice: bool = False


class Placed(NamedTuple):
    """A column as it is drawn now."""

    column: Column
    width: int


def place(columns: Sequence[Column], width: int, choice: int, first_choice: int) -> tuple[tuple[Placed, ...], int]:
    """Which columns fit, and how wide each becomes.

    Columns are dropped by their number until the fixed ones and one choice column fit; then as many choice
    columns as fit are shown, so that the one under the cursor is among them; growing columns share the rest.

    Args:
        width: Cells of the table; each column needs one more as its gap.
        choice: Index, among the choice columns, of the one under the cursor.
        first_choice: Index of the leftmost choice column shown before.

    Returns:
        The columns in order, and the index of the leftmost choice column shown now.
    """
    kept = list(columns)
    choices = [column for column in kept if column.choice]
    widest = max((column.width + 1 for column in choices), default=0)

    def fixed() -> int:
        return sum(column.width + 1 for column in kept if not column.choice)

    wanted = sum(column.width + 1 for column in choices)
    for column in sorted((c for c in columns if c.drop), key=lambda c: -c.drop):
        # A first-class column is worth more than a droppable one, so all choices are made to fit if they can.
        if fixed() + wanted <= width:
            break
        kept.remove(column)
    room = max(width - fixed(), widest)
    first = min(first_choice, choice)
    while first < choice and sum(c.width + 1 for c in choices[first : choice + 1]) > room:
        first += 1
    while first > 0 and sum(c.width + 1 for c in choices[first - 1 :]) <= room:
        first -= 1
    shown: set[str] = set()
    used = 0
    for column in choices[first:]:
        used += column.width + 1
        if used > room:
            break
        shown.add(column.key)
    kept = [column for column in kept if not column.choice or column.key in shown]
    spare = max(width - sum(column.width + 1 for column in kept), 0)
    growing = [column.key for column in kept if column.grow]
    placed: list[Placed] = []
    for column in kept:
        more = 0
        if column.grow:
            more = spare // len(growing)
            if column.key == growing[-1]:
                more = spare - (len(growing) - 1) * (spare // len(growing))
        placed.append(Placed(column, column.width + more))
    return tuple(placed), first

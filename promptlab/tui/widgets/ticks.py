"""A list of things to tick, readable without colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual.binding import Binding, BindingType
from textual.message import Message

from promptlab.tui.widgets.virtual_table import Cell, Column, VirtualTable


class Option(NamedTuple):
    """One line that can be ticked: a subject or a model."""

    name: str
    label: str
    ticked: bool = False


class TickList(VirtualTable):
    """Lines with a tick before them; space or a click changes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,x", "tick", "Tick", show=False),
        Binding("down,j", "next", "Next", show=False),
        Binding("up,k", "before", "Before", show=False),
    ]

    class Changed(Message):
        """A tick was set or taken away."""

    def __init__(self, options: Sequence[Option], *, id: str) -> None:
        super().__init__((Column("tick", "", 3), Column("label", "", 10, grow=True)), header=False, id=id)
        self._options = tuple(options)
        self._ticked = {option.name for option in options if option.ticked}
        self.set_rows(self)
        # What is ticked is what a person checks first: a list that shows one line shows that one.
        self._row = next((row for row, option in enumerate(options) if option.ticked), 0)

    def __len__(self) -> int:
        return len(self._options)

    def key(self, row: int) -> str:
        """The option's name."""
        return self._options[row].name

    def cell(self, row: int, column: str) -> Cell:
        """The tick or the label."""
        option = self._options[row]
        if column == "tick":
            return Cell(
                "[x]" if option.name in self._ticked else "[ ]", "good" if option.name in self._ticked else ""
            )
        return Cell(option.label)

    @property
    def ticked(self) -> tuple[str, ...]:
        """Names of the ticked options, in the order of the list."""
        return tuple(option.name for option in self._options if option.name in self._ticked)

    def action_tick(self) -> None:
        """Set or take away the tick under the cursor."""
        self._ticked ^= {self.row_key} if self.row_key else set()
        self.refresh()
        self.post_message(self.Changed())

    def action_open(self) -> None:
        """A click on the line under the cursor ticks it, as space does."""
        self.action_tick()

    def action_next(self) -> None:
        """One line down; from the last one to what follows the list."""
        if self.row + 1 < len(self):
            self.move_to(self.row + 1)
        else:
            self.screen.focus_next()

    def action_before(self) -> None:
        """One line up; from the first one to what is before the list."""
        if self.row > 0:
            self.move_to(self.row - 1)
        else:
            self.screen.focus_previous()

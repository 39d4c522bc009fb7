"""Choosing one of several names: from the list, or by a part of it that is typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from promptlab.tui.safe import plain
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.virtual_table import Cell, Column, VirtualTable

if TYPE_CHECKING:
    from promptlab.tui.screens.prompts import PromptsScreen


class _Names(tuple[str, ...]):
    """A row for each name."""

    def key(self, row: int) -> str:
        """The name."""
        return self[row]

    def cell(self, row: int, column: str) -> Cell:
        """The name as it is shown."""
        return Cell(self[row])


class Pick(ModalScreen[str]):
    """One of several names; the result is "" for none."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "cancel", "Cancel", show=False)]

    def __init__(self, title: str, names: Sequence[str], current: str) -> None:
        super().__init__()
        self._title = title
        self._names = tuple(names)
        self._current = current

    def compose(self) -> ComposeResult:
        """Lay out the title and the names."""
        above = self.above()
        room = app_of(self).size.height - 8 - len(above)
        table = VirtualTable((Column("name", "", 10, grow=True),), header=False, id="names")
        table.styles.height = max(1, min(len(self._names), room))
        with Vertical(id="dialog") as dialog:
            dialog.styles.width = min(60, app_of(self).size.width - 4)
            yield Static(plain(self._title, "bold"), id="title")
            yield from above
            yield table

    def above(self) -> Sequence[Widget]:
        """What stands between the title and the names, a line each."""
        return ()

    def on_mount(self) -> None:
        """Show the names, the current one under the cursor. The field has the focus where there is one."""
        table = self.query_one(VirtualTable)
        table.set_rows(_Names(self._names))
        table.select(self._current)
        self.query("Input, VirtualTable").first().focus()

    def on_virtual_table_opened(self, event: VirtualTable.Opened) -> None:
        """Take the name under the cursor."""
        self.dismiss(event.control.row_key)

    def action_cancel(self) -> None:
        self.dismiss("")


class Find(Pick):
    """One of several names, which get fewer with every letter that is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move('down')", "Next", show=False, priority=True),
        Binding("up", "move('up')", "Before", show=False, priority=True),
    ]

    def above(self) -> Sequence[Widget]:
        """The field."""
        return (Input(placeholder="a part of its name", id="field", compact=True),)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        words = event.value.casefold().split()
        found = tuple(name for name in self._names if all(word in name.casefold() for word in words))
        table = self.query_one(VirtualTable)
        table.set_rows(_Names(found), empty="No name has that.")
        if words:
            table.action_first()

    @on(Input.Submitted)
    def _taken(self) -> None:
        if name := self.query_one(VirtualTable).row_key:
            self.dismiss(name)

    async def action_move(self, how: str) -> None:
        """Move the cursor of the table; the field keeps the focus."""
        await app_of(self).run_action(how, self.query_one(VirtualTable))


async def find_prompt(screen: PromptsScreen, names: Sequence[str]) -> None:
    """Ask which prompt, and go to it in the list."""
    if name := await app_of(screen).push_screen_wait(Find("Find a prompt", names, screen.current)):
        screen.list.select(name)
        screen.list.focus()

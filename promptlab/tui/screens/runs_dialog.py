"""The list of past runs: choose one to see it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from promptlab.errors import PromptlabError
from promptlab.lab.listing import listed
from promptlab.lab.values import RunSummary
from promptlab.tui.background import in_thread
from promptlab.tui.safe import plain
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.columns import Cell, Column
from promptlab.tui.widgets.lines import Tone
from promptlab.tui.widgets.virtual_table import VirtualTable

if TYPE_CHECKING:
    from promptlab.tui.screens.page import Page

COLUMNS = (
    Column("when", "when", 16),
    Column("state", "", 8),
    Column("title", "run", 20, grow=True),
    Column("id", "id", 6, drop=1),
)
_TONES: dict[str, Tone] = {"saved": "good", "lost": "bad"}


class RunRows:
    """One line for each run, newest first."""

    def __init__(self, runs: Sequence[RunSummary]) -> None:
        self._runs = runs

    def __len__(self) -> int:
        return len(self._runs)

    def key(self, row: int) -> str:
        """The run's id."""
        return self._runs[row].id

    def cell(self, row: int, column: str) -> Cell:
        """When it was, whether it is in git, what it was."""
        run = self._runs[row]
        match column:
            case "when":
                return Cell(time.strftime("%Y-%m-%d %H:%M", time.localtime(run.time)), "dim")
            case "state":
                return Cell(run.state, _TONES.get(run.state, "warn"))
            case "title":
                return Cell(run.title)
            case _:
                return Cell(run.id[-6:], "dim")


class RunsDialog(ModalScreen[str]):
    """The result is a run's id, or "" for none."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "cancel", "Cancel", show=False)]

    def __init__(self, runs: Sequence[RunSummary], title: str = "Runs") -> None:
        super().__init__()
        self._runs = runs
        self._title = title

    def compose(self) -> ComposeResult:
        """Lay out the list as high as it needs, within the terminal."""
        size = app_of(self).size
        with Vertical(id="dialog") as dialog:
            dialog.styles.width = min(110, size.width - 4)
            yield Static(plain(self._title, "bold"), id="title")
            table = VirtualTable(COLUMNS, id="runs")
            table.styles.height = max(3, min(len(self._runs) + 2, size.height - 7))
            yield table
            lost = (
                " Of a lost run git has the tag, and no commit." if any(r.state == "lost" for r in self._runs) else ""
            )
            yield Static(plain(f"Enter opens, Esc leaves.{lost}", "$foreground-muted"), id="hint")

    def on_mount(self) -> None:
        """Show the runs; the newest is chosen."""
        table = self.query_one(VirtualTable)
        table.set_rows(RunRows(self._runs), empty="No run yet: R on the Prompts screen makes one.")
        table.focus()

    def on_virtual_table_opened(self, event: VirtualTable.Opened) -> None:
        """Give back the run that was chosen."""
        self.dismiss(event.control.row_key)

    def action_cancel(self) -> None:
        self.dismiss("")


async def choose_run(page: Page) -> str:
    """The id of a past run that the person chooses, "" for none, or where the list cannot be read, which is said."""
    try:
        runs = await in_thread(partial(listed, await page.session.lab()))
    except PromptlabError as fault:
        page.session.say(str(fault), bad=True)
        return ""
    chosen = await app_of(page).push_screen_wait(RunsDialog(runs))
    if chosen:
        page.session.say("")  # what was said of the run that was shown
    return chosen

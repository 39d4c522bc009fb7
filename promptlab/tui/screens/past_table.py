"""What History and Models share: one table, details of the row under its cursor, runs that its rows stand for."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from functools import partial

from textual import on

from promptlab.errors import PromptlabError
from promptlab.tui.screens.past import PastPage
from promptlab.tui.typed import app_of
from promptlab.tui.watched import open_run
from promptlab.tui.widgets.virtual_table import VirtualTable

SETTLE = 0.06
"""Seconds that the cursor rests on a row before its details are read."""


class TablePage(PastPage):
    """A screen with one table, which has the focus at first."""

    def on_mount(self) -> None:
        """The table has the focus."""
        self.table.focus()

    @property
    def table(self) -> VirtualTable:
        """The table."""
        return self.query_one(VirtualTable)

    @on(VirtualTable.Moved)
    def show_details_soon(self) -> None:
        """Show the details of the row under the cursor once it rests there."""
        self.run_worker(self._settle, group="details", exclusive=True)

    async def _settle(self) -> None:
        await asyncio.sleep(SETTLE)
        if self.query(VirtualTable):  # else the program has ended meanwhile, and its panes are gone
            await self.show_details()

    @abstractmethod
    async def show_details(self) -> None:
        """Read and show what is known of the row under the cursor."""

    def open_run(self, run: str) -> None:
        """Go to Results with a run, or say why it does not open."""
        self.run_worker(partial(self._open_run, run), group="open", exclusive=True)

    async def _open_run(self, run: str) -> None:
        try:
            await open_run(self.session, run)
        except PromptlabError as fault:
            self.session.say(str(fault), bad=True)
            return
        await app_of(self).run_action("app.go('results')")

"""A run that another process does, as the screens show a run of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.tui.background import in_thread
from promptlab.tui.job import Job, shown

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.lab.watching import Watching
    from promptlab.tui.session import Session

EVERY = 0.25
"""Seconds between two looks."""


class Watched(Job):
    """Fills its table from the journal; ``stop`` is told to the other process. Leaving the program ends nothing."""

    elsewhere = True

    def __init__(self, lab: Lab, watching: Watching) -> None:
        super().__init__(lab, watching.plan)
        self.table = watching.table
        self._watching = watching

    def stop(self) -> None:
        """Have the other process end the run."""
        super().stop()
        try:
            self._watching.stop()
        except PromptlabError as fault:
            self.notices.append(str(fault))

    async def run(self, changed: Callable[[], None]) -> None:
        """Look until the run has ended."""
        try:
            while await in_thread(self._watching.look):
                self.progress = self._watching.progress
                self._hear()
                changed()
                await asyncio.sleep(EVERY)
        except PromptlabError as fault:
            self.reason = str(fault)
            self.table.state = "partial"
        finally:
            self.progress = self._watching.progress
            self.ended()
            changed()

    def _hear(self) -> None:
        """Take in what models are writing."""
        texts = dict(map(shown, self._watching.texts))
        texts = {cell: text for cell, text in texts.items() if self.table.outcome(*cell) is None}
        if texts != self.texts:
            self.texts = texts
            self.heard += 1


async def open_run(session: Session, ref: str, *, quiet: bool = False) -> None:
    """Make a run that of the session, and watch it where another process is at work on it.

    Args:
        session: Of all screens.
        ref: Which run.
        quiet: Nobody asked: then nothing is changed where a run is open by now.

    Raises:
        PromptlabError: There is no such run, or it cannot be read.
    """
    lab, job = await session.lab(), session.job
    if job is not None and job.active and job.table.run == ref:
        session.table = job.table
        return
    table = await in_thread(partial(lab.open_run, ref))
    watched = None if session.running else await _watched_run(lab, table.run)
    if quiet and session.table is not None:
        return
    if watched is not None and not session.running:  # one may have been started meanwhile
        session.start(watched)
    else:
        session.table = table


async def _watched_run(lab: Lab, run: str) -> Watched | None:
    """The run, where another process is at work on it; else None.

    Raises:
        PromptlabError: Its journal cannot be read.
    """
    from promptlab.lab.watching import Watching, is_elsewhere

    if not await in_thread(partial(is_elsewhere, lab, run)):
        return None
    return Watched(lab, await in_thread(partial(Watching, lab, run)))

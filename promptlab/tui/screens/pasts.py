"""What git knows of the prompts in the list, read for those that are seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from promptlab.errors import HistoryFault
from promptlab.tui.background import in_thread

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.lab.values import PromptPast
    from promptlab.tui.screens.prompts import PromptsScreen

AT_ONCE = 0.3
"""Seconds after which what was read so far is shown."""


class Pasts:
    """Versions and trends of the Prompts screen's list: the chosen prompt first, then the others on the screen.

    The first reading of a prompt's past takes git a quarter of a second where there are ten thousand commits: two
    hundred prompts that nobody looks at would keep a machine busy for a minute.

    Attributes:
        known: Prompt name to its past, which may be that before the last commit.
    """

    def __init__(self, screen: PromptsScreen) -> None:
        self.known: dict[str, PromptPast] = {}
        self._screen = screen
        self._read: set[str] = set()
        self._reading = False

    def anew(self) -> None:
        """They may be others now."""
        self._read.clear()
        self.look()

    def look(self) -> None:
        """Read what is seen and was not read yet."""
        if not self._reading and self._wanted():
            self._reading = True
            self._screen.run_worker(self._load, group="pasts")

    def _wanted(self) -> list[str]:
        return [name for name in self._screen.seen_names() if name not in self._read]

    async def _load(self) -> None:
        lab = await self._screen.session.lab()
        try:
            while names := self._wanted():
                self._read.update(names)
                found = await in_thread(partial(_some, lab, names))
                if not self._screen.is_attached:
                    return  # the program ended meanwhile
                self._read.difference_update(names[len(found) :])
                self.known |= found
                self._screen.show_row_marks()
        except HistoryFault as fault:
            self._screen.session.say(str(fault), bad=True)
        finally:
            self._reading = False


def _some(lab: Lab, names: Sequence[str]) -> dict[str, PromptPast]:
    """The pasts of the first of the prompts, at least of one."""
    begun = time.monotonic()
    found: dict[str, PromptPast] = {}
    for past in lab.pasts(names):
        found[past.name] = past
        if time.monotonic() > begun + AT_ONCE:
            break
    return found

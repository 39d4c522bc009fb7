"""When memory that nothing needs any more is looked for: while nobody types."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptlab.tui.session import Session

QUIET = 1.0
"""Seconds without a key or the mouse after which nobody is taken to be typing."""
EVERY = 10.0
"""Seconds from one look to the next at least: it takes a tenth of a second where 60,000 cells are open."""
WORTH = 10
"""It is looked at what is old when so many looks at what is new have been made since."""
LATEST = 1000
"""But after so many of these at last, whatever anybody does."""


def wait_for_quiet() -> None:
    """Let Python look through all that it holds only where ``Sweeper`` says so.

    By itself it does every two seconds while texts stream into a big grid, wherever that falls: it made one key of
    twenty 70 ms late.
    """
    young, old, _ = gc.get_threshold()
    gc.set_threshold(young, old, LATEST)


class Sweeper:
    """Looks through the memory that has come into use since it was made, when a person pauses."""

    def __init__(self, session: Session) -> None:
        gc.freeze()  # the program itself stays: to look through it takes longer than through all the rest
        self._session = session
        self._swept = time.monotonic()

    def look(self) -> None:
        """Do it if it is worth it and nobody is there: to be called every ``QUIET`` seconds or so."""
        now = time.monotonic()
        quiet = now - self._session.touched >= QUIET
        if quiet and now - self._swept >= EVERY and gc.get_count()[2] >= WORTH:
            gc.collect()
            self._swept = time.monotonic()

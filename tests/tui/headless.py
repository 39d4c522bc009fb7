"""A program without a terminal need not wait for one: nothing is slept away, painted unseen, or parsed again."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from textual._context import active_app
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

from promptlab.tui.background import THREAD

LONGEST = 1.0
"""Seconds that a key waits at most; a test that holds a thread back on purpose makes it less."""

_known: dict[object, list[RuleSet]] = {}
_parse = Stylesheet._parse_rules


def _parse_once(self: Stylesheet, *args: object, **options: object) -> list[RuleSet]:
    """Every app reads the same style sheets: what comes of them is kept from one to the next."""
    key = (args, *sorted(options.items()), frozenset(self._variables.items()))
    if key not in _known:
        _known[key] = _parse(self, *args, **options)  # type: ignore[arg-type]
    return _known[key]


def _working() -> bool:
    """A thread works for the screens, or a new size of the terminal waits to be told to them."""
    if any(thread.name == THREAD for thread in threading.enumerate()):
        return True
    app = active_app.get(None)
    return app is not None and app._resize_timer is not None


def next_frame() -> bool:
    """Lay out and refresh what waits for the next of sixty frames a second; gives whether anything did."""
    app = active_app.get(None)
    if app is None or not app._screen_stack or app._exit:  # who leaves draws nothing any more
        return False
    screen = app.screen
    waits = screen._layout_required or screen._scroll_required or screen._repaint_required
    if waits or screen._dirty_widgets or screen._callbacks:
        screen._on_timer_update()
        return True
    return False


async def _until_quiet(min_sleep: float = 0.0, max_sleep: float = 1.0) -> None:
    """Until the loop has nothing to do, no thread works for the screens and no frame waits to be drawn.

    Textual's own way is to sleep for at least 20 ms and to look whether the processor was idle meanwhile: twice for
    each key, and wrong where other programs have the processor.
    """
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined] what it has to do next: private
    deadline = time.monotonic() + min(max_sleep, LONGEST)
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:
        working = _working()
        await asyncio.sleep(0.001 if working else 0)
        busy = working or ready or next_frame()
        quiet = 0 if busy else quiet + 1


@contextmanager
def quick() -> Iterator[None]:
    """Style sheets are parsed once, and pilots wait for what is done instead of for a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", _parse_once)
        patch.setattr(RuleSet, "__hash__", object.__hash__)  # the same one, not called in Python a million times
        for module in ("app", "pilot"):
            patch.setattr(f"textual.{module}.wait_for_idle", _until_quiet)
        yield

"""The ways out: asked for with a key, told from outside by a signal, or because the terminal is gone."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from promptlab.tui.keeping import named
from promptlab.tui.widgets.dialog import Answer, Question
from promptlab.tui.widgets.textview import Piece

if TYPE_CHECKING:
    from promptlab.tui.session import Session

ENDS = (signal.SIGTERM, signal.SIGHUP)
"""What a system that shuts down, and a terminal that is closed, send."""


def end_on_signals(end: Callable[[int], None]) -> None:
    """Call ``end`` when the program is told to end, with the exit code that shells give for the signal."""
    for number in ENDS:
        asyncio.get_running_loop().add_signal_handler(number, partial(end, 128 + number))


GRACE = 3.0
"""Seconds to end in once the terminal is gone; then the program is cut off."""


def end_with_terminal(end: Callable[[int], None]) -> None:
    """Call ``end`` when the terminal is gone, also where no signal tells of it, as without a terminal of one's own.

    Without this the program would stay for ever, reading from nothing as fast as a processor can, and waiting for the
    end of what it writes to nobody.
    """
    watch = partial(_watch_terminal, asyncio.get_running_loop(), end)
    threading.Thread(target=watch, name="terminal", daemon=True).start()


def _watch_terminal(loop: asyncio.AbstractEventLoop, end: Callable[[int], None]) -> None:
    written = [file for file in (sys.__stdout__, sys.__stderr__) if file is not None and file.isatty()]
    code = 128 + signal.SIGHUP
    terminal = select.poll()
    terminal.register(sys.__stdin__ or 0, 0)  # no event is asked for: only being gone is told unasked
    terminal.poll()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for file in written:
        os.dup2(nowhere, file.fileno())  # what is still written must not fail on the way to the end
    loop.call_soon_threadsafe(end, code)
    time.sleep(GRACE)
    os._exit(code)


def leaving(session: Session) -> Question | None:
    """What to ask before the program ends, None when nothing would be cut short.

    The answers are ``quit``, ``discard`` and ``leave``: the run goes on in a process of its own.
    """
    reasons: list[str] = []
    answers = [Answer("quit", "Q", "Quit")]
    forms = [named(draft) for draft in session.keeping.forms.values() if draft.kind != "input"]
    if session.unsaved or forms:
        unsaved = [*sorted(session.unsaved), *forms]
        kept, it = ("a draft that is", "it") if len(unsaved) == 1 else ("drafts that are", "them")
        does = f"Q keeps {it} as {kept} here again next time; D discards {it}."
        reasons.append(f"Not saved: {', '.join(unsaved)}. {does}")
        answers.append(Answer("discard", "D", f"Discard {it} and quit"))
    job = session.job
    if job is not None and job.active and not job.elsewhere:
        reasons.append("A run is going on. What is done is kept; the same run takes it up again.")
        if job.can_be_left:
            reasons.append("Left running, it goes on by itself: open it again from the list of runs.")
            answers.append(Answer("leave", "L", "Leave it running"))
    return Question("Quit?", [Piece("\n".join(reasons))], answers) if reasons else None

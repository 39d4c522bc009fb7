"""A text on a screen of its own above the others: the git commands that were run, blame."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from promptlab.history.values import GitCall
from promptlab.tui.clipboard import way
from promptlab.tui.safe import one_line, plain
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.textview import TextView
from promptlab.tui.widgets.wrapping import Piece

REFRESH = 0.5


class Reading(ModalScreen[None]):
    """A title and a text that scrolls; y copies it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "close", "Close", show=False)]

    def __init__(self, title: str, pieces: Sequence[Piece], hint: str = "y copies · Esc closes") -> None:
        super().__init__()
        self._title = title
        self._pieces = pieces
        self._hint = hint

    def compose(self) -> ComposeResult:
        """Lay out title, text and keys over nearly the whole terminal."""
        size = app_of(self).size
        with Vertical(id="dialog") as dialog:
            dialog.styles.width, dialog.styles.height = size.width - 4, size.height - 2
            yield Static(plain(one_line(self._title), "bold"), id="title")
            yield TextView(id="body")
            yield Static(plain(self._hint, "$foreground-muted"), id="hint")

    def on_mount(self) -> None:
        """Show the text."""
        self.view.show(self._pieces)
        self.view.styles.height = "1fr"
        self.view.focus()

    @property
    def view(self) -> TextView:
        """The text."""
        return self.query_one("#body", TextView)

    def on_text_view_copied(self, event: TextView.Copied) -> None:
        """Say so here: the line that would say it is covered."""
        self.query_one("#hint", Static).update(plain(f"copied {event.characters} characters ({way()}) · Esc closes"))

    def action_close(self) -> None:
        self.dismiss(None)


class GitLog(Reading):
    """The git commands of this program, the newest last; it goes on while it is open."""

    def __init__(self, calls: Callable[[], Sequence[GitCall]]) -> None:
        super().__init__("git commands that promptlab ran", ())
        self._calls = calls
        self._shown = -1.0

    def on_mount(self) -> None:
        """Show the end of the log, and look again from time to time."""
        super().on_mount()
        self.call_after_refresh(self._again)
        self.set_interval(REFRESH, self._again)

    def _again(self) -> None:
        calls = self._calls()
        newest = calls[-1].time if calls else 0.0
        if newest != self._shown:
            self._shown = newest
            self.view.show(call_pieces(calls) or [Piece("None yet.", "dim")])
            self.view.action_last()


def call_pieces(calls: Sequence[GitCall]) -> list[Piece]:
    """One line a command: when, how long, exit status, command; what git said below those that failed."""
    pieces: list[Piece] = []
    for call in calls:
        clock = time.strftime("%H:%M:%S", time.localtime(call.time))
        code = "–" if call.code is None else str(call.code)
        pieces += [
            Piece(f"{clock} {call.milliseconds:6.0f} ms ", "dim"),
            Piece(f"{code:>3}  ", "dim" if call.code == 0 else "warn"),
            Piece(f"{one_line(call.command)}\n"),
        ]
        if call.said:
            pieces.append(Piece(f"{'':24}{one_line(call.said)}\n", "warn"))
    return pieces

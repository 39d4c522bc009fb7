"""The jump overlay: a letter on every pane, and one key goes there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from promptlab.tui.safe import plain
from promptlab.tui.screens.page import TABS, Page
from promptlab.tui.typed import app_of

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


class Jump(ModalScreen[str]):
    """Letters over what is below. The result is the key that was pressed, "" for none."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Leave", show=False)]

    def __init__(self, chain: Sequence[Widget]) -> None:
        """Name what can have the focus and is seen, from the top left to the bottom right.

        Attributes:
            targets: Letter to pane.
        """
        super().__init__()
        seen = sorted((one for one in chain if one.region.area), key=lambda one: (one.region.y, one.region.x))
        self.targets = dict(zip(LETTERS, seen, strict=False))

    def compose(self) -> ComposeResult:
        """A label at the top left of each pane."""
        for letter, target in self.targets.items():
            label = Static(plain(f" {letter} "), classes="jump")
            label.styles.offset = (target.region.x + 2, target.region.y)
            yield label

    def on_key(self, event: Key) -> None:
        """One key says where to; any other leaves."""
        event.stop()
        event.prevent_default()
        self.dismiss(event.character or "" if event.key != "escape" else "")

    def action_cancel(self) -> None:
        self.dismiss("")


async def jump(page: Page, go: Callable[[str], None]) -> None:
    """Show the letters, and do what the next key says: a pane, a screen, or nothing."""
    overlay = Jump(page.focus_chain)
    key = await app_of(page).push_screen_wait(overlay)
    screen = next((tab.mode for tab in TABS if tab.key == key), "")
    if screen:
        go(screen)
    elif target := overlay.targets.get(key):
        target.focus()

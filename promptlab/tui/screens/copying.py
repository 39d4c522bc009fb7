"""The copy menu: which text goes to the clipboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.tui.clipboard import way
from promptlab.tui.screens.picking import Pick
from promptlab.tui.typed import app_of

if TYPE_CHECKING:
    from promptlab.tui.screens.page import Page


async def copy_menu(page: Page) -> None:
    """Offer the texts of a screen, and copy the one that is chosen."""
    texts = page.copyable()
    if not texts:
        page.session.say("There is no text here to copy.")
        return
    chosen = await app_of(page).push_screen_wait(Pick(f"Copy ({way()})", list(texts), ""))
    if chosen:
        app_of(page).copy_to_clipboard(texts[chosen])
        page.session.say(f"copied {chosen}, {len(texts[chosen])} characters ({way()})")

"""What can be asked for on every screen. Each is imported when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptlab.tui.screens.page import Page


async def ask_copy(page: Page) -> None:
    """Ask what to copy."""
    from promptlab.tui.screens.copying import copy_menu

    await copy_menu(page)


async def ask_jump(page: Page, go: Callable[[str], None]) -> None:
    """Ask which pane to go to."""
    from promptlab.tui.screens.jump import jump

    await jump(page, go)


async def ask_undo(page: Page) -> None:
    """Ask whether to undo the last thing that promptlab did."""
    from promptlab.tui.screens.committing import undo_last

    await undo_last(page)

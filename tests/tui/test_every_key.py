"""Every key of a screen at every size: none ends the program, every pane is reached, the help is never cut off."""

from __future__ import annotations

from pathlib import Path

from tui.runs_made import BOTH, finished
from tui.sitting import NORMAL, SMALL, WIDE, Sitting, sitting

from promptlab.tui.actions import ACTIONS, Scope
from promptlab.tui.screens.page import Page
from promptlab.tui.widgets.editor import Editor

SCREENS: dict[str, tuple[Scope, ...]] = {"2": ("compare", "answer"), "3": ("results",)}
"""The key of a screen, and the scopes of its own keys."""


async def at_home(here: Sitting, mode: str) -> None:
    """Whatever a key has opened is left by Esc."""
    for _ in range(5):
        await here.pilot.pause()
        if isinstance(here.app.screen, Page) and here.app.current_mode == mode:
            break
        await here.press("escape")
    assert isinstance(here.app.screen, Page)
    assert here.app.current_mode == mode


async def test_every_key_on_every_pane(folder: Path) -> None:
    await finished(folder, BOTH)
    async with sitting(folder, SMALL) as here:
        for screen, scopes in SCREENS.items():
            await here.press(screen)
            await here.sees("triage@v2 · api")
            mode = here.app.current_mode
            for action in (action for scope in scopes for action in ACTIONS[scope]):
                await here.press(action.keys.split(",")[0])
                await at_home(here, mode)
                if isinstance(here.app.screen.focused, Editor):
                    await here.press("escape")
            for size in (SMALL, NORMAL, WIDE):
                await here.pilot.resize_terminal(*size)
                await here.pilot.pause()
                assert here.lines[-1].endswith("? help  ^p cmds")
                panes = {pane.id for pane in here.app.screen.query(".pane") if pane.region.area}
                seen: set[str | None] = set()
                for _ in panes:
                    await here.press("tab")
                    seen.add(here.app.screen.focused.id if here.app.screen.focused else None)
                assert panes
                assert panes <= seen, f"{screen}: no way to {panes - seen}"
            await here.pilot.resize_terminal(*SMALL)

"""Every key of a screen at every size: none ends the program, every pane is reached, the help is never cut off."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from textual.widgets import Input
from tui.runs_made import BOTH, finished
from tui.sitting import NORMAL, SMALL, WIDE, Sitting, sitting

from promptlab.tui.actions import ACTIONS, Scope
from promptlab.tui.screens.page import TABS, Page
from promptlab.tui.widgets.editor import Editor


class Walk(NamedTuple):
    """A screen to walk: words that are seen when it is there, the scopes of its own keys."""

    words: str
    scopes: tuple[Scope, ...]


SCREENS: dict[str, Walk] = {
    "1": Walk("triage.toml", ("prompts", "text", "editor")),
    "2": Walk("triage@v2 · api", ("compare", "answer")),
    "3": Walk("triage@v2 · api", ("results", "columns")),
    "4": Walk("messages", ("diff",)),
    "5": Walk("v2", ("history", "timeline")),
    "6": Walk("Evals tickets", ("evals", "evallist")),
    "7": Walk("Models with triage", ("models", "modellist")),
    "8": Walk("Case ", ("review",)),
}
"""The key of a screen, and what to do there."""
ELSEWHERE = {"models.bench"}
"""Starts a model in a file: its own test does."""


async def at_home(here: Sitting, screen: str, mode: str) -> None:
    """Whatever a key has opened is left by Esc; a screen that it went to by the key of this one."""
    for _ in range(6):
        await here.pilot.pause()
        if isinstance(here.app.screen, Page) and not isinstance(here.app.screen.focused, Editor | Input):
            if here.app.current_mode == mode:
                return
            await here.press(screen)
        else:
            await here.press("escape")
    raise AssertionError(f"no way back to {mode}:\n{here.text}")


def test_every_screen_is_walked() -> None:
    assert set(SCREENS) == {tab.key for tab in TABS}


@pytest.mark.parametrize("screens", ["1234", "5678"])
async def test_every_key_on_every_pane(folder: Path, screens: str) -> None:
    await finished(folder, BOTH)
    async with sitting(folder, SMALL) as here:
        for screen in screens:
            await here.press(screen)
            await here.sees(SCREENS[screen].words)
            mode = here.app.current_mode
            for action in (action for scope in SCREENS[screen].scopes for action in ACTIONS[scope]):
                if action.id not in ELSEWHERE:
                    await here.press(action.keys.split(",")[0])
                    await at_home(here, screen, mode)
            for size in (SMALL, NORMAL, WIDE):
                await here.pilot.resize_terminal(*size)
                await here.pilot.pause()
                assert here.lines[-1].endswith("? help  ^p cmds")
                panes = {pane.id for pane in here.app.screen.query(".pane") if pane.region.area}
                seen: set[str | None] = set()
                for _ in range(len(panes) + 2):
                    await here.press("tab")
                    seen.add(here.app.screen.focused.id if here.app.screen.focused else None)
                assert panes
                assert panes <= seen, f"{screen}: no way to {panes - seen}"
            await here.pilot.resize_terminal(*SMALL)
            await at_home(here, screen, mode)

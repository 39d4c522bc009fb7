"""What the palette offers: every action that works now, and below those what other screens can do."""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.screen import Screen

from promptlab.tui.actions import ACTIONS, Action, key_names
from promptlab.tui.screens.page import TABS, Page
from promptlab.tui.widgets.chrome import live_actions

if TYPE_CHECKING:
    from promptlab.tui.app import PromptlabApp


def commands(app: PromptlabApp, screen: Screen[object]) -> Iterable[SystemCommand]:
    """Name, help with its key, and what to do, for each action."""
    here: set[str] = set()
    for action, active in live_actions(screen.active_bindings).items():
        if action.group:
            here.add(_name(action))
            help = f"{action.help} ({app.get_key_display(active.binding)})"
            call = partial(app.run_action, active.binding.action, active.node)
            yield SystemCommand(f"{action.group}: {_name(action)}", help, call)
    yield SystemCommand("app: theme", "Choose the colours.", app.action_change_theme)
    if isinstance(screen, Page):
        yield from _elsewhere(app, screen.MODE, here)


def _elsewhere(app: PromptlabApp, mode: str, here: Container[str]) -> Iterable[SystemCommand]:
    """What the other screens can do and this one cannot; the arrow has it below what works at once."""
    for tab in TABS:
        if tab.mode != mode and app.check_action("go", (tab.mode,)):
            for action in _OF_SCREENS.get(tab.mode, ()):
                if action.group and _name(action) not in here:
                    help = f"{action.help} (goes to {tab.label}: {key_names(action)[0]} there)"
                    yield SystemCommand(f"→ {tab.label}: {_name(action)}", help, partial(app.action_go, tab.mode))


_OF_SCREENS: dict[str, tuple[Action, ...]] = {**ACTIONS}


def _name(action: Action) -> str:
    return action.label or action.id.partition(".")[2].replace("_", " ")

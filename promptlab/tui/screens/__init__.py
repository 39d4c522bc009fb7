"""The screens: each asks the lab, and shows what it says on the widgets."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptlab.tui.screens.page import Page

_CLASSES = {
    "prompts": "PromptsScreen",
    "compare": "CompareScreen",
    "results": "ResultsScreen",
    "diff": "DiffScreen",
    "history": "HistoryScreen",
    "evals": "EvalsScreen",
    "models": "ModelsScreen",
    "review": "ReviewScreen",
}
"""The screens by the names of their modules, in the order of their keys."""

MODES = tuple(_CLASSES)


def screen_class(mode: str) -> type[Page]:
    """A screen. Slow the first time: it imports it."""
    page: type[Page] = getattr(import_module(f"promptlab.tui.screens.{mode}"), _CLASSES[mode])
    return page


def all_screens() -> tuple[type[Page], ...]:
    """Every screen, in the order of its key. Slow the first time: it imports them."""
    return tuple(map(screen_class, MODES))

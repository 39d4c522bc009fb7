"""The screens: each asks the lab, and shows what it says on the widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptlab.tui.screens.page import Page


def all_screens() -> tuple[type[Page], ...]:
    """Every screen, in the order of its key but for the first. Slow: it imports them."""
    from promptlab.tui.screens.compare import CompareScreen
    from promptlab.tui.screens.diff import DiffScreen
    from promptlab.tui.screens.evals import EvalsScreen
    from promptlab.tui.screens.history import HistoryScreen
    from promptlab.tui.screens.models import ModelsScreen
    from promptlab.tui.screens.prompts import PromptsScreen
    from promptlab.tui.screens.results import ResultsScreen
    from promptlab.tui.screens.review import ReviewScreen

    screens = (PromptsScreen, CompareScreen, ResultsScreen, DiffScreen, HistoryScreen, EvalsScreen, ModelsScreen)
    return (*screens, ReviewScreen)

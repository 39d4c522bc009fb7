"""The one place that gives types to what Textual leaves untyped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from textual.app import App
from textual.dom import DOMNode
from textual.screen import Screen
from textual.signal import Signal

if TYPE_CHECKING:
    from promptlab.tui.screens.prompts import PromptsScreen


def app_of(node: DOMNode) -> App[int]:
    """The running app of a widget or screen."""
    return cast("App[int]", node.app)  # pyright: ignore[reportUnknownMemberType]  # App[Unknown]


def prompts_screen(node: DOMNode) -> PromptsScreen:
    """The screen with the editor: it is the first that is made, and stays."""
    stack = app_of(node).get_screen_stack("prompts")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # Screen[Unknown]
    return cast("PromptsScreen", stack[0])


def on_bindings_changed(node: DOMNode, callback: Callable[[], object]) -> None:
    """Call back whenever the focus, and with it the keys that work on the node's screen, changes."""
    signal = node.screen.bindings_updated_signal  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # Signal[Screen[Unknown]]
    cast("Signal[Screen[object]]", signal).subscribe(node, lambda _: callback())

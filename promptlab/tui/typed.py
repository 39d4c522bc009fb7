"""The one place that gives types to what Textual leaves untyped."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from textual.app import App
from textual.dom import DOMNode
from textual.screen import Screen
from textual.signal import Signal


def app_of(node: DOMNode) -> App[int]:
    """The running app of a widget or screen."""
    return cast("App[int]", node.app)  # pyright: ignore[reportUnknownMemberType]  # App[Unknown]


def on_bindings_changed(node: DOMNode, callback: Callable[[], object]) -> None:
    """Call back whenever the focus, and with it the keys that work on the node's screen, changes."""
    signal = node.screen.bindings_updated_signal  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # Signal[Screen[Unknown]]
    cast("Signal[Screen[object]]", signal).subscribe(node, lambda _: callback())

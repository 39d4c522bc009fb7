"""Keys that are pressed before there is anything that they could act on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual.events import Key

from promptlab.tui.screens.page import Page

if TYPE_CHECKING:
    from promptlab.tui.app import PromptlabApp

APART = 0.03
"""Seconds between two keys that waited: as they come from a quick hand, so that the first may move the focus."""


class Early:
    """Keys that wait, in their order, until the prompts are on the screen.

    What the app can do at once, such as quitting, does not wait, unless it may be meant as text for a key that does.
    """

    def __init__(self, app: PromptlabApp) -> None:
        self._app = app
        self._keys: deque[Key] = deque()

    def takes(self, key: Key) -> bool:
        """Whether the key waits from now on."""
        app = self._app
        begun = app.session.listed.is_set() and not self._keys
        if begun or key.is_forwarded or not isinstance(app.screen, Page):
            return False
        active = app.screen.active_bindings.get(key.key)
        if active is not None and (active.binding.priority or (active.node is app and not self._keys)):
            return False
        self._keys.append(key)
        return True

    async def press(self, press: Callable[[Key], Awaitable[None]]) -> None:
        """Press those that wait. What is pressed meanwhile comes after them."""
        while self._keys:
            await press(self._keys[0])
            await asyncio.sleep(APART)
            self._keys.popleft()

"""Keys and pasted texts that come before what they are meant for is there."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from textual.dom import DOMNode
from textual.events import Key, Paste
from textual.message_pump import MessagePump

from promptlab.tui.screens.page import Page

if TYPE_CHECKING:
    from promptlab.tui.app import PromptlabApp

PATIENCE = 1.0
"""Seconds that a key waits for the one before it: should something hang, the next keys are not held up for long."""


class Early:
    """Keys that wait, in their order, for the prompts to be on the screen, and for what the key before them did.

    A key may move the focus, or open a screen that takes it, and both take a moment: what a quick hand or a macro
    pressed meanwhile would go where the focus was. What the app can do at once, such as quitting, does not wait for
    the prompts, unless it may be meant as text for a key that does.
    """

    def __init__(self, app: PromptlabApp) -> None:
        self._app = app
        self._waiting: deque[Key | Paste] = deque()
        self._next: Key | Paste | None = None
        self._following: asyncio.Task[None] | None = None

    def takes(self, event: Key | Paste) -> bool:
        """Whether it waits from now on."""
        if event is self._next:
            self._next = None
            return False
        if self._app.session.listed.is_set():
            acts = not (self._waiting or self._next or self._following)
        else:
            acts = self._acts_at_once(event)
        if not acts:
            self._waiting.append(event)
        return not acts

    def follow(self, event: Key | Paste | None = None) -> None:
        """``event`` was sent, or anything can be from now on: send what waits, one after the other."""
        target = self._app.focused or self._app.screen
        written = isinstance(event, Key) and target.check_consume_key(event.key, event.character)
        if self._following is None and self._next is None and not (written and not self._waiting):
            self._following = asyncio.create_task(self._send_next(target))

    def _acts_at_once(self, event: Key | Paste) -> bool:
        if not isinstance(self._app.screen, Page):
            return True
        active = self._app.screen.active_bindings.get(event.key) if isinstance(event, Key) else None
        return active is not None and (active.binding.priority or (active.node is self._app and not self._waiting))

    async def _send_next(self, target: DOMNode) -> None:
        """Once all is done that the key for ``target`` asked for."""
        app = self._app
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                for node in target.ancestors_with_self:
                    await _passed(node)
                await _passed(app)  # the focus is moved here, after the action that asks for it
                await _passed(app.screen)  # which may be another one now
                await _passed(app)
        self._following = None
        if self._waiting and app.session.listed.is_set():
            self._next = self._waiting.popleft()
            app.post_message(self._next)


async def _passed(node: MessagePump) -> None:
    """Until all that was sent to ``node`` before this is handled, or it takes nothing any more."""
    passed = asyncio.Event()
    if node.call_later(passed.set):
        await passed.wait()

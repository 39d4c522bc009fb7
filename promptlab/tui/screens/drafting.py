"""Keeping what is typed and not saved on disk, and bringing it back in the next sitting."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

from msgspec import structs
from textual.timer import Timer

from promptlab.errors import PromptlabError
from promptlab.tui.background import in_thread
from promptlab.tui.screens.buffers import Buffer
from promptlab.tui.screens.history_rows import ago

if TYPE_CHECKING:
    from promptlab.lab.sittings import Draft
    from promptlab.tui.screens.prompts import PromptsScreen

KEPT_AFTER = 0.3
"""Seconds after a key press within which the text is on its way to the disk."""


class Drafting:
    """What the Prompts screen does so that a crash takes nothing that was typed."""

    def __init__(self, screen: PromptsScreen) -> None:
        self._screen = screen
        self._timer: Timer | None = None
        self._kept: dict[str, str] = {}
        self._told = False
        self._ended = False

    async def restore(self) -> None:
        """Put the texts of a sitting that was cut short, or left, into the buffers.

        Each has the stamp of the file that it was begun from: saving it meets what changed there since.
        """
        screen, sitting = self._screen, self._screen.session.sitting
        if sitting is None:
            return
        lab = await screen.session.lab()
        restored: list[Draft] = []
        try:
            for draft in await in_thread(lambda: sitting.left(lab.workspace.prompt_names())):
                file = await in_thread(partial(lab.read_file, draft.name))
                if draft.text != file.text:
                    screen.buffers[draft.name] = Buffer(structs.replace(file, stamp=draft.stamp), draft.text)
                    restored.append(draft)
        except PromptlabError as fault:
            screen.session.say(f"Unsaved text cannot be brought back. {fault}", bad=True)
        if restored:
            names = ", ".join(draft.name for draft in restored)
            since = ago(max(draft.time for draft in restored), time.time())
            when = "just now" if since == "now" else f"{since} ago"
            screen.session.say(
                f"Brought back the unsaved text of {names}, typed {when}. In the editor ctrl+s saves it, "
                "ctrl+z takes the file's text again."
            )
        self.soon()

    def soon(self) -> None:
        """The texts changed: keep them in a moment."""
        if self._timer is None and self._screen.session.sitting is not None:
            self._timer = self._screen.set_timer(KEPT_AFTER, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._screen.run_worker(self._keep, group="drafts")

    async def _keep(self) -> None:
        screen, sitting = self._screen, self._screen.session.sitting
        drafts = self._drafts()
        texts = {name: draft.text for name, draft in drafts.items()}
        if texts == self._kept or sitting is None or self._ended:
            return
        self._kept = texts
        try:
            await in_thread(partial(sitting.keep, drafts))
        except PromptlabError as fault:
            if not self._told and not screen.session.bad:  # not over what is wrong with saving it
                screen.session.say(f"What you type is not kept before you save it. {fault}", bad=True)
            self._told = True

    def _drafts(self) -> dict[str, Draft]:
        from promptlab.lab.sittings import Draft

        edited = {name: buffer for name, buffer in self._screen.buffers.items() if buffer.edited}
        now = int(time.time())
        return {name: Draft(name, one.text, one.saved.stamp, now) for name, one in edited.items()}

    def end(self, *, discard: bool) -> None:
        """The program ends: what was typed last is on disk when this returns, or all of it is given up."""
        self._ended = True
        if (sitting := self._screen.session.sitting) is not None:
            with contextlib.suppress(PromptlabError):  # said while it was typed
                sitting.keep({} if discard else self._drafts())

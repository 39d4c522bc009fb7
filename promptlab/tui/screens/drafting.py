"""Bringing the unsaved texts of prompts back in the next sitting."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from msgspec import structs

from promptlab.errors import PromptlabError
from promptlab.tui.background import in_thread
from promptlab.tui.keeping import named
from promptlab.tui.screens.buffers import Buffer
from promptlab.tui.screens.history_rows import ago

if TYPE_CHECKING:
    from promptlab.lab.sittings import Draft
    from promptlab.tui.screens.prompts import PromptsScreen


async def restore(screen: PromptsScreen) -> None:
    """Put the texts of a sitting that was cut short, or left, into the buffers, and say so.

    Each has the stamp of the file that it was begun from: saving it meets what changed there since.
    """
    keeping = screen.session.keeping
    lab = await screen.session.lab()
    restored: list[Draft] = []
    try:
        for draft in await keeping.restore(lab):
            file = await in_thread(partial(lab.read_file, draft.name))
            if draft.text != file.text:
                screen.buffers[draft.name] = Buffer(structs.replace(file, stamp=draft.stamp), draft.text)
                restored.append(draft)
    except PromptlabError as fault:
        screen.session.say(f"Unsaved text cannot be brought back. {fault}", bad=True)
    keeping.texts = partial(drafts_of, screen)
    evals = [*await keeping.left("example"), *await keeping.left("setting")]
    found = {"6": evals, "8": await keeping.left("review")}
    if forms := [draft for drafts in found.values() for draft in drafts]:
        names, keys = ", ".join(map(named, forms)), " and ".join(key for key, drafts in found.items() if drafts)
        where = "it is on" if len(forms) == 1 else "they are on"
        screen.session.say(f"Brought back {names}, typed {_when(forms)}: {where} {keys}.")
    if restored:
        names = ", ".join(draft.name for draft in restored)
        screen.session.say(
            f"Brought back the unsaved text of {names}, typed {_when(restored)}. In the editor ctrl+s saves it, "
            "ctrl+z takes the file's text again."
        )
    keeping.soon()


def _when(drafts: list[Draft]) -> str:
    since = ago(max(draft.time for draft in drafts), time.time())
    return "just now" if since == "now" else f"{since} ago"


def drafts_of(screen: PromptsScreen) -> list[Draft]:
    """The texts that are not saved, as they are in the editor now."""
    from promptlab.lab.sittings import Draft

    now = int(time.time())
    edited = ((name, buffer) for name, buffer in screen.buffers.items() if buffer.edited)
    return [Draft(name, one.text, one.saved.stamp, now) for name, one in edited]

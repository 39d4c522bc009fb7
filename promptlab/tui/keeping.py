"""What is typed and not saved, on its way to the disk: a crash, a kill or a closed terminal takes nothing of it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.tui.background import in_thread
from promptlab.tui.safe import one_line

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.lab.sittings import Draft, Kind, Place, Sitting

KEPT_AFTER = 0.3
"""Seconds after a key press within which the text is on its way to the disk."""


class Keeping:
    """Collects what the screens have unsaved, and has it on disk soon after every change.

    Attributes:
        texts: Gives the unsaved texts of prompts, as they are now. Nothing is written before this is set: what
            the last sitting left would be written over.
        forms: What is typed into forms, by its place.
    """

    def __init__(self, fault: Callable[[str], None]) -> None:
        """Begin, before the workspace is open.

        Args:
            fault: Told once, in a sentence, why nothing can be kept.
        """
        self.texts: Callable[[], Iterable[Draft]] | None = None
        self.forms: dict[Place, Draft] = {}
        self._fault: Callable[[str], None] | None = fault
        self._sitting: Sitting | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._kept: list[Draft] | None = None
        self._order = 0
        self._lock = threading.Lock()
        self._restored = asyncio.Event()

    def opened(self, sitting: Sitting) -> None:
        """The workspace is open: from now on things are kept."""
        self._sitting = sitting

    async def left(self, kind: Kind) -> list[Draft]:
        """What the last sitting left in forms of a kind, the newest first, as soon as that is known."""
        await self._restored.wait()
        found = [draft for draft in self.forms.values() if draft.kind == kind]
        return sorted(found, key=lambda draft: -draft.time)

    async def restore(self, lab: Lab) -> list[Draft]:
        """The texts that a sitting which was cut short, or left, has not saved. What was in forms is in ``forms``.

        Raises:
            StorageFault: They are there and cannot be read.
        """
        if self._sitting is None:
            return []
        try:
            found = await in_thread(partial(self._sitting.left, _Known(lab)))
        finally:
            self._restored.set()
        self.forms |= {draft.place: draft for draft in found if draft.kind != "prompt"}
        return [draft for draft in found if draft.kind == "prompt"]

    def fields(self, place: Place) -> Mapping[str, str]:
        """What is typed into the form of a place, and not saved."""
        return self.forms[place].fields if place in self.forms else {}

    def typed(self, place: Place, fields: Mapping[str, str]) -> None:
        """These are the fields of a form that were typed and not saved; none when it is closed."""
        from promptlab.lab.sittings import Draft

        if fields:
            self.forms[place] = Draft(place[1], "", "", int(time.time()), place[0], place[2], dict(fields))
        else:
            self.forms.pop(place, None)
        self.soon()

    def moved(self, draft: Draft, id: str) -> None:
        """What was typed belongs to something else: what it was about is gone."""
        del self.forms[draft.place]
        self.typed((draft.kind, draft.name, id), draft.fields)

    # -- to the disk --------------------------------------------------------------------------------------

    def soon(self) -> None:
        """Something changed: keep it in a moment."""
        if self._timer is None and self._sitting is not None:
            self._timer = asyncio.get_running_loop().call_later(KEPT_AFTER, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        try:
            await in_thread(self._next())
        except PromptlabError as fault:
            told, self._fault = self._fault, None
            if told is not None:
                told(f"What you type is not kept before you save it. {fault}")

    def now(self) -> None:
        """What was typed last is on disk when this returns; the program may end at once."""
        with contextlib.suppress(PromptlabError):  # said while it was typed
            self._next()()

    def discard(self) -> None:
        """Give up what was typed, and keep nothing from now on. Inputs for trials stay: nobody was asked."""
        self.texts = tuple
        self.forms = {place: draft for place, draft in self.forms.items() if draft.kind == "input"}
        self.now()
        self._sitting = None

    def _next(self) -> Callable[[], None]:
        """What writes things as they are now, unless something newer was written before its turn."""
        drafts = [*(self.texts() if self.texts else ()), *self.forms.values()]
        self._order += 1
        return partial(self._write, drafts, self._order)

    def _write(self, drafts: list[Draft], order: int) -> None:
        with self._lock:
            if self._sitting is None or self.texts is None or order < self._order or _same(drafts, self._kept):
                return
            self._sitting.keep(drafts)
            self._kept = drafts


class _Known:
    """Whether there still is what a draft is about. Reads files, and git for reviews: called in a thread."""

    def __init__(self, lab: Lab) -> None:
        self._names: dict[str, Collection[str]] = {}
        self._lab = lab

    def __call__(self, draft: Draft) -> bool:
        if draft.kind not in self._names:
            self._names[draft.kind] = self._read(draft.kind)
        return draft.name in self._names[draft.kind]

    def _read(self, kind: Kind) -> Collection[str]:
        match kind:
            case "prompt" | "input":
                return self._lab.workspace.prompt_names()
            case "example" | "setting":
                return self._lab.evalset_names()
            case "review":
                with contextlib.suppress(PromptlabError):  # said where runs are listed; what is unknown stays on disk
                    return {run.id for run in self._lab.runs()}
                return ()


def named(draft: Draft) -> str:
    """What a draft is, in a few words: ``the form of t1``."""
    match draft.kind:
        case "setting":
            return f"the form of {setting_name(draft.id)}"
        case "review":
            kind, _, example = draft.id.split(" ", 2)
            return f"the {kind} on {one_line(example)}"
        case _:
            return f"the form of {one_line(draft.id or 'a new example')}"


def setting_name(id: str) -> str:
    """What a line of the settings is called: ``alpha`` of ``decision/alpha``, ``metric`` of ``metrics/2``."""
    return id.removeprefix("decision/").partition("/")[0].replace("metrics", "metric").replace("rails", "rail")


def _same(drafts: list[Draft], kept: list[Draft] | None) -> bool:
    """Whether they say the same, whenever it was typed. Before the first writing it is not known what is there."""
    return kept is not None and [_said(one) for one in drafts] == [_said(one) for one in kept]


def _said(draft: Draft) -> tuple[object, ...]:
    return draft.place, draft.text, draft.fields

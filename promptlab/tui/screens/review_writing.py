"""What is written about a case on Review: notes and corrections, kept while they are typed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal

from promptlab.errors import PromptlabError
from promptlab.tui.background import in_thread
from promptlab.tui.safe import one_line
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.form import Field, Form

if TYPE_CHECKING:
    from promptlab.lab import RunTable
    from promptlab.lab.reviewing import Task
    from promptlab.lab.sittings import Draft, Place
    from promptlab.tui.screens.review import ReviewScreen
    from promptlab.tui.screens.review_modes import Mode

Written = Literal["note", "correction"]
_ASKED = "asked"
"""What of a draft says which question was asked; no field of the form."""


class Writing:
    """The form to write in, and what a sitting before has left of one."""

    def __init__(self, screen: ReviewScreen) -> None:
        self._screen = screen

    async def ask(self, kind: Written, task: Task) -> None:
        """Have a note about a case, or what the answer should have been, written."""
        screen = self._screen
        mode, table = screen.mode, screen.table
        if mode is None or table is None:
            return
        keeping, place = screen.session.keeping, _place(kind, table.run, task)
        id = one_line(task.example.id)

        async def save(texts: Mapping[str, str]) -> str:
            text = texts["text"]
            return await self._store(task, mode, table, kind, text) if text.strip() else "It says nothing."

        def keep(typed: Mapping[str, str]) -> None:
            keeping.typed(place, {**typed, _ASKED: mode.name} if typed else typed)

        if kind == "note":
            title, field = f"Note ({id})", Field("text", "note", "", "Enter stores it")
        else:
            title, field = f"The right answer ({id})", Field("text", "answer", task.left, _SHOULD, lines=True)
        if await app_of(screen).push_screen_wait(Form(title, [field], save, keeping.fields(place), keep)):
            screen.session.say(f"{kind} stored")

    async def _store(self, task: Task, mode: Mode, table: RunTable, kind: Written, text: str) -> str:
        """Store a text. Gives the sentence that says why it could not be, or ""."""
        from promptlab.lab.reviewing import add

        screen = self._screen
        review = task.review(kind, screen.by, metric=mode.metric, text=text)
        lab = await screen.session.lab()
        try:
            await in_thread(partial(add, lab, table.evalset, [review]))
        except PromptlabError as fault:
            return str(fault)
        return ""

    async def take_up(self) -> None:
        """Open what was being written when the program ended, one after the other, each at its case."""
        for draft in await self._screen.session.keeping.left("review"):
            kind = "note" if draft.id.startswith("note ") else "correction"
            task = await self._screen.find(draft.name, draft.fields.get(_ASKED, ""), partial(_is_of, draft, kind))
            if task is not None:
                await self.ask(kind, task)


_SHOULD = "what it should have been"


def _place(kind: Written, run: str, task: Task) -> Place:
    from promptlab.workspace.reviews import answer_hash

    return "review", run, f"{kind} {answer_hash(task.answer)} {task.example.id}"


def _is_of(draft: Draft, kind: Written, task: Task) -> bool:
    return _place(kind, draft.name, task) == draft.place

"""Editing the prompt of a column on Compare: the text is the one that Prompts edits, and is kept as it is there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.timer import Timer

from promptlab.errors import PromptlabError
from promptlab.runs.values import Variant
from promptlab.tui.background import in_thread
from promptlab.tui.safe import one_line, plain
from promptlab.tui.screens.buffers import wording_start
from promptlab.tui.screens.preview import look
from promptlab.tui.typed import app_of, prompts_screen
from promptlab.tui.widgets.dialog import Answer, Question
from promptlab.tui.widgets.editor import Editor
from promptlab.tui.widgets.textview import Piece

if TYPE_CHECKING:
    from promptlab.tui.screens.compare import CompareScreen

CHECK_AFTER = 0.15
"""Seconds of quiet after which a text that is being typed is checked."""


class Rewriting:
    """What the Compare screen does to edit a prompt."""

    def __init__(self, screen: CompareScreen) -> None:
        self._screen = screen
        self._name = ""
        self._ran: tuple[str, str] | None = None
        self._complaint = ""
        self._check: Timer | None = None

    @property
    def open(self) -> bool:
        """Whether a prompt is being edited."""
        return bool(self._name)

    @property
    def _editor(self) -> Editor:
        return self._screen.query_one(Editor)

    def stale_note(self, column: str) -> str:
        """What the title of the column says when its answer is of an earlier text than that in the editor."""
        mine = self.open and column == self._screen.column
        return " · of an earlier text" if mine and self._ran != (self._name, self._editor.text) else ""

    # -- beginning and ending -------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Open the prompt of the chosen column. An old version stays as it is: its text can be taken as a start."""
        screen = self._screen
        sheet = screen.sheet
        if sheet is None or self.open:
            return
        variant = sheet.variant(screen.column)
        buffer = await prompts_screen(screen).buffer(variant.prompt)
        if buffer is None:
            return
        text = await self._old_text(variant, buffer.text)
        if text is None:
            return
        editor = self._editor
        if not editor.open(buffer.text):
            screen.session.say(f"{buffer.saved.path} has mixed line ends, so it is not edited here.", bad=True)
            return
        self._name = variant.prompt
        self._ran = (self._name, text) if await self._is_text_of(variant, text) else None
        if text != buffer.text:
            editor.swap(text)
            self.typed()  # at once: the screen, being seen again, shows the text as Prompts has it
        editor.border_title = plain(one_line(buffer.saved.path))
        editor.move_cursor(wording_start(text))
        screen.editing_changed()

    async def _is_text_of(self, variant: Variant, text: str) -> bool:
        """Whether the column's answers are of this text."""
        lab = await self._screen.session.lab()
        try:
            return (await in_thread(partial(lab.parse, variant.prompt, text))).content == variant.content
        except PromptlabError:
            return False  # what is wrong with it is said when it is checked

    async def _old_text(self, variant: Variant, now: str) -> str | None:
        """The text to begin with: the working copy, or that of an old version; None when the person leaves it."""
        screen = self._screen
        lab = await screen.session.lab()
        if "@" not in variant.subject or variant.version == "*":
            return now
        try:
            old = await in_thread(partial(lab.restore, variant.prompt, variant.content))
        except PromptlabError as fault:
            screen.session.say(str(fault), bad=True)
            return None
        if old == now:
            return now
        label = one_line(f"{variant.prompt}@{variant.version}")
        body = [
            Piece(
                f"{label} is committed and stays as it is. What you edit is the working copy of {variant.prompt}.\n\n"
            ),
            Piece(
                "Begin with its text as it is now, or with the text of this version? ctrl+z brings the other back."
            ),
        ]
        answers = [Answer("now", "W", "Working copy"), Answer("old", "V", f"Text of {variant.version}")]
        chosen = await app_of(screen).push_screen_wait(Question(f"Edit {variant.prompt}", body, answers))
        return {"now": now, "old": old}.get(chosen)

    def close(self) -> None:
        """Back to all columns. The text stays as it is, here and in Prompts."""
        self._name = ""
        self._say("")
        self._screen.editing_changed()

    # -- keys of the editor -----------------------------------------------------------------------------------

    async def do(self, what: str) -> None:
        """Do what a key of the editor asked for."""
        screen, name = self._screen, self._name
        prompts = prompts_screen(screen)
        match what:
            case "save":
                await prompts.saving.save(name)
            case "external":
                await prompts.saving.edit_outside(name)
            case "run":
                await self._run()
            case _:
                self.close()
        self.follow()

    async def _run(self) -> None:
        screen, sheet = self._screen, self._screen.sheet
        if sheet is None:
            return
        name, text, model = self._name, self._editor.text, sheet.variant(screen.column).model
        job = await screen.running.here(rewritten=screen.column)
        if job is None:
            return
        self._ran = (name, text)
        mine = [v for v in job.table.variants if v.prompt == name and "@" not in v.subject]
        column = next((v.column for v in mine if v.model == model), mine[0].column if mine else screen.column)
        screen.choose_column(column)

    # -- the text -----------------------------------------------------------------------------------------------

    def typed(self) -> None:
        """Tell Prompts the text as it stands, and check it soon."""
        prompts = prompts_screen(self._screen)
        if self.open and prompts.draft(self._name, self._editor.text):
            self._screen.painting.soon()
            if self._check is not None:
                self._check.stop()
            self._check = self._screen.set_timer(CHECK_AFTER, self._start_look)

    def follow(self) -> None:
        """Show the text as it stands, where another screen, editor or program has changed it."""
        buffer = prompts_screen(self._screen).buffers.get(self._name)
        if buffer is not None and buffer.text != self._editor.text:
            self._editor.swap(buffer.text)

    async def reread(self, paths: tuple[str, ...]) -> None:
        """Take in the file where another program changed it."""
        await prompts_screen(self._screen).saving.reread(paths)
        self.follow()

    def _start_look(self) -> None:
        self._screen.run_worker(self._look, group="look", exclusive=True)

    async def _look(self) -> None:
        screen, sheet = self._screen, self._screen.sheet
        if sheet is None or not self.open:
            return
        lab = await screen.session.lab()
        example = sheet.example(screen.example)
        seen = await in_thread(partial(look, lab, self._name, self._editor.text, example))
        self._say(seen.sentence)

    def _say(self, sentence: str) -> None:
        """Say what is wrong with the text; take that back when nothing is."""
        session = self._screen.session
        if sentence or (self._complaint and session.said == self._complaint):
            session.say(sentence, bad=bool(sentence))
        self._complaint = sentence

"""Saving a prompt that another editor may have changed meanwhile: both texts are kept and shown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.lab.values import Conflict, FileText
from promptlab.tui.background import in_thread
from promptlab.tui.external import edit_outside
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.dialog import Answer, Question
from promptlab.tui.widgets.textview import Piece, diff_pieces

if TYPE_CHECKING:
    from promptlab.tui.screens.prompts import PromptsScreen


class Saving:
    """What the Prompts screen does to put a text on disk."""

    def __init__(self, screen: PromptsScreen) -> None:
        self._screen = screen

    async def save(self, name: str) -> bool:
        """Write a prompt's text; on a conflict ask which of the two texts to go on with. Whether it is written."""
        screen = self._screen
        buffer = screen.buffers.get(name)
        if buffer is None:
            return False
        if not buffer.edited:
            screen.session.say("nothing to save")
            return False
        lab = await screen.session.lab()
        stamp = buffer.saved.stamp
        while True:
            text = buffer.text
            try:
                answer = await in_thread(partial(lab.save_file, name, text, stamp))
            except PromptlabError as fault:
                screen.session.say(str(fault), bad=True)
                return False
            if isinstance(answer, FileText):
                buffer.saved = answer
                screen.show_row_marks()
                screen.session.say(f"saved {answer.path}")
                return True
            if not await self._mine(name, answer):
                return False
            stamp = answer.theirs.stamp

    async def _mine(self, name: str, conflict: Conflict) -> bool:
        """Ask; True to write the text here over the other one. The other text is one undo away, either way."""
        screen = self._screen
        theirs = conflict.theirs
        choice = await app_of(screen).push_screen_wait(
            Question(
                f"{theirs.path} was changed by another program",
                await _difference(theirs.text, conflict.mine),
                [Answer("mine", "M", "Save mine"), Answer("theirs", "T", "Take theirs")],
                cancel="Go on editing",
            )
        )
        # The list may have moved on to another prompt while the file was looked at: the editor shows that one.
        here = screen.current == name
        buffer = screen.buffers[name]
        if choice == "mine":
            if here:
                screen.editor.swap(theirs.text)
                screen.editor.swap(conflict.mine)
            return True
        if choice == "theirs":
            buffer.saved, buffer.text = theirs, theirs.text
            if here:
                screen.editor.swap(theirs.text)
            screen.show_row_marks()
            screen.session.say("Took the text on disk. ctrl+z in the editor brings yours back.")
        return False

    async def edit_outside(self, name: str) -> None:
        """Have a prompt's text edited in the person's own editor, take what it gives back, and save it."""
        screen = self._screen
        buffer = screen.buffers.get(name)
        if buffer is None:
            return
        try:
            text = edit_outside(buffer.text, buffer.saved.path.rpartition("/")[2], app_of(screen).suspend)
        except PromptlabError as fault:
            screen.session.say(str(fault), bad=True)
            return
        if text == buffer.text:
            return
        if name == screen.current and not screen.editor.read_only:
            screen.editor.swap(text)
            screen.look_soon(0)
        buffer.text = text
        if name == screen.current and screen.editor.read_only:
            screen.show_buffer()
        await self.save(name)

    async def reread(self, paths: tuple[str, ...]) -> None:
        """Take in files that changed on disk. A text that is being edited stays as it is."""
        screen = self._screen
        lab = await screen.session.lab()
        for name, buffer in list(screen.buffers.items()):
            if buffer.saved.path not in paths:
                continue
            try:
                now = await in_thread(partial(lab.read_file, name))
            except PromptlabError as fault:
                screen.session.say(f"{fault} The text in the editor is still here: ctrl+s writes it.", bad=True)
                continue
            before = buffer.text
            if not buffer.reread(now):
                screen.session.say(f"{now.path} changed on disk too: saving will show both texts.", bad=True)
            elif name == screen.current and buffer.text != before:
                screen.editor.swap(buffer.text)
                screen.show_row_marks()
                screen.session.say(f"{now.path} changed on disk and was read again")


async def _difference(theirs: str, mine: str) -> list[Piece]:
    from promptlab.compare.words import word_diff

    spans = await in_thread(partial(word_diff, theirs, mine))
    note = "[-only in the text on disk-]{+only in yours+}\n\n"
    return [Piece(note, "dim"), *diff_pieces(spans)]

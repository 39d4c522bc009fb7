"""The Prompts screen: choose a prompt, edit it, see what it sends, try it on a few examples."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import TextArea

from promptlab.errors import PromptlabError
from promptlab.lab.values import PromptRow
from promptlab.tui.actions import bindings
from promptlab.tui.background import in_thread
from promptlab.tui.safe import one_line, plain
from promptlab.tui.screens.buffers import Buffer, wording_start
from promptlab.tui.screens.committing import commit_prompt
from promptlab.tui.screens.drafting import restore
from promptlab.tui.screens.filling import Filling
from promptlab.tui.screens.page import Page, pane
from promptlab.tui.screens.pasts import Pasts
from promptlab.tui.screens.picking import find_prompt
from promptlab.tui.screens.preview import Look, look, preview_pieces
from promptlab.tui.screens.prompt_rows import COLUMNS, PromptRows
from promptlab.tui.screens.saving import Saving
from promptlab.tui.screens.trial import LOOP, no_candidate
from promptlab.tui.screens.trying import Ready, Trying
from promptlab.tui.session import Session
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.dialog import Ask
from promptlab.tui.widgets.editor import Editor
from promptlab.tui.widgets.textview import TextView
from promptlab.tui.widgets.virtual_table import VirtualTable

CHECK_AFTER = 0.15
"""Seconds of quiet after which a text that is being typed is checked."""
VIEWS = ("editor", "preview", "trial")
NO_PROMPTS = "No prompt yet: press n to create one."
NO_EXAMPLES = "There is no example to try it on. i types an input, a then makes an eval set of it."


class PromptsScreen(Page):
    """List on the left; editor and preview beside each other; the trial below."""

    MODE = "prompts"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("prompts")]
    PROSE: ClassVar[dict[str, str]] = {
        "": "Prompts: choose one, edit it, see what it sends, try it.",
        "list": "The prompts, chains (») and judges of this workspace. ● is edited and not saved, ○ is saved and not "
        "committed, ◌ a chain of which only what it uses is edited, ! does not load. The trend is the mean score of "
        "each version that a saved run has measured.",
        "editor": "The prompt's file, as it is. What is wrong with it is said below as you type. "
        "ctrl+r tries the text as it stands, saved or not.",
        "preview": "What a model would be sent, filled with one example's variables. [ and ] choose the example; "
        "i types an input of your own, which the trial takes, too, and a adds it to the eval set.",
        "trial": "Outputs of the text in the editor, beside those of its last version where they differ, on five "
        "examples from the one in the preview on. Nothing of a trial is kept; R makes a run that is.",
    }

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.saving = Saving(self)
        self.trying = Trying(self)
        self.pasts = Pasts(self)
        self.buffers: dict[str, Buffer] = {}
        self.current = ""
        self._rows: list[PromptRow] = []
        self.filling = Filling(self)
        self._seen = Look(None)
        self._complaint = ""
        self._check: Timer | None = None

    def panes(self) -> Iterable[Widget]:
        """List, editor, preview, trial."""
        yield Horizontal(
            pane(VirtualTable(COLUMNS, id="list"), "Prompts"),
            Vertical(
                Horizontal(
                    pane(Editor(id="editor"), "editor"), pane(TextView(id="preview"), "preview"), id="writing"
                ),
                pane(TextView(id="trial", empty=LOOP), "trial"),
                id="work",
            ),
        )

    @property
    def list(self) -> VirtualTable:
        """The list of prompts."""
        return self.query_one("#list", VirtualTable)

    @property
    def editor(self) -> Editor:
        """The editor of the file."""
        return self.query_one(Editor)

    # -- loading ------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Read the workspace as soon as it is open."""
        self.view("editor")
        self.list.focus()
        self.watch(self.list, "scroll_y", self.pasts.look, init=False)
        self.run_worker(self._load, group="load")

    async def _load(self) -> None:
        await self.filling.load()
        await restore(self)
        await self._load_rows()

    async def _load_rows(self) -> None:
        lab = await self.session.lab()
        self._rows = await in_thread(lab.prompts)
        self.show_row_marks()
        if not self._rows:
            self.query_one("#preview", TextView).show([])
        elif not self.current:
            self.list.select(self.session.prompt or lab.settings.defaults.prompt or "")
            await self._open(self.list.row_key)
        self.call_after_refresh(self._listed)

    def _listed(self) -> None:
        self.session.listed.set()
        self.pasts.look()

    def seen_names(self) -> list[str]:
        """The prompts that are seen now: the one that is shown, and the rows of the list."""
        return list(dict.fromkeys(filter(None, (self.current, *self.list.shown_keys))))

    def show_row_marks(self) -> None:
        """Draw the list again: a text was changed, saved or reread."""
        self.session.unsaved = {name for name, buffer in self.buffers.items() if buffer.edited}
        self.list.set_rows(PromptRows(self._rows, self.pasts.known, self.session.unsaved), empty=NO_PROMPTS)
        self.session.keeping.soon()
        self._titles()

    def _titles(self) -> None:
        buffer = self.buffers.get(self.current)
        path = one_line(buffer.saved.path) if buffer else "no file"
        self.editor.border_title = plain(path)
        state = "read only: mixed line ends, ^g edits" if self.editor.read_only and buffer else ""
        past = self.pasts.known.get(self.current)
        version = (past.edited.removeprefix("edited, ") or past.current) if past else ""
        self.editor.border_subtitle = plain(state or ("edited" if buffer and buffer.edited else version))

    # -- choosing and editing -----------------------------------------------------------------------------

    @on(VirtualTable.Moved, "#list")
    def _moved(self, event: VirtualTable.Moved) -> None:
        self.run_worker(partial(self._open, event.control.row_key), group="open", exclusive=True)

    @on(VirtualTable.Opened, "#list")
    def _chosen(self) -> None:
        self.action_edit()

    async def _open(self, name: str) -> None:
        if name and name != self.current and await self.buffer(name):
            self.current = self.session.prompt = name
            self.show_buffer()

    async def buffer(self, name: str) -> Buffer | None:
        """The text of a prompt as it is being edited, read first where it is not yet; None, said, if it cannot be."""
        if name not in self.buffers:
            lab = await self.session.lab()
            try:
                file = await in_thread(partial(lab.read_file, name))
            except PromptlabError as fault:
                self.session.say(str(fault), bad=True)
                return None
            self.buffers.setdefault(name, Buffer(file, file.text))
        return self.buffers[name]

    def show_buffer(self) -> None:
        """Show the current prompt's text in the editor, and check it."""
        text = self.buffers[self.current].text
        self.editor.open_edited(text, self.buffers[self.current].saved.text)
        self.editor.move_cursor(wording_start(text))
        self.filling.own = False
        self.filling.forget()
        self._titles()
        self.look_soon(0)

    async def take(self, name: str, text: str) -> None:
        """Put a text, such as an old version, into the editor of a prompt; ctrl+z brings the other one back."""
        self.list.select(name)
        await self._open(name)
        if self.current == name:
            self.editor.swap(text)
            self._typed()  # at once: the screen, being seen again, shows the text as it is known
            self.action_edit()

    @on(TextArea.Changed, "#editor")
    def _typed(self) -> None:
        known = self.current in self.buffers and not self.editor.read_only
        if known and self.draft(self.current, self.editor.text):
            self.look_soon(CHECK_AFTER)

    def draft(self, name: str, text: str) -> bool:
        """Take the text of a prompt as it stands in an editor, here or on another screen; False if it was that."""
        if (buffer := self.buffers[name]).text == text:
            return False
        buffer.text = text
        self.session.keeping.soon()
        if buffer.edited != (name in self.session.unsaved):
            self.show_row_marks()
        return True

    @property
    def drafts(self) -> dict[str, str]:
        """Prompt name to text that is not saved."""
        return {name: buffer.text for name, buffer in self.buffers.items() if buffer.edited}

    # -- checking -----------------------------------------------------------------------------------------

    def look_soon(self, delay: float) -> None:
        """Check and preview the text that is shown, after so many seconds without another one."""
        if self._check is not None:
            self._check.stop()
        self._check = self.set_timer(max(delay, 0.001), self._start_look)

    def _start_look(self) -> None:
        self.run_worker(self._look, group="look", exclusive=True)

    async def _look(self) -> None:
        buffer = self.buffers.get(self.current)
        if buffer is None:
            return
        lab = await self.session.lab()
        name, text = self.current, buffer.text
        filling = self.filling
        if filling.evalset is None:
            filling.choose(await in_thread(partial(look, lab, name, text, None)))
        self._seen = await in_thread(partial(look, lab, name, text, filling.example, self.trying.tried(name)))
        preview = self.query_one("#preview", TextView)
        preview.show(preview_pieces(self._seen, filling.evalset, filling.at, filling.input), keep_place=True)
        self._complain(self._seen.sentence)
        self.trying.title()

    def _complain(self, sentence: str) -> None:
        if app_of(self).screen is not self:
            self._complaint = sentence  # said when it is about what is seen
            return
        if sentence or (self._complaint and self.session.said == self._complaint):
            self.session.say(sentence, bad=bool(sentence))
        self._complaint = sentence

    async def ready(self) -> Ready | None:
        """What there is to run, as it stands in the editor; None, said, when there is nothing."""
        await self._look()
        if self._seen.prompt is None:
            self.session.say(self._seen.sentence or NO_PROMPTS, bad=True)
        elif refusal := no_candidate(self._seen.prompt):
            self.session.say(refusal, bad=True)
        elif (cases := self.filling.evalset) is None or not cases.examples:
            self.session.say(NO_EXAMPLES, bad=True)
        else:
            at, own, past = self.filling.at, self.filling.input, self.pasts.known.get(self.current)
            return Ready(self._seen.prompt, past, cases, at, self.drafts, own)
        return None

    # -- what the app tells -------------------------------------------------------------------------------

    def files_changed(self, paths: tuple[str, ...]) -> None:
        """Read again what changed; a text that is being edited stays."""
        self.run_worker(partial(self._reread, paths), group="reread")

    async def _reread(self, paths: tuple[str, ...]) -> None:
        if any(path.startswith("evalsets/") for path in paths):
            await self.filling.load()
            self.look_soon(0)
        if any(path.startswith("prompts/") for path in paths):
            await self.saving.reread(paths)
            await self._load_rows()
            self.pasts.anew()

    def on_screen_resume(self) -> None:
        """Show the prompt that another screen is about."""
        if self.session.prompt != self.current:
            self.list.select(self.session.prompt)
        buffer = self.buffers.get(self.current)
        if buffer is not None and not self.editor.read_only and buffer.text != self.editor.text:
            self.editor.swap(buffer.text)  # it was edited on another screen
            self.look_soon(0)
        self._complain(self._complaint)
        self.call_after_refresh(self.pasts.look)

    def on_resize(self, event: Resize) -> None:
        """Other rows of the list may be seen. The page's own is called besides."""
        self.call_after_refresh(self.pasts.look)

    def history_changed(self) -> None:
        """Versions and trends may be others now."""
        self.pasts.anew()

    # -- actions ------------------------------------------------------------------------------------------

    def on_editor_asked(self, event: Editor.Asked) -> None:
        """Do what a key of the editor asked for."""
        match event.what:
            case "save":
                self.action_save()
            case "run":
                self.action_run()
            case "external":
                self.run_worker(partial(self.saving.edit_outside, self.current), group="save", exclusive=True)
            case _:
                self.list.focus()

    def action_edit(self) -> None:
        """Put the focus into the editor."""
        if self.current:
            self.view("editor")
            self.editor.focus()

    def action_run(self) -> None:
        """Try the text on a few examples."""
        self.run_worker(self.trying.trial, group="trial", exclusive=True)

    def action_run_all(self, until_clear: bool = False) -> None:
        """Ask what to run, and run it."""
        self.run_worker(partial(self.trying.ask, until_clear), group="ask", exclusive=True)

    def action_save(self) -> None:
        """Write the text to its file."""
        self.run_worker(partial(self.saving.save, self.current), group="save", exclusive=True)

    def action_commit(self) -> None:
        """Commit the prompt, after showing what changed and a message."""
        if self.current:
            self.run_worker(partial(commit_prompt, self, self.current), group="ask", exclusive=True)

    def action_previous_example(self) -> None:
        self._step(-1)

    def action_next_example(self) -> None:
        self._step(1)

    def _step(self, step: int) -> None:
        self.filling.step(step)
        self.look_soon(0)

    def action_input(self) -> None:
        """Type values for the variables."""
        if self._seen.prompt is not None and self._seen.prompt.judge is None:
            self.run_worker(partial(self.filling.ask, self._seen), group="ask", exclusive=True)
        else:
            self.session.say(self._seen.sentence or "A judge is filled with the answer that it grades.", bad=True)

    def action_add(self) -> None:
        """Make an example of the input that was typed."""
        self.run_worker(self.filling.add, group="ask", exclusive=True)

    def action_find(self) -> None:
        """Go to a prompt by a part of its name."""
        self.run_worker(partial(find_prompt, self, [row.name for row in self._rows]), group="ask", exclusive=True)

    def action_new(self) -> None:
        """Create a prompt."""
        self.run_worker(self._new, group="ask", exclusive=True)

    async def _new(self) -> None:
        lab = await self.session.lab()
        hint = "Letters, digits, - and _; / makes a folder, such as judges/tone."

        def check(name: str) -> str:
            return f"There is already a prompt “{name}”." if name in {row.name for row in self._rows} else ""

        name = await app_of(self).push_screen_wait(Ask("Name of the new prompt", hint, check))
        if not name:
            return
        try:
            file = await in_thread(partial(lab.new_prompt, name))
        except PromptlabError as fault:
            self.session.say(str(fault), bad=True)
            return
        await self._load_rows()
        self.list.select(name)
        await self._open(name)
        self.session.say(f"created {file.path}")
        self.action_edit()

    def action_view(self) -> None:
        """Show the next of editor, preview and trial, and put the focus there; e goes into the editor."""
        at = next(index for index, view in enumerate(VIEWS) if self.query_one(f"#{view}").has_class("-current"))
        view = VIEWS[(at + 1) % len(VIEWS)]
        self.view(view)
        # Not into the editor: there the next v would be typed into the prompt.
        (self.list if view == "editor" else self.query_one(f"#{view}")).focus()

    def view(self, view: str) -> None:
        """Show a pane: on a narrow terminal instead of the others."""
        # Classes on the panes, not on the screen: that would style every widget of the screen anew.
        for name in VIEWS:
            self.query_one(f"#{name}").set_class(name == view, "-current")
        self.query_one("#writing").set_class(view != "trial", "-current")

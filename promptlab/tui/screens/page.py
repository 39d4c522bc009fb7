"""What every screen is built on: the three lines, the help panel, the sentence for a terminal that is too small."""

from __future__ import annotations

import textwrap
from abc import ABCMeta, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.events import Resize
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from promptlab.errors import PromptlabError
from promptlab.tui.background import in_thread
from promptlab.tui.safe import plain
from promptlab.tui.session import Session
from promptlab.tui.typed import app_of, on_bindings_changed
from promptlab.tui.widgets.chrome import FooterLine, HeaderLine, StatusLine, Tab, live_actions
from promptlab.tui.widgets.dialog import Answer, Question
from promptlab.tui.widgets.textview import Piece, TextView

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.lab.values import RunRequest
    from promptlab.tui.job import Job

TABS = (
    Tab("prompts", "1", "Prompts"),
    Tab("compare", "2", "Compare"),
    Tab("results", "3", "Results"),
    Tab("diff", "4", "Diff"),
    Tab("history", "5", "History"),
    Tab("evals", "6", "Evals"),
    Tab("models", "7", "Models"),
    Tab("review", "8", "Review"),
)
LEAST = (60, 15)
"""Columns and lines below which a screen says that it needs more."""

_HELP_WIDTH = 44
_KEY_WIDTH = 12


def pane(widget: Widget, title: str) -> Widget:
    """A widget with a frame and a title."""
    widget.add_class("pane")
    widget.border_title = plain(title)
    return widget


class HelpPanel(TextView):
    """What the focused pane is for, and the keys that work in it."""


class _AbstractScreen(ABCMeta, type(Screen)):
    """What screens are classes of, with abstract methods: a screen that lacks one of them cannot be made."""


class Page(Screen[None], metaclass=_AbstractScreen):
    """A screen of the program.

    Attributes:
        MODE: Its name in the tabs.
        PROSE: Widget id to a few lines that say what the pane is for; "" is the screen itself.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close_help", "Close the help", show=False, priority=True),
    ]
    MODE: ClassVar[str] = ""
    PROSE: ClassVar[dict[str, str]] = {}

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._helped: Widget | None = None

    @abstractmethod
    def panes(self) -> Iterable[Widget]:
        """The panes between header and status line."""

    def compose(self) -> ComposeResult:
        """Lay out the lines around the panes."""
        yield HeaderLine(TABS)
        with Horizontal(id="main"):
            yield Container(*self.panes(), id="panes")
            yield HelpPanel(id="help")
        yield Static(plain("promptlab needs 60 columns and 15 lines. Make the window larger."), id="too-small")
        yield StatusLine()
        yield FooterLine(self._way_back)

    def on_mount(self) -> None:
        """Draw the lines, and keep the help in step with the focus."""
        on_bindings_changed(self, self._help)
        self.refresh_chrome()

    def on_screen_resume(self) -> None:
        """Draw what changed while another screen was shown."""
        self.refresh_chrome()

    def on_screen_suspend(self) -> None:
        """Close the help: it is about what was done here, and covers what is wanted on the way back."""
        if self.helping:
            self.toggle_help()

    async def _message_loop_exit(self) -> None:
        """End what the screen is reading before its panes go: it would look for them to show what it read."""
        self.workers.cancel_node(self)  # pyright: ignore[reportUnknownMemberType]  # Worker[Unknown]
        await super()._message_loop_exit()

    def on_resize(self, event: Resize) -> None:
        """Say so when the terminal is too small for anything."""
        self.set_class(event.size.width < LEAST[0] or event.size.height < LEAST[1], "-too-small")

    def refresh_chrome(self) -> None:
        """Draw header, status line and footer for what the session says now."""
        if not self.is_mounted:
            return
        header = self.query_one(HeaderLine)
        header.place, header.current = self.session.place, self.MODE
        self.refresh_status()
        footer = self.query_one(FooterLine)
        footer.without = {*(["git"] if self.session.history_problem else ()), *self.without}
        footer.refresh()

    def refresh_status(self) -> None:
        """Draw the status line alone: a run gets on ten times a second, and moves no key or place."""
        if self.is_mounted:
            status = self.query_one(StatusLine)
            status.said = self.session.said
            status.running = self.session.job.line if self.session.job else ""
            status.set_class(self.session.bad, "-bad")

    @property
    def without(self) -> Collection[str]:
        """Ids of actions that the footer does not offer now: there is nothing that they could be about."""
        return ()

    # -- what the app tells a screen ----------------------------------------------------------------------

    def files_changed(self, paths: tuple[str, ...]) -> None:
        """Files of the workspace changed on disk; paths are relative to its root."""

    def job_ended(self, job: Job) -> None:
        """A run has ended."""

    def history_changed(self) -> None:
        """HEAD moved, or a run was saved."""

    def copyable(self) -> dict[str, str]:
        """What the copy menu offers: name to text. The texts of the panes, and what was said."""
        texts: dict[str, str] = {}
        for view in self.query("#panes *").results(Widget):
            if isinstance(view, TextView | TextArea) and view.display and view.text.strip():
                texts[str(view.border_title or view.id or "text")] = view.text
        return {**texts, "what was said": self.session.said} if self.session.said else texts

    # -- one pane at a time -------------------------------------------------------------------------------

    @property
    def zoomed(self) -> bool:
        """Whether one pane has the whole screen."""
        return bool(self.query("#panes .-zoomed"))

    def zoom(self, pane: Widget) -> None:
        """Give a pane all the room between header and status line, whatever the layout says."""
        self.unzoom()
        node = pane
        while node.id != "panes" and isinstance(node.parent, Widget):
            node.add_class("-zoomed")
            for sibling in node.parent.children:
                sibling.set_class(sibling is not node, "-hidden")
            node = node.parent
        self.refresh_bindings()

    def unzoom(self) -> None:
        """Give the other panes their room back."""
        for node in self.query("#panes .-zoomed, #panes .-hidden"):
            node.remove_class("-zoomed", "-hidden")
        self.refresh_bindings()

    def action_zoom(self) -> None:
        """Give the focused pane the whole screen, or give it back."""
        if self.zoomed:
            self.unzoom()
        elif self.focused is not None and self.focused.has_class("pane"):
            self.zoom(self.focused)

    def go_back(self) -> bool:
        """Go back one level inside the screen; False when it is at its outermost."""
        zoomed = self.zoomed
        self.unzoom()
        return zoomed

    # -- starting a run -----------------------------------------------------------------------------------

    def occupied(self) -> bool:
        """Whether a run is going on, which is then said: nobody is to fill in a dialog for another one in vain."""
        if self.session.busy:
            self.session.say("A run is going on: x stops it.", bad=True)
        return self.session.busy

    async def begin(self, request: RunRequest, drafts: dict[str, str], *, scratch: bool = False) -> Job | None:
        """Plan a run and start it; None when something is wrong with it, which the status line then says.

        Args:
            drafts: Prompt name to unsaved text that is used in place of its file.
            scratch: A trial: nothing of it is kept.
        """
        from promptlab.tui.job import Job
        from promptlab.tui.screens.spending import agreed

        if self.occupied():
            return None
        lab = await self.session.lab()
        self.session.say("planning …")
        try:
            if not await self.trusted(lab, request.models or await in_thread(lab.default_models)):
                self.session.say("Not started: the endpoint is not trusted.")
                return None
            await self._ask_about_code(lab)
            # With its table, in a thread: both take time that grows with the examples.
            job = await in_thread(lambda: Job(lab, lab.plan(request, drafts), scratch=scratch))
            if not scratch and not await agreed(self, lab, job.plan):
                self.session.say("Not started. What was asked for the estimate is kept in the cache.")
                return None
        except PromptlabError as fault:
            self.session.say(str(fault), bad=True)
            return None
        if self.session.busy:
            self.session.say("Another run began meanwhile: x stops it.", bad=True)
            return None
        self.session.start(job)
        return job

    def action_limits(self) -> None:
        """Ask for the limits of runs."""
        from promptlab.tui.screens.spending import ask_limits

        self.run_worker(partial(ask_limits, self), group="limits", exclusive=True)

    async def trusted(self, lab: Lab, models: Sequence[str]) -> bool:
        """Ask, once for each endpoint, whether it may be sent the key that its entry names."""
        for entry in await in_thread(lab.untrusted):
            if entry.name not in models:
                continue
            body = (
                f"The model “{entry.name}” sends the key in {entry.api_key_env}, and every prompt, to "
                f"{entry.base_url or entry.model}.\n\nThis comes from promptlab.toml. Trust it only if you know it."
            )
            question = Question("Send a key to this endpoint?", [Piece(body)], [Answer("trust", "T", "Trust it")])
            if await app_of(self).push_screen_wait(question) != "trust":
                return False
            await in_thread(partial(lab.trust, entry))
        return True

    async def _ask_about_code(self, lab: Lab) -> None:
        """Ask, once for each content, whether Python of the workspace may run; without it the plan says why not."""
        for code in await in_thread(lab.untrusted_code):
            body = (
                f"An eval set of this workspace scores answers with {code.file}. It runs as you, with your files.\n\n"
            )
            pieces = [Piece(body), Piece(code.data.decode("utf-8", "replace"), "dim")]
            question = Question("Run this Python?", pieces, [Answer("trust", "T", "Trust it")])
            if await app_of(self).push_screen_wait(question) == "trust":
                await in_thread(partial(lab.trust_code, code))

    # -- help ---------------------------------------------------------------------------------------------

    @property
    def helping(self) -> bool:
        """Whether the help panel is open."""
        return self.has_class("-help")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Esc is the help's only while it is open."""
        return self.helping if action == "close_help" else super().check_action(action, parameters)

    def action_close_help(self) -> None:
        """Close the help panel."""
        self.toggle_help()

    def _way_back(self) -> str:
        """What q does now: one level back, unless there is none."""
        return "back" if self.session.visited or self.helping or self.zoomed else "quit"

    def toggle_help(self) -> None:
        """Open or close the help panel. On a narrow terminal it covers the panes, and has the focus while open."""
        panel = self.query_one(HelpPanel)
        self.refresh_bindings()
        if self.helping:
            self.remove_class("-help")
            if self.focused in (None, panel) and self._helped is not None:
                self._helped.focus()
            return
        self._helped = self.focused
        panel.show(self._help_pieces())
        self.add_class("-help")
        if self.has_class("-narrow"):
            panel.focus()
        self._help_title()

    def _help(self) -> None:
        panel = self.query_one(HelpPanel)
        if self.helping and self.focused not in (None, panel):
            panel.show(self._help_pieces())
            self._help_title()

    def _help_title(self) -> None:
        typing = isinstance(self.focused, Input | TextArea) and not self.has_class("-narrow")
        key = "F1" if typing else "?"
        self.query_one(HelpPanel).border_title = plain(f"help: {key} or Esc closes it")

    def _help_pieces(self) -> list[Piece]:
        where = self.focused.id if self.focused and self.focused.id else ""
        width = min(_HELP_WIDTH, self.size.width - 4)
        indent = " " * _KEY_WIDTH
        pieces = [Piece(self.PROSE.get(where) or self.PROSE.get("", "")), Piece("\n\n")]
        app = app_of(self)
        for action, active in live_actions(self.active_bindings).items():
            known = [each.binding for each in self.active_bindings.values() if each.binding.id == action.id]
            other = [app.get_key_display(each) for each in known if each.key != active.binding.key]
            keys = " ".join([app.get_key_display(active.binding), *(key for key in other if not key.startswith("^"))])
            text = textwrap.fill(action.help, width, initial_indent=indent, subsequent_indent=indent)
            pieces += [Piece(f"{keys:<{_KEY_WIDTH}}", "accent"), Piece(f"{text[_KEY_WIDTH:]}\n")]
        return pieces


class OpeningPage(Page):
    """What is on the screen while the other screens, and the workspace, are being opened."""

    def panes(self) -> Iterable[Widget]:
        """Nothing yet."""
        return ()

"""The terminal program: its screens, its session, and what works everywhere."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Event, InputEvent, Key, Paste
from textual.screen import Screen

from promptlab.errors import HistoryFault, PromptlabError
from promptlab.tui.actions import bindings
from promptlab.tui.asking import ask_copy, ask_jump, ask_undo
from promptlab.tui.background import Seldom, in_thread
from promptlab.tui.clipboard import OSC_52, put, way
from promptlab.tui.early import Early
from promptlab.tui.ending import end_on_signals, end_with_terminal, leaving
from promptlab.tui.external import read_outside
from promptlab.tui.palette import commands
from promptlab.tui.screens import MODES, all_screens, screen_class
from promptlab.tui.screens.page import OpeningPage, Page
from promptlab.tui.session import Session
from promptlab.tui.sweeping import QUIET, Sweeper
from promptlab.tui.tastes import Tastes
from promptlab.tui.widgets.textview import TextView

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.tui.job import Job

WATCH_SECONDS = 1.0
PROGRESS_SECONDS = 0.1
_FUNCTION = re.compile(r"f[0-9]+")


class PromptlabApp(App[int]):
    """The program on one workspace.

    The shell is painted first. The screens, and all that they import, and the workspace are opened after that, in
    a thread: a person sees the program half a second earlier.
    """

    TITLE = "promptlab"
    CSS_PATH = "styles/app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("app")]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal")]  # noqa: RUF012  # typed by the base class
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (20, "-short"), (30, "-tall")]  # noqa: RUF012

    def __init__(self, open_lab: Callable[[], Lab]) -> None:
        self._tastes = Tastes(self)
        super().__init__()
        self.animation_level = "none"
        if self.no_color and self.current_theme.ansi:
            # Under NO_COLOR the ANSI themes draw black on black.
            self.theme = "textual-dark"
        self.session = Session(self._chrome, self._start, self._saved)
        self.fault: PromptlabError | None = None
        self._open_lab = open_lab
        self._watching = False
        self._unread = ""
        self._job_task: asyncio.Task[object] | None = None
        self._modes_open: set[str] = set()
        self._early = Early(self)

    def get_default_screen(self) -> Page:
        """The shell."""
        return OpeningPage(self.session)

    def on_mount(self) -> None:
        """Open the screens and the workspace as soon as the shell is painted."""
        if not self.is_headless:  # without a terminal the signals are whoever's started it
            end_on_signals(self._end)
            end_with_terminal(self._end)
        self.session.say("opening the workspace …")
        self.call_after_refresh(self.run_worker, self._open, group="open")

    def watch_theme(self, name: str) -> None:
        """Keep the colours that a person has chosen."""
        self._tastes.changed(name)

    async def on_event(self, event: Event) -> None:
        """Keys that come too early wait."""
        if isinstance(event, InputEvent):
            self.session.touched = time.monotonic()
        if not isinstance(event, Key | Paste) or event.is_forwarded:
            await super().on_event(event)
        elif not self._early.takes(event):
            await super().on_event(event)
            self._early.follow(event)

    async def _open(self) -> None:
        await in_thread(partial(screen_class, "prompts"))
        for mode in MODES:
            self.add_mode(mode, partial(self._made, mode))  # pyright: ignore[reportUnknownMemberType]  # Screen[Unknown]
        self._modes_open.update(MODES)
        problem = await self._tastes.follow()
        try:
            lab = await in_thread(self._open_lab)
        except PromptlabError as fault:
            self.fault = fault
            self.exit(int(fault.exit_code))
            return
        from promptlab.lab.sittings import Sitting

        sitting = Sitting(lab)
        seat = await in_thread(sitting.seat)
        self.session.evalset = seat.evalset
        if seat.prompt in await in_thread(lab.workspace.prompt_names):
            self.session.prompt = seat.prompt
        there = seat.screen if seat.screen in MODES else "prompts"
        await in_thread(partial(screen_class, there))
        self.switch_mode("prompts")
        self.session.opened(lab, sitting)
        self.action_go(there)
        self.session.say(problem or self.session.greeting, bad=bool(problem))
        await self.session.listed.wait()
        self._early.follow()
        await self._look_at_git(lab)
        await in_thread(all_screens)  # so that none has to be waited for when it is gone to
        self.set_interval(WATCH_SECONDS, self._watch)
        if not self.is_headless:  # else the memory is whoever's started it
            self.set_interval(QUIET, Sweeper(self.session).look)
        await self._recover(lab)

    def _made(self, mode: str) -> Page:
        """A screen for its first visit, with the styles of the moment: none need be parsed again."""
        made = screen_class(mode)(self.session)
        made._css_update_count = self._css_update_count  # pyright: ignore[reportPrivateUsage]  # 30 ms a screen otherwise
        return made

    async def _recover(self, lab: Lab) -> None:
        """Finish what a program that was killed while saving a run has left."""
        try:
            saved = await in_thread(lab.recover)
        except PromptlabError as fault:
            self.session.say(str(fault), bad=True)
            return
        if saved:
            self.session.say(f"finished saving {', '.join(run.tag for run in saved)}")
            self._history_changed()

    async def on_unmount(self) -> None:
        """Keep what was typed; end the run and the models' processes: nothing is left behind."""
        self.session.keeping.now()
        if self._job_task is not None:
            self._job_task.cancel()
            await asyncio.wait([self._job_task])
        lab = self.session.lab_now
        if lab is not None:
            self._sit()
            await lab.close()
        if self.session.sitting is not None:
            self.session.sitting.close()

    def _sit(self) -> None:
        """Remember where this sitting is, for the next one."""
        from promptlab.lab.sittings import Seat

        if self.session.sitting is not None:
            self.session.sitting.sit(Seat(self.current_mode, self.session.prompt, self.session.evalset))

    async def _look_at_git(self, lab: Lab) -> None:
        try:
            self.session.history_problem = await in_thread(lab.history_problem)
            self.session.state = await in_thread(lab.repo_state)
        except HistoryFault as fault:
            self.session.history_problem = str(fault)
        self._chrome()

    async def _look_again(self, lab: Lab) -> None:
        head = self.session.state.head if self.session.state else None
        await self._look_at_git(lab)
        if self.session.state is not None and self.session.state.head != head:
            self._history_changed()

    def _saved(self) -> None:
        """Something was put into git here: the header counts anew, the screens read again."""
        lab = self.session.lab_now
        if lab is not None:
            self.run_worker(partial(self._look_at_git, lab), group="git", exclusive=True)
        self._history_changed()

    def _history_changed(self) -> None:
        for page in self._pages():
            page.history_changed()

    def _watch(self) -> None:
        lab = self.session.lab_now
        if lab is not None and not self._watching:
            self._watching = True
            self.run_worker(partial(self._watch_once, lab), group="watch")

    async def _watch_once(self, lab: Lab) -> None:
        try:
            self._sit()
            changed = await in_thread(lab.watch)
            if "promptlab.toml" in changed:
                self.session.unsay(self._unread)
            if changed:
                await self._look_again(lab)
                for page in self._pages():
                    page.files_changed(changed)
        except PromptlabError as fault:
            self._unread = str(fault)
            self.session.say(self._unread, bad=True)
        finally:
            self._watching = False

    def _pages(self) -> list[Page]:
        """The screens that can be told something; none any more once they are being closed, one after the other."""
        if not self.is_running:
            return []
        return [screen for stack in self._screen_stacks.values() for screen in stack if isinstance(screen, Page)]

    def _chrome(self) -> None:
        if self.is_running and isinstance(self.screen, Page):
            self.screen.refresh_chrome()

    def _progress(self) -> None:
        if self.is_running and isinstance(self.screen, Page):
            self.screen.refresh_status()

    # -- runs ---------------------------------------------------------------------------------------------

    def _start(self, job: Job) -> None:
        self.session.job = job
        if not job.elsewhere:
            job.limits = self.session.limits
        if job.scratch:
            self.session.trial = job
        else:
            self.session.table = job.table
        self.session.say("")
        self.run_worker(partial(self._run, job), group="job")

    async def _run(self, job: Job) -> None:
        self._job_task = asyncio.current_task()
        await job.run(Seldom(self._progress, PROGRESS_SECONDS))
        self.session.say(job.result, bad=bool(job.reason))
        for page in self._pages():
            page.job_ended(job)

    # -- actions ------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what makes sense now."""
        if action == "stop":
            return self.session.running
        if action == "go":
            return parameters[0] in self._modes_open
        if action in ("undo", "git_log"):
            return self.session.lab_now is not None
        return super().check_action(action, parameters)

    def action_go(self, mode: str) -> None:
        """Go to another screen. From there q goes back the way one came, to no screen twice; Prompts is its end."""
        if mode != self.current_mode:
            way = [*self.session.visited, self.current_mode]
            self.session.visited = [] if mode == "prompts" else [one for one in way if one != mode]
            self._switch(mode)

    def _switch(self, mode: str) -> None:
        """Show a screen. What was said was about another one, unless it is how the run in Results went."""
        job = self.session.job
        if job is None or job.scratch or self.session.said != job.result:
            self.session.say("")
        self.switch_mode(mode)

    def action_out(self) -> None:
        """Close the help, else go to the screen before, else quit."""
        if isinstance(self.screen, Page) and self.screen.helping:
            self.screen.toggle_help()
        elif isinstance(self.screen, Page) and self.screen.go_back():
            return
        elif self.session.visited:
            self._switch(self.session.visited.pop())
        else:
            self.action_leave()

    def action_help(self) -> None:
        """Open or close the help panel."""
        if isinstance(self.screen, Page):
            self.screen.toggle_help()

    def action_undo(self) -> None:
        """Undo the last thing that promptlab did, after saying what that does."""
        if isinstance(self.screen, Page):
            self.run_worker(partial(ask_undo, self.screen), group="undo", exclusive=True)

    def action_git_log(self) -> None:
        """Show the git commands that this program ran."""
        from promptlab.tui.screens.reading import GitLog

        if (lab := self.session.lab_now) is not None:
            self.push_screen(GitLog(lab.git_calls))

    def action_stop(self) -> None:
        """Stop the run after the cells in flight."""
        if self.session.job is not None:
            self.session.job.stop()
            self._chrome()

    def action_interrupt(self) -> None:
        """Ctrl-C is what a hand knows: say what does here what it does elsewhere."""
        self.session.say("x stops the run, ctrl+q quits" if self.session.running else "ctrl+q quits")

    def action_leave(self) -> None:
        """Quit; ask first if something would be lost or cut short."""
        question = leaving(self.session)
        if question is None:
            self.exit(0)
        else:
            self.push_screen(question, self._quit)

    def _quit(self, answer: str | None) -> None:
        if answer == "discard":
            self.session.keeping.discard()
        if answer in ("quit", "discard"):
            self.exit(0)
        elif answer == "leave" and self.session.job is not None:
            self.run_worker(self._leave_running(self.session.job), group="leave")

    def _end(self, code: int) -> None:
        """Told to end from outside: leave as by the person's own way, without a question."""
        self.session.keeping.now()  # first: a system that shuts down may not wait for the rest
        self.exit(return_code=code)

    async def _leave_running(self, job: Job) -> None:
        """Stop the run here, have a process of its own go on with it, and quit."""
        from promptlab.lab.detaching import go_on

        job.stop()
        if self._job_task is not None:
            await asyncio.wait([self._job_task])
        lab = await self.session.lab()
        try:
            if job.progress.done < job.progress.total:
                await in_thread(partial(go_on, lab, job.table.run))
        except PromptlabError as fault:
            self.session.say(str(fault), bad=True)
            return
        self.exit(0, message=f"The run goes on: promptlab attach {job.table.run}")

    def on_text_view_copied(self, event: TextView.Copied) -> None:
        """Say that a text was copied, and how."""
        self.session.say(f"copied {event.characters:,} characters ({way()})".replace(",", " "))

    def copy_to_clipboard(self, text: str) -> None:
        """By the tool of the desktop where there is one, else by the terminal."""
        if way() == OSC_52:
            super().copy_to_clipboard(text)
        else:
            self.run_worker(partial(self._copy, text), group="copy")

    async def _copy(self, text: str) -> None:
        if not await in_thread(partial(put, text)):
            super().copy_to_clipboard(text)
            self.session.say(f"{way()} could not copy it: sent to the terminal instead (OSC 52).", bad=True)

    def action_copy_menu(self) -> None:
        """Choose what to copy."""
        if isinstance(self.screen, Page):
            self.run_worker(partial(ask_copy, self.screen), group="ask", exclusive=True)

    def action_jump(self) -> None:
        """Show a letter on every pane; the next key goes there."""
        if isinstance(self.screen, Page):
            self.run_worker(partial(ask_jump, self.screen, self.action_go), group="ask", exclusive=True)

    def get_key_display(self, binding: Binding) -> str:
        """A key as a person reads it: ``F1``, not ``f1``."""
        shown = super().get_key_display(binding)
        return shown.upper() if _FUNCTION.fullmatch(shown) else shown

    def on_text_view_pager_asked(self, event: TextView.PagerAsked) -> None:
        """Open a text in the person's own pager."""
        try:
            read_outside(event.text, self.suspend)
        except PromptlabError as fault:
            self.session.say(str(fault), bad=True)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette."""
        return commands(self, screen)

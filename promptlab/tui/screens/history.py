"""The History screen: versions and runs of a prompt on one timeline; open, compare, restore any of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from promptlab.errors import PromptlabError
from promptlab.lab.values import PromptRun
from promptlab.lab.wording import plural, spark
from promptlab.tui.actions import bindings
from promptlab.tui.background import in_thread
from promptlab.tui.clipboard import way
from promptlab.tui.safe import one_line, plain
from promptlab.tui.screens import naming
from promptlab.tui.screens.bisecting import bisect, show_blame
from promptlab.tui.screens.history_detail import moment_pieces, run_pieces
from promptlab.tui.screens.history_rows import COLUMNS, Moment, Timeline, TimelineRows, read_timeline, subject_of
from promptlab.tui.screens.page import pane
from promptlab.tui.screens.past import NO_PROMPTS, PastPage
from promptlab.tui.screens.past_table import TablePage
from promptlab.tui.screens.picking import Pick
from promptlab.tui.session import Session
from promptlab.tui.typed import app_of, prompts_screen
from promptlab.tui.widgets.dialog import Answer, Question
from promptlab.tui.widgets.textview import TextView
from promptlab.tui.widgets.ticks import Option
from promptlab.tui.widgets.virtual_table import NoRows, VirtualTable
from promptlab.tui.widgets.wrapping import Piece

if TYPE_CHECKING:
    from promptlab.lab import Lab

_SPARKS = 24


class TimelineTable(VirtualTable):
    """The timeline; space marks a version instead of turning the page."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("timeline")]


class HistoryScreen(TablePage):
    """Timeline on the left, details of what the cursor stands on to the right of it or below."""

    MODE = "history"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("history")]
    PROSE: ClassVar[dict[str, str]] = {
        "": "History: versions of a prompt and the runs that measured them.",
        "timeline": "Newest first. v3 is a committed version, * a text that is not committed. The score is the mean "
        "of the metric in the title; ▲ and ▼ say that this mean is better or worse than that of the version before, "
        "not that a test found so: Diff tells that. Enter opens a run in Results.",
        "details": "The version or run under the cursor, and what changed in the prompt since the version before.",
    }

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._timeline: Timeline | None = None
        self._rows: TimelineRows | None = None
        self._marked: list[str] = []
        self._only = ""

    def panes(self) -> Iterable[Widget]:
        """Timeline and details."""
        yield pane(TimelineTable(COLUMNS, id="timeline"), "History")
        yield pane(TextView(id="details"), "details")

    @property
    def details(self) -> TextView:
        """What is said of the row under the cursor."""
        return self.query_one("#details", TextView)

    # -- reading ------------------------------------------------------------------------------------------

    async def show_past(self, lab: Lab, name: str) -> None:
        """Read the timeline in a thread; what was shown stays until it is there."""
        if not name:
            self._timeline, self._rows = None, None
            self.table.set_rows(NoRows(), empty=NO_PROMPTS)
            self.details.show([])
            return
        if self._timeline is None or self._timeline.name != name:
            self._timeline, self._rows, self._marked, self._only = None, None, [], ""
            self.table.border_title = plain(one_line(name))
            self.table.border_subtitle = plain("")
            self.table.set_rows(NoRows(), empty="reading the history …")
            self.details.show([])
        try:
            self._timeline = await in_thread(partial(read_timeline, lab, name, self._only))
        except PromptlabError as fault:
            self._timeline, self._rows = None, None
            self.table.set_rows(NoRows(), empty=one_line(str(fault)))
            self.session.say(str(fault), bad=True)
            return
        self._show_rows()
        self.show_details_soon()

    def _show_rows(self) -> None:
        timeline = self._timeline
        if timeline is None:
            return
        self._rows = TimelineRows(timeline, self._letters(timeline), time.time())
        self.table.set_rows(self._rows)
        trend = spark(timeline.past.trend[-_SPARKS:])
        title = f"{timeline.name} · {timeline.metric} {trend}" if trend.strip("·") else timeline.name
        self.table.border_title = plain(one_line(title))
        versions = sum(moment.kind == "version" for moment in timeline.moments)
        runs = {run.run.id for moment in timeline.moments for run in moment.runs}
        only = f" of {timeline.only}" if timeline.only else ""
        self.table.border_subtitle = plain(
            one_line(f"{plural(versions, 'version')} · {plural(len(runs), 'run')}{only}")
        )

    @property
    def _here(self) -> tuple[Moment, PromptRun | None] | None:
        if self._rows is None or self.table.row < 0:
            return None
        return self._rows.at(self.table.row)

    async def show_details(self) -> None:
        """Say what the version or run under the cursor is."""
        view, here, timeline = self.details, self._here, self._timeline
        lab = self.session.lab_now
        if here is None or timeline is None or lab is None:
            return
        moment, run = here
        if run is None:
            pieces = await in_thread(partial(moment_pieces, lab, timeline, moment))
        else:
            pieces = await in_thread(partial(run_pieces, lab, timeline, moment, run))
        view.show(pieces)
        view.border_title = plain(one_line(moment.name if run is None else f"run {run.run.id[-6:]}"))

    # -- marks and diff -----------------------------------------------------------------------------------

    def _letters(self, timeline: Timeline) -> dict[str, str]:
        """A on the older of the two marked moments, B on the newer one."""
        there = [moment.key for moment in reversed(timeline.moments) if moment.key in self._marked]
        return dict(zip(there, "AB", strict=False))

    def action_mark(self) -> None:
        """Mark the version under the cursor; the second mark goes when there are two already."""
        if self._here is None:
            return
        key = self._here[0].key
        if key in self._marked:
            self._marked.remove(key)
        else:
            self._marked = [*self._marked[:1], key]
        self._show_rows()

    def action_diff(self) -> None:
        """Show two texts in Diff."""
        timeline, here = self._timeline, self._here
        if timeline is None or here is None:
            return
        marked = [moment for moment in timeline.moments if moment.key in self._marked]
        newer = here[0]
        older = timeline.before(newer)
        if len(marked) == 2:
            newer, older = marked
        elif len(marked) == 1 and marked[0] is not newer:
            newer, older = sorted((newer, marked[0]), key=timeline.moments.index)
        if older is None:
            self.session.say("There is no version before it. Mark two with space, then d.")
            return
        for moment in (older, newer):
            if moment.error or not moment.ref:
                why = "does not load" if moment.error else "is only in the journal of a run: c in Results keeps it"
                self.session.say(f"{moment.name} {why}.", bad=True)
                return
        self.session.pair = (older.ref, newer.ref)
        self.run_worker(partial(app_of(self).run_action, "app.go('diff')"), group="go")

    # -- opening, copying, running ------------------------------------------------------------------------

    @on(VirtualTable.Opened, "#timeline")
    def _opened(self) -> None:
        if self._here is None:
            return
        moment, run = self._here
        if run is not None:
            self.open_run(run.run.id)
        elif moment.runs:
            self.session.say("Enter on one of its runs opens that run.")
        else:
            self.session.say("No run has measured this text: r runs it.")

    def action_copy(self) -> None:
        """Put the run's tag, or the version's commit, on the clipboard."""
        if self._here is None:
            return
        moment, run = self._here
        text = moment.commit or moment.content
        if run is not None:
            text = run.run.record.tag if run.run.record else run.run.id
        if text:
            app_of(self).copy_to_clipboard(text)
            self.session.say(f"copied {text} ({way()})")

    def action_run(self) -> None:
        """Ask which models to run the version on."""
        timeline, here = self._timeline, self._here
        if timeline is None or here is None:
            return
        moment = here[0]
        name = timeline.name
        older = timeline.before(moment) if moment.kind == "working" else moment
        if moment.error or (older is not None and not older.ref):
            why = "does not load" if moment.error else "is only in the journal of a run"
            self.session.say(f"{moment.name} {why}, so it cannot be run again.", bad=True)
            return
        options = [Option(older.ref, f"{older.name}  {older.message}", ticked=True)] if older else []
        if not moment.current or moment.kind == "working":
            options.append(self.working_copy(name, ticked=True))
        self.run_worker(partial(self.ask_run, name, options), group="ask", exclusive=True)

    # -- restoring ----------------------------------------------------------------------------------------

    def action_restore(self) -> None:
        """Put the text under the cursor into the editor."""
        if self._here is not None and self._timeline is not None:
            self.run_worker(partial(self._restore, self._timeline.name, self._here[0]), group="ask", exclusive=True)

    async def _restore(self, name: str, moment: Moment) -> None:
        if moment.kind == "working":
            self.session.say("This is the working copy: there is nothing to restore.")
            return
        lab = await self.session.lab()
        try:
            text = (await in_thread(partial(subject_of, lab, moment))).data.decode("utf-8")
        except PromptlabError as fault:
            self.session.say(str(fault), bad=True)
            return
        screen = prompts_screen(self)
        buffer = screen.buffers.get(name)
        if buffer is not None and buffer.text == text:
            self.session.say(f"{moment.name} is the text in the editor already.")
            return
        if buffer is not None and buffer.edited and buffer.text != text and not await self._may_replace(name, moment):
            return
        await screen.take(name, text)
        if screen.editor.read_only:
            screen.buffers[name].text = text
            screen.show_buffer()
            screen.show_row_marks()
        await app_of(self).run_action("app.go('prompts')")
        self.session.say(f"{moment.name} is in the editor. Nothing is written yet: ctrl+s saves it, ctrl+z undoes.")

    async def _may_replace(self, name: str, moment: Moment) -> bool:
        question = Question(
            f"Replace the unsaved text of {one_line(name)}?",
            [
                Piece(
                    f"The editor has text that is not saved. {moment.name} would take its place; ctrl+z undoes that."
                )
            ],
            [Answer("replace", "R", f"Put {moment.name} there")],
        )
        return await app_of(self).push_screen_wait(question) == "replace"

    # -- names, questions -----------------------------------------------------------------------------------

    def _about(self, ask: Callable[[PastPage, Timeline, Moment], Coroutine[None, None, None]]) -> None:
        """Do something with the moment under the cursor."""
        if self._timeline is not None and self._here is not None:
            self.run_worker(partial(ask, self, self._timeline, self._here[0]), group="ask", exclusive=True)

    def action_promote(self) -> None:
        """Put the version on a stage."""
        self._about(naming.promote)

    def action_demote(self) -> None:
        """Take the version off its stage."""
        self._about(naming.demote)

    def action_pin(self) -> None:
        """Pin the version's number."""
        self._about(naming.pin)

    def action_publish(self) -> None:
        """Commit a summary of the run under the cursor on the branch."""
        if self._here is not None:
            self.run_worker(partial(naming.publish, self, self._here[1]), group="ask", exclusive=True)

    def action_blame(self) -> None:
        """Show which version brought each line."""
        self._about(show_blame)

    def action_bisect(self) -> None:
        """Find where the metric got worse, between the marked versions or the oldest and the newest."""
        timeline = self._timeline
        if timeline is not None:
            ends = [moment for moment in reversed(timeline.moments) if moment.key in self._marked]
            self.run_worker(partial(bisect, self, timeline, ends), group="ask", exclusive=True)

    def action_filter(self) -> None:
        """Show only the runs of one model or one eval set."""
        if self._timeline is not None:
            self.run_worker(partial(self._filter, self._timeline), group="ask", exclusive=True)

    async def _filter(self, timeline: Timeline) -> None:
        if not timeline.choices:
            self.session.say("There is no run yet that could be filtered.")
            return
        names = ("all runs", *timeline.choices)
        chosen = await app_of(self).push_screen_wait(Pick("Show the scores of", names, timeline.only or names[0]))
        if chosen:
            self._only = "" if chosen == names[0] else chosen
            self.reload()

    def go_back(self) -> bool:
        """Give back a zoomed pane's room, then leave the filter."""
        if super().go_back():
            return True
        filtered, self._only = bool(self._only), ""
        if filtered:
            self.reload()
        return filtered

    # -- other prompts ------------------------------------------------------------------------------------

    def action_before(self) -> None:
        """Show the prompt before."""
        self.run_worker(partial(self._step, -1), group="ask", exclusive=True)

    def action_after(self) -> None:
        """Show the next prompt."""
        self.run_worker(partial(self._step, 1), group="ask", exclusive=True)

    async def _step(self, step: int) -> None:
        lab = await self.session.lab()
        names = [row.name for row in await in_thread(lab.prompts)]
        if names:
            at = names.index(self.session.prompt) if self.session.prompt in names else 0
            self.session.prompt = names[(at + step) % len(names)]
            self.reload()

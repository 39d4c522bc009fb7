"""The Results screen: examples × columns, live while a run goes on, the same when a past run is opened."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.timer import Timer
from textual.widget import Widget

from promptlab.errors import NotFound, PromptlabError
from promptlab.tui.actions import bindings
from promptlab.tui.background import in_thread
from promptlab.tui.job import Job
from promptlab.tui.safe import one_line, plain
from promptlab.tui.screens.column_rows import ColumnRows, head_columns
from promptlab.tui.screens.detail import detail_pieces, verdict_pieces
from promptlab.tui.screens.grid_rows import SORT_WORDS, SORTS, Filter, GridRows, View, columns_of
from promptlab.tui.screens.page import Page
from promptlab.tui.screens.ranking_pieces import ranking_pieces
from promptlab.tui.screens.run_tools import commit_run, export_run, retry_failures, show_figures
from promptlab.tui.screens.runs_dialog import choose_run
from promptlab.tui.screens.searching import found_in
from promptlab.tui.screens.steps import show_steps
from promptlab.tui.session import Session
from promptlab.tui.typed import app_of
from promptlab.tui.watched import open_run
from promptlab.tui.widgets.dialog import Ask, Question
from promptlab.tui.widgets.filters import FilterLine
from promptlab.tui.widgets.textview import Piece, TextView
from promptlab.tui.widgets.virtual_table import ChoiceTable, NoRows, VirtualTable

if TYPE_CHECKING:
    from promptlab.lab import RunTable

REPAINT = 1 / 15
SHARE, SHARE_TYPING, PAUSE = 20, 60, 0.3
"""A picture of a running grid that took t seconds is not made again before SHARE × t seconds have passed, and before
SHARE_TYPING × t only if the person has paused for PAUSE seconds: at most one key in sixty meets the making of one."""
LONGEST = 15.0
"""But after so many seconds it is: t is much too long where the program was stopped or starved meanwhile."""
_ABOUT_A_RUN = tuple(
    f"results.{name}" for name in ("verdict", "commit", "search", "worse", "figures", "sort", "metric")
)
NO_RUN = "No run to show. R on the Prompts screen makes one; o opens a past one."


class ResultsScreen(Page):
    """Head of the columns, filters, grid, detail."""

    MODE = "results"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("results")]
    PROSE: ClassVar[dict[str, str]] = {
        "": "Results: one run, example by example.",
        "head": "The columns of the run. Each is compared with the baseline's version on the same model. The mean "
        "has its 95 % interval; the verdict is that of the decision which the eval set states. v says it in words.",
        "grid": "One row for each example. ▲ better and ▼ worse than the baseline, = the same, ! an error or a "
        "missing score, which is never a zero. h and l choose the column that marks, filters and Δ are about. 2 "
        "shows the example with all answers side by side.",
        "detail": "The chosen cell: its output with the words that changed against the baseline's, scores, the "
        "input as it was sent, figures. d shows the output without marks.",
    }

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._table: RunTable | None = None
        self._view = View("", "")
        self._diff = True
        self._tick: Timer | None = None
        self._painted = -1
        self._painting = False
        self._painted_at = self._took = 0.0
        self._shown: tuple[object, ...] = ()

    def panes(self) -> Iterable[Widget]:
        """Head, filters, grid and detail."""
        head = VirtualTable(head_columns("score"), id="head")
        grid = ChoiceTable((), id="grid")
        detail = TextView(id="detail", empty="Choose an example to see what came back.")
        for pane, title in ((head, "Columns"), (grid, "Examples"), (detail, "Detail")):
            pane.add_class("pane")
            pane.border_title = plain(title)
        yield head
        yield FilterLine(id="filters")
        yield Container(grid, detail, id="cells")

    @property
    def grid(self) -> ChoiceTable:
        """The grid of examples and columns."""
        return self.query_one(ChoiceTable)

    @property
    def without(self) -> Collection[str]:
        """Without a run there is nothing to look at, filter or keep."""
        return () if self._table is not None else _ABOUT_A_RUN

    # -- which run ----------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Begin empty; what is to be shown is known when the screen is."""
        self._tick = self.set_interval(REPAINT, self._on_tick, pause=True)
        self.grid.set_rows(NoRows(), empty=NO_RUN)
        self.grid.focus()

    def on_screen_resume(self) -> None:
        """Show the run of the session, or the newest that there is."""
        self._show_session()
        self.grid.select(self.session.example)

    def _show_session(self) -> None:
        if self.session.table is None:
            self.run_worker(partial(self._open, "last", quiet=True), group="look", exclusive=True)
        elif self.session.table is not self._table:
            self._show(self.session.table)

    async def _open(self, ref: str, *, quiet: bool = False) -> None:
        """Open a run; ``quiet`` where nobody asked: then nothing where there is none, or one is open by now."""
        try:
            await open_run(self.session, ref, quiet=quiet)
        except PromptlabError as fault:
            if not (quiet and isinstance(fault, NotFound)):
                self.session.say(str(fault), bad=True)
        else:
            self._show_session()

    def _show(self, table: RunTable) -> None:
        before = self._table
        if before is not None and before.variants == table.variants and self._view.metric in table.infos:
            # The same run, asked again for what failed: the person has chosen what to see.
            self._view = self._view._replace(filter="all", search="")
        else:
            self._view = View(table.candidate, table.primary)
        self._table = table
        column = self._view.column
        self._painted, self._shown = -1, ()
        self.query_one("#head", VirtualTable).set_columns(head_columns(self._view.metric))
        self.query_one("#head").styles.height = min(len(table.variants), 6) + 3
        self.grid.set_columns(columns_of(table))
        self.grid.select_choice(column)
        self.grid.set_rows(NoRows())
        self.refresh_chrome()
        self._paint()
        if self._tick is not None and table.state == "running":
            self._tick.resume()

    # -- painting -----------------------------------------------------------------------------------------

    def _on_tick(self) -> None:
        table = self._table
        if table is None or self._tick is None:
            return
        if table.revision != self._painted and not self._painting and self._due(time.monotonic()):
            self._paint()
        elif self._written(table):
            self._detail_soon()
        if table.state != "running":
            self._tick.pause()

    def _due(self, now: float) -> bool:
        typing = now - self.session.touched < PAUSE
        return now - self._painted_at >= min((SHARE_TYPING if typing else SHARE) * self._took, LONGEST)

    def _written(self, table: RunTable) -> dict[int, str]:
        """Trial to what a run that is going on has written so far of the chosen cell."""
        job = self.session.job
        if job is None or not job.active or job.table is not table:
            return {}
        column, example = self._view.column, self.grid.row_key
        found = {trial: job.texts.get((column, example, trial), "") for trial in range(table.trials)}
        return {trial: text for trial, text in found.items() if text}

    def _paint(self) -> None:
        """Make a new picture of the table, in a thread: one of ten thousand examples takes a tenth of a second."""
        if self._table is not None:
            self._painting = True
            self.run_worker(partial(self._picture, self._table, self._view), group="picture", exclusive=True)

    async def _picture(self, table: RunTable, view: View) -> None:
        begun, revision = time.monotonic(), table.revision
        rows = await in_thread(partial(GridRows, table, view))
        self._show_rows(table, view, rows)
        lab = await self.session.lab()
        currencies = {name: entry.price.currency for name, entry in lab.settings.models.items() if entry.price}
        head_rows = await in_thread(partial(ColumnRows, table, view.metric, currencies))
        head = self.query_one("#head", VirtualTable)
        head.set_rows(head_rows)
        head.select(view.column)
        now = time.monotonic()
        self._painted, self._painting = revision, False
        self._painted_at, self._took = now, now - begun

    def _show_rows(self, table: RunTable, view: View, rows: GridRows) -> None:
        nothing = "No example is like that. a shows all." if view.filter != "all" or view.search else NO_RUN
        first = self.grid.row < 0
        self.grid.set_rows(rows, empty=nothing, keep="place" if self.grid.row == 0 else "row")
        if first:
            self.grid.select(self.session.example)
        self.grid.set_sort({"difference": "delta", "change": "delta", "score": view.column}.get(view.sort, ""))
        filters = self.query_one(FilterLine)
        filters.counts, filters.chosen, filters.sort = dict(rows.counts), view.filter, SORT_WORDS[view.sort]
        filters.search = view.search
        filters.waiting = "not asked" if table.sequential and table.state == "complete" else "to come"
        count, pending = len(table.examples), rows.counts["pending"]
        whole = pending and view.filter == "all" and not view.search
        self.grid.border_subtitle = plain(f"{count - pending}/{count} done" if whole else f"{len(rows)}/{count}")
        self._titles(table)
        self._detail_soon()

    def _titles(self, table: RunTable) -> None:
        state = {"running": "running", "complete": "", "partial": "partial", "cancelled": "stopped"}[table.state]
        how = "in the journal only" if self.session.history_problem else "c commits"
        kept = table.tag or (f"not saved: {how} {table.run}" if table.run and table.state != "running" else "")
        head = self.query_one("#head")
        head.border_title = plain(one_line(f"{table.subject} on {table.evalset}  {state}".rstrip()))
        head.border_subtitle = plain(one_line(kept))

    def _detail_soon(self) -> None:
        table, example = self._table, self.grid.row_key
        if table is None or not example:
            self._shown = ()
            self.query_one("#detail", TextView).show([])
            return
        outcomes = [table.outcome(c, example) for c in (self._view.column, table.baseline_of(self._view.column))]
        scores = tuple(table.scores(self._view.column, example).values())
        written = self._written(table)
        cell = (id(table), self._view.column, example)
        now = (*cell, self._diff, self._view.search, *written.values(), *outcomes, *scores)
        if now != self._shown:
            grows = bool(written) and self._shown[:3] == cell
            self._shown = now
            work = partial(self._detail, table, example, written, keep_place=grows)
            self.run_worker(work, group="detail", exclusive=True)

    async def _detail(self, table: RunTable, example: str, written: dict[int, str], *, keep_place: bool) -> None:
        column = self._view.column
        pieces = await in_thread(partial(detail_pieces, table, column, example, diff=self._diff, written=written))
        self.query_one("#detail", TextView).show(found_in(pieces, self._view.search), keep_place=keep_place)

    # -- what happens -------------------------------------------------------------------------------------

    @on(VirtualTable.Moved, "#grid")
    def _moved(self) -> None:
        if self.grid.has_focus:
            self.session.example = self.grid.row_key
        if self.grid.choice and self.grid.choice != self._view.column:
            self._view = self._view._replace(column=self.grid.choice)
            self._paint()
        else:
            self._detail_soon()

    @on(VirtualTable.Moved, "#head")
    def _column_chosen(self, event: VirtualTable.Moved) -> None:
        if event.control.has_focus:
            self.grid.select_choice(event.control.row_key)

    @on(VirtualTable.Opened, "#grid")
    def _opened(self) -> None:
        detail = self.query_one("#detail", TextView)
        self.zoom(detail)
        detail.focus()

    @on(VirtualTable.HeaderClicked, "#grid")
    def _header_clicked(self, event: VirtualTable.HeaderClicked) -> None:
        if event.column == "delta":
            self._sort("difference")
        elif event.column in ("example", "mark"):
            self._sort("file" if event.column == "example" else "changed")
        elif event.column != "output":
            self.grid.select_choice(event.column)
            self._sort("score")

    def job_ended(self, job: Job) -> None:
        """Paint the end of the run, verdict included."""
        if job.table is self._table:
            self._paint()
            if job.elsewhere:  # with the scores of its judges, and the tag that it is saved under
                self.run_worker(partial(self._open, job.table.run), group="open", exclusive=True)

    def go_back(self) -> bool:
        """Leave the zoomed pane first, then a filter."""
        if super().go_back():
            self.grid.focus()
            return True
        if self._view.filter != "all" or self._view.search:
            self.action_filter("all")
            return True
        return False

    # -- actions ------------------------------------------------------------------------------------------

    def action_filter(self, name: Filter) -> None:
        """Show only the examples that fared like that; the same key again shows all."""
        chosen: Filter = "all" if name == self._view.filter else name
        self._view = self._view._replace(filter=chosen, search=self._view.search if name != "all" else "")
        self._paint()

    def action_sort(self) -> None:
        """Sort in the next way."""
        self._sort(SORTS[(SORTS.index(self._view.sort) + 1) % len(SORTS)])

    def _sort(self, sort: str) -> None:
        self._view = self._view._replace(sort=sort)
        self._paint()

    def action_metric(self) -> None:
        """Show the next metric in head and grid."""
        if self._table is None or not self._table.infos:
            return
        names = list(self._table.infos)
        metric = names[(names.index(self._view.metric) + 1) % len(names)] if self._view.metric in names else names[0]
        self._view = self._view._replace(metric=metric)
        self.query_one("#head", VirtualTable).set_columns(head_columns(metric))
        self._paint()

    def action_diff(self) -> None:
        """Show the output with or without the words that changed."""
        self._diff = not self._diff
        self._detail_soon()

    def action_steps(self) -> None:
        """Show the steps of the chosen cell."""
        show_steps(self, self._table, self._view.column, self.grid.row_key)

    def action_verdict(self) -> None:
        """Say the verdicts in plain words."""
        if self._table is not None:
            self._with_run(partial(self._tell, "Verdict", verdict_pieces))

    def action_pairs(self) -> None:
        """Hold every column against every other, and rank them."""
        if self._table is not None:
            self._with_run(partial(self._tell, "All pairs", partial(ranking_pieces, metric=self._view.metric)))

    async def _tell(self, title: str, pieces: Callable[[RunTable], list[Piece]], table: RunTable) -> None:
        told = await in_thread(partial(pieces, table))
        await app_of(self).push_screen_wait(Question(title, told, cancel="Close"))

    def action_commit(self) -> None:
        """Keep the run in git, after showing what that means."""
        self._with_run(self._commit)

    async def _commit(self, table: RunTable) -> None:
        if await commit_run(self, table):
            self._titles(table)

    def action_figures(self) -> None:
        """Show the run in tables and drawings."""
        self._with_run(lambda table: show_figures(self, table, self._view.metric))

    def action_export(self) -> None:
        """Write every answer to a file."""
        self._with_run(partial(export_run, self))

    def action_retry(self) -> None:
        """Ask again for the cells that failed."""
        self._with_run(self._retry)

    async def _retry(self, table: RunTable) -> None:
        await retry_failures(self, table)
        self._show_session()

    def _with_run(self, do: Callable[[RunTable], Awaitable[None]]) -> None:
        """Do something with the run that is shown, where there is one."""
        if self._table is None or not self._table.run:
            self.session.say(NO_RUN, bad=True)
        else:
            self.run_worker(partial(_await, do, self._table), group="ask", exclusive=True)

    def action_search(self) -> None:
        """Show only the examples with these words in what was sent or came back."""
        if self._table is not None:
            self.run_worker(self._search, group="ask", exclusive=True)

    async def _search(self) -> None:
        hint = "Enter shows the examples with it in their id, variables or answers; a shows all again."
        words = await app_of(self).push_screen_wait(Ask("Search", hint, lambda _: "", value=self._view.search))
        if words:
            self._view = self._view._replace(search=words)
            self._paint()

    def action_runs(self) -> None:
        """Choose a past run."""
        self.run_worker(self._choose, group="open", exclusive=True)

    async def _choose(self) -> None:
        if chosen := await choose_run(self):
            await self._open(chosen)


async def _await(do: Callable[[RunTable], Awaitable[None]], table: RunTable) -> None:
    """A worker takes a coroutine function; ``do`` may be any callable."""
    await do(table)

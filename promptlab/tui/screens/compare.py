"""The Compare screen: one example, all columns side by side, live while they are written."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.events import DescendantFocus, Resize
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import TextArea

from promptlab.errors import NotFound, PromptlabError
from promptlab.tui.actions import bindings
from promptlab.tui.background import in_thread
from promptlab.tui.job import Job
from promptlab.tui.screens.committing import commit_prompt
from promptlab.tui.screens.compare_layout import SLOTS, seats
from promptlab.tui.screens.compare_painting import Painting
from promptlab.tui.screens.compare_pins import Pins
from promptlab.tui.screens.compare_runs import Running
from promptlab.tui.screens.page import Page, pane
from promptlab.tui.screens.rewriting import Rewriting
from promptlab.tui.screens.runs_dialog import choose_run
from promptlab.tui.screens.sheet import Sheet, sheet_of
from promptlab.tui.session import Session
from promptlab.tui.typed import app_of
from promptlab.tui.watched import open_run
from promptlab.tui.widgets.answers import AnswerView, ColumnsLine
from promptlab.tui.widgets.editor import Editor

if TYPE_CHECKING:
    from promptlab.lab import RunTable

REPAINT = 1 / 15
NO_RUN = (
    "Nothing to compare yet.\n\nr  runs the prompt as it stands beside the version before, on five examples\n"
    "a  chooses versions and models to put side by side\nR  runs all examples\no  opens a past run"
)
_ABOUT_A_RUN = frozenset({"left", "right", "before", "after", "pinned", "pin", "edit", "look", "layout", "commit"})
_ANSWER = (
    "One column's answer to the example. Words that are only in the baseline's are [-so-], words that are only in "
    "this one {+so+}. h and l go from column to column, [ and ] from example to example."
)


class CompareScreen(Page):
    """The example above, the line of columns, and as many columns as there is room for.

    Attributes:
        sheet: What there is to see, None before there is a run.
        column: Letter of the chosen column.
        example: Id of the example that is shown.
        seats: The columns that are shown, pane by pane.
        job: The run that was begun last, as far as it was taken in.
    """

    MODE = "compare"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("compare")]
    PROSE: ClassVar[dict[str, str]] = {
        "": "Compare: one example, every column's answer to it.",
        "case": "The example. space pins it: r runs the pinned ones with the one that is shown, n goes to the next.",
        "editor": "The prompt of this column. ctrl+r runs it beside the others: only what changed is asked. The text "
        "is the same as in Prompts; ctrl+s saves it, Esc goes back to all columns.",
        **dict.fromkeys((f"slot{slot}" for slot in range(SLOTS)), _ANSWER),
    }

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.running = Running(self)
        self.rewriting = Rewriting(self)
        self.painting = Painting(self)
        self.pins = Pins(self)
        self.sheet: Sheet | None = None
        self.column = ""
        self.example = ""
        self.job: Job | None = None
        self._table: RunTable | None = None
        self.seats: tuple[str, ...] = ()
        self._stacked = False
        self._tick: Timer | None = None

    def panes(self) -> Iterable[Widget]:
        """The example, the line of columns, the editor of one of them, the columns."""
        yield pane(AnswerView(id="case", empty=NO_RUN), "Compare")
        yield ColumnsLine(id="columns")
        views = [pane(AnswerView(id=f"slot{slot}"), "") for slot in range(SLOTS)]
        yield Container(pane(Editor(id="editor"), ""), *views, id="answers")

    @property
    def views(self) -> list[AnswerView]:
        """The panes of the columns, from left to right."""
        return [self.query_one(f"#slot{slot}", AnswerView) for slot in range(SLOTS)]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a run there is nothing to look at, step through or edit."""
        if self.sheet is None and action in _ABOUT_A_RUN:
            return False
        return super().check_action(action, parameters)

    # -- which run ----------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Begin empty; what is to be shown is known when the screen is."""
        self._tick = self.set_interval(REPAINT, self._on_tick, pause=True)
        self._arrange()
        self.query_one("#case").focus()

    def on_screen_resume(self) -> None:
        """Show what was run or opened last, at the example that the other screens are about."""
        self.run_worker(self._resume, group="adopt", exclusive=True)

    async def _resume(self) -> None:
        if self.session.table is None and self.session.job is None:
            try:
                await open_run(self.session, "last", quiet=True)
            except NotFound:
                return  # The panes say what to do.
            except PromptlabError as fault:
                self.session.say(str(fault), bad=True)
                return
        await self.adopt()
        if self.sheet is not None and self.session.example in self.sheet.examples:
            self.go_to(self.session.example)
        self.rewriting.follow()

    async def adopt(self) -> None:
        """Take in the run or trial that was begun, or opened, since the last time."""
        job, table = self.session.job, self.session.table
        opened = table is not None and table is not self._table
        self._table = table
        if job is not None and job is not self.job:
            self.job = job
            sheet = self.sheet
            await self._show(job.table, sheet if sheet is not None and sheet.belongs(job.table) else None)
            if self._tick is not None:
                self._tick.resume()
        elif table is not None and opened:
            await self._show(table, None)

    async def _show(self, table: RunTable, sheet: Sheet | None) -> None:
        """Show a table's columns, on top of a sheet that they belong to."""
        if sheet is not None:
            self.sheet = sheet.on_top(table)
        else:
            lab = await self.session.lab()
            read = await in_thread(partial(sheet_of, lab, table))
            await self.pins.read(lab, table.evalset)
            self.sheet = read  # no key may meet it before its column is chosen
        first = next(iter(table.examples), None)
        if first is not None and self.example not in {example.id for example in table.examples}:
            self.example = self.session.example = first.id
        if self.column not in self.sheet.columns or sheet is None:
            self.column = table.candidate
        had_focus = self.focused is None or self.focused.id == "case"
        self._arrange_anew()
        if had_focus:
            self._focus_column()
        self.painting.case()

    # -- painting -----------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        """Give each pane its column, as many as there is room for, the baseline first."""
        sheet, answers = self.sheet, self.query_one("#answers")
        narrow, editing = self.has_class("-narrow"), self.rewriting.open
        alone, columns = editing or (narrow and not self._stacked), sheet.columns if sheet else ()
        self.seats = seats(columns, self.column, answers.size, stacked=self._stacked, alone=alone, before=self.seats)
        self._carry_focus(editing)
        answers.set_class(narrow if editing else self._stacked, "-stacked")
        for slot, view in enumerate(self.views):
            view.set_class(slot >= len(self.seats), "-away")
        self.query_one("#editor").set_class(not editing, "-away")
        case = self.query_one("#case")
        case.set_class(editing and narrow, "-away").set_class(sheet is None, "-alone")  # it says what to do next
        for other in ("#columns", "#answers"):
            self.query_one(other).set_class(sheet is None, "-away")
        self.refresh_bindings()
        self.painting.soon()

    def _arrange_anew(self) -> None:
        """Arrange now, and again with the room that the columns have then."""
        self._arrange()
        self.call_after_refresh(self._arrange)

    def _carry_focus(self, editing: bool) -> None:
        """Have the focus go with the chosen column, which may be in another pane now, or be edited.

        Taken away before panes are hidden: else the toolkit would choose a pane, and with it a column.
        """
        editor, focused = self.query_one(Editor), self.focused
        target = editor if editing else self._view_of_column()
        if target is not None and focused is not target and (focused is editor or focused in self.views):
            self.set_focus(None)
            self.call_after_refresh(target.focus)

    def _on_tick(self) -> None:
        if app_of(self).screen is self:
            self.painting.soon()
        if self._tick is not None and not self.session.running:
            self._tick.pause()

    # -- moving -------------------------------------------------------------------------------------------

    def on_resize(self, event: Resize) -> None:
        """Another number of columns may fit."""
        self.call_after_refresh(self._arrange)

    @on(DescendantFocus)
    def _focused(self, event: DescendantFocus) -> None:
        seat = (event.widget.id or "").removeprefix("slot")
        if seat.isdigit() and int(seat) < len(self.seats):
            self.column = self.seats[int(seat)]
            self.query_one(ColumnsLine).chosen = self.column

    def _view_of_column(self) -> AnswerView | None:
        return self.views[self.seats.index(self.column)] if self.column in self.seats else None

    def _focus_column(self) -> None:
        if (view := self._view_of_column()) is not None:
            view.focus()

    def go_to(self, example: str) -> None:
        """Show another example."""
        self.example = self.session.example = example
        self.painting.case()
        self.painting.soon()

    def choose_column(self, column: str) -> None:
        """Choose a column, whatever has the focus."""
        self.column = column
        self._arrange()

    def action_column(self, column: str) -> None:
        """Choose a column by its letter."""
        if self.rewriting.open or self.sheet is None or column not in self.sheet.columns:
            return
        zoomed = self.zoomed
        self.unzoom()
        self.choose_column(column)
        self._focus_column()
        if zoomed and (view := self._view_of_column()) is not None:
            self.zoom(view)

    def action_left(self) -> None:
        """The column to the left."""
        self._step_column(-1)

    def action_right(self) -> None:
        """The column to the right."""
        self._step_column(1)

    def _step_column(self, step: int) -> None:
        columns = self.sheet.columns if self.sheet else ()
        if self.column in columns:
            self.action_column(columns[min(max(columns.index(self.column) + step, 0), len(columns) - 1)])

    def action_before(self) -> None:
        """The example before."""
        self._step(-1, self.sheet.examples if self.sheet else ())

    def action_after(self) -> None:
        """The next example."""
        self._step(1, self.sheet.examples if self.sheet else ())

    def action_pinned(self, step: int) -> None:
        """The next pinned example, or the one before."""
        pins = set(self.pins.chosen) & set(self.pins.ids)
        if not pins:
            self.session.say("No example is pinned: space pins the one that is shown.")
        self._step(step, [example for example in self.sheet.examples if example in pins] if self.sheet else ())

    def _step(self, step: int, among: Iterable[str]) -> None:
        """To the next of some examples, or the one before; from the last one to the first."""
        sheet, known = self.sheet, list(among)
        if sheet is None or not known:
            return
        here = sheet.examples[self.example]
        ahead = [example for example in known if (sheet.examples[example] - here) * step > 0] or known
        self.go_to(ahead[0 if step > 0 else -1])

    # -- what is shown ------------------------------------------------------------------------------------

    def action_pin(self) -> None:
        """Pin the example that is shown, or take the pin away."""
        self.pins.turn()

    def action_look(self, part: str) -> None:
        """Show or hide the words that changed, the scores, or the messages that were sent."""
        look = self.painting.look
        match part:
            case "words":
                look = look._replace(words=not look.words)
            case "scores":
                look = look._replace(scores=not look.scores)
            case _:
                look = look._replace(sent=not look.sent)
        self.painting.look = look
        self.painting.soon()

    def action_layout(self) -> None:
        """Put the columns beside each other, or one below the other."""
        self._stacked = not self._stacked
        self.unzoom()
        self._arrange_anew()

    # -- running and editing --------------------------------------------------------------------------------

    def action_run(self) -> None:
        """Run the columns on the example that is shown, and on the pinned ones."""
        self.run_worker(self.running.here, group="trial", exclusive=True)

    def action_choose(self) -> None:
        """Choose versions and models, and run them on the example that is shown and the pinned ones."""
        self.run_worker(self.running.choose, group="ask", exclusive=True)

    def action_run_all(self) -> None:
        """Choose versions and models, and run all examples."""
        self.run_worker(self.running.everything, group="ask", exclusive=True)

    def action_runs(self) -> None:
        """Choose a past run."""
        self.run_worker(self._choose_run, group="ask", exclusive=True)

    async def _choose_run(self) -> None:
        if not (chosen := await choose_run(self)):
            return
        try:
            await open_run(self.session, chosen)
            await self.adopt()
        except PromptlabError as fault:
            self.session.say(str(fault), bad=True)

    def action_edit(self) -> None:
        """Edit the prompt of the column, beside its answer."""
        self.run_worker(self.rewriting.begin, group="edit", exclusive=True)

    @on(Editor.Asked)
    def _asked(self, event: Editor.Asked) -> None:
        self.run_worker(partial(self.rewriting.do, event.what), group="edit", exclusive=True)

    @on(TextArea.Changed, "#editor")
    def _typed(self) -> None:
        self.rewriting.typed()

    def editing_changed(self) -> None:
        """The editor was opened or closed."""
        self.unzoom()
        self._arrange_anew()

    def action_commit(self) -> None:
        """Commit the prompt of the column, after showing what changed and a message."""
        if self.sheet is not None:
            name = self.sheet.variant(self.column).prompt
            self.run_worker(partial(commit_prompt, self, name), group="ask", exclusive=True)

    def go_back(self) -> bool:
        """Leave the zoomed pane first, then the editor."""
        if super().go_back():
            return True
        if self.rewriting.open:
            self.rewriting.close()
            return True
        return False

    # -- what the app tells -------------------------------------------------------------------------------

    def job_ended(self, job: Job) -> None:
        """Draw the end of a run, the scores of its judges included."""
        if job is self.job:
            self.painting.soon()

    def files_changed(self, paths: tuple[str, ...]) -> None:
        """The prompt that is being edited may be another text now."""
        if self.rewriting.open:
            self.run_worker(partial(self.rewriting.reread, paths), group="reread")

"""The Review screen: a person is asked what judges are asked, blind and shuffled, one key an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget

from promptlab.errors import NotFound, PromptlabError
from promptlab.tui.actions import bindings
from promptlab.tui.background import in_thread
from promptlab.tui.safe import one_line, plain
from promptlab.tui.screens.page import Page
from promptlab.tui.screens.review_modes import (
    EVEN,
    LEFT,
    RIGHT,
    Mode,
    bar,
    case_pieces,
    done_pieces,
    modes_of,
    seed_of,
    waiting_pieces,
)
from promptlab.tui.screens.review_writing import Writing, Written
from promptlab.tui.screens.runs_dialog import choose_run
from promptlab.tui.session import Session
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.textview import Piece, TextView, diff_pieces

if TYPE_CHECKING:
    from promptlab.lab import Lab, RunTable
    from promptlab.lab.reviewing import Task
    from promptlab.runs.values import Progress
    from promptlab.tui.job import Job
    from promptlab.workspace.reviews import Review

NO_RUN = "No run to review. R on the Prompts screen makes one; o opens a past one."


class Said(NamedTuple):
    """One answer of this sitting: what was asked and what was stored for it."""

    task: Task
    review: Review


class ReviewScreen(Page):
    """The case above, one or two answers below."""

    MODE = "review"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("review"),
        *(Binding(str(grade), f"grade({grade})", f"Grade {grade}", show=False) for grade in range(10)),
    ]
    PROSE: ClassVar[dict[str, str]] = {
        "": "Review: say what you think of answers without knowing whose they are. The order is shuffled, and "
        "the same when you come back. Every answer is a line of reviews/EVALSET.jsonl at once. What judges said is "
        "shown when all is answered.",
    }

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.table: RunTable | None = None
        self._modes: tuple[Mode, ...] = ()
        self._at = 0
        self.by = ""
        self._waiting: list[Task] = []
        self._total = 0
        self._said: list[Said] = []
        self._words = False
        self._seen = -1
        self._first = True
        self._writing = Writing(self)

    def panes(self) -> Iterable[Widget]:
        """The case, and the answers."""
        case = TextView(id="case", empty=NO_RUN)
        left, right = TextView(id="left"), TextView(id="right")
        for pane, title in ((case, "Review"), (left, "Left"), (right, "Right")):
            pane.add_class("pane")
            pane.border_title = plain(title)
        yield case
        yield Container(left, right, id="answers")

    # -- which run, which question ------------------------------------------------------------------------

    def on_screen_resume(self) -> None:
        """Ask about the run of the session, or the newest that there is."""
        self.refresh_chrome()
        if self.session.table is None or self.session.table is not self.table:
            self.run_worker(self._resume, group="look", exclusive=True)
        else:
            self._tell()

    async def _resume(self) -> None:
        if self.session.table is None:
            await self._open("last", quiet=True)
        else:
            await self._begin(self.session.table)
        if self._first:
            self._first = False
            self.run_worker(self._writing.take_up, group="write")

    def on_mount(self) -> None:
        """Look for more to ask while the run goes on."""
        super().on_mount()
        self.set_interval(1.0, self._look_for_more)

    def _look_for_more(self) -> None:
        table = self.table
        if table is None or self.case is not None or app_of(self).screen is not self:
            return
        if self._progress is not None and table.revision != self._seen:
            self.run_worker(self._ask, group="open", exclusive=True)

    def job_ended(self, job: Job) -> None:
        """The last answers are there."""
        if job.table is self.table and self.case is None:
            self.run_worker(self._ask, group="open", exclusive=True)

    @property
    def _progress(self) -> Progress | None:
        """How far the run is, None when it is over."""
        job = self.session.job
        return job.progress if job is not None and job.active and job.table is self.table else None

    async def _open(self, ref: str, *, quiet: bool = False) -> None:
        """Open a run; ``quiet`` where nobody asked: then nothing where there is none, or one is open by now."""
        lab = await self.session.lab()
        try:
            table = await in_thread(partial(lab.open_run, ref))
        except PromptlabError as fault:
            if not (quiet and isinstance(fault, NotFound)):
                self.session.say(str(fault), bad=True)
            return
        if quiet and self.session.table is not None:
            return
        self.session.table = table
        await self._begin(table)

    async def _begin(self, table: RunTable) -> None:
        self.table, self._at, self._said = table, 0, []
        self._modes = modes_of(table)
        await self._ask()

    async def find(self, run: str, asked: str, wanted: Callable[[Task], bool]) -> Task | None:
        """A case of a run, whose turn it is now unless it was answered; None where it does not open.

        Args:
            asked: The name of the question.
        """
        from promptlab.lab.reviewing import tasks

        if self.table is None or self.table.run != run:
            await self._open(run)
        self._at = next((at for at, mode in enumerate(self._modes) if mode.name == asked), 0)
        await self._ask()
        table, mode = self.table, self.mode
        if table is None or table.run != run or mode is None:
            return None
        found = next(filter(wanted, tasks(table, mode.kind, seed_of(run, self.by))), None)
        if found in self._waiting:
            self._waiting.remove(found)
            self._waiting.insert(0, found)
            await self._show(await self.session.lab())
        return found

    async def _ask(self) -> None:
        """What is left to be asked in the mode of the moment."""
        from promptlab.lab.reviewing import reviewer, reviews_of, tasks

        lab, table, mode = await self.session.lab(), self.table, self.mode
        if table is None or mode is None:
            return
        try:
            self.by = self.by or await in_thread(partial(reviewer, lab))
            stored = await in_thread(partial(reviews_of, lab, table.evalset))
        except PromptlabError as fault:
            self.session.say(str(fault), bad=True)
            return
        self._seen = table.revision
        mine = [review for review in stored if review.metric == mode.metric]
        seed = seed_of(table.run, self.by)
        self._total = len(tasks(table, mode.kind, seed))
        self._waiting = tasks(table, mode.kind, seed, mine, self.by)
        await self._show(lab)

    @property
    def mode(self) -> Mode | None:
        """The question of the moment."""
        return self._modes[self._at] if self._modes else None

    @property
    def case(self) -> Task | None:
        """What it is asked about."""
        return self._waiting[0] if self._waiting else None

    # -- showing ------------------------------------------------------------------------------------------

    async def _show(self, lab: Lab) -> None:
        task, mode, table = self.case, self.mode, self.table
        if mode is None or table is None:
            return
        case, left, right = (self.query_one(f"#{id}", TextView) for id in ("case", "left", "right"))
        done = self._total - len(self._waiting)
        case.border_subtitle = plain(bar(done, self._total))
        self.set_class(mode.kind != "pairwise", "-single")
        self._tell()
        if task is None:
            from promptlab.lab.agreeing import people_of
            from promptlab.lab.responding import responses
            from promptlab.lab.reviewing import reviews_of

            said = await in_thread(partial(reviews_of, lab, table.evalset))
            rates = await in_thread(partial(responses, table, said))
            agreed = await in_thread(partial(people_of, lab, table))
            case.border_title = plain("Review")
            judged = done_pieces(mode, rates, agreed) if done else []
            case.show([*waiting_pieces(mode, done, self._progress), *judged])
            left.show([])
            right.show([])
            self._ready()
            return
        case.border_title = plain(f"Case {one_line(task.example.id)}")
        case.show(case_pieces(mode, task))
        left.border_title = plain("Left" if task.right else "Answer")
        if self._words and task.right:
            from promptlab.compare.words import word_diff

            left.show([Piece(task.left)])
            right.show(diff_pieces(await in_thread(partial(word_diff, task.left, task.right))))
        else:
            left.show([Piece(task.left)])
            right.show([Piece(task.right)])
        self._ready()

    def _tell(self) -> None:
        """Say what is asked, unless the person is elsewhere by now."""
        mode, table = self.mode, self.table
        if mode is not None and table is not None and app_of(self).screen is self:
            seed = seed_of(table.run, self.by)
            self.session.say(f"blind · {mode.name} · by {self.by} · seed {seed} · every answer is saved")

    def _ready(self) -> None:
        if self.focused is None:
            self.query_one("#left").focus()
        self.refresh_bindings()
        self.refresh_chrome()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only the answers of the question of the moment."""
        mode, open_ = self.mode, self.case is not None
        match action:
            case "grade":
                return open_ and mode is not None and mode.kind == "grade" and parameters[0] in mode.grades
            case "choose":
                return open_ and mode is not None and mode.kind in ("pairwise", "thumb")
            case "even" | "words":
                return open_ and mode is not None and mode.kind == "pairwise"
            case "skip" | "note" | "correct":
                return open_
            case "take_back":
                # Also when there is nothing to take back: the key must not fall through to the undo of the app.
                return mode is not None
            case "mode":
                return len(self._modes) > 1
            case _:
                return super().check_action(action, parameters)

    # -- answers ------------------------------------------------------------------------------------------

    def action_choose(self, side: str) -> None:
        """The left or the right answer; of a single one, right or wrong."""
        self._store(LEFT if side == "left" else RIGHT)

    def action_even(self, bad: str = "") -> None:
        """Neither is better; or both are bad, which is a tie with a note."""
        self._store(EVEN, text="both bad" if bad else "")

    def action_grade(self, grade: int) -> None:
        """A grade of the scale."""
        self._store(float(grade))

    def _store(self, value: float, text: str = "") -> None:
        task, mode, table = self.case, self.mode, self.table
        if task is None or mode is None or table is None:
            return
        review = task.review(mode.kind, self.by, value, metric=mode.metric, text=text)
        self._waiting.pop(0)  # in the same step as the key: a quick hand's next key is about the next case
        self.run_worker(partial(self._stored, table, task, review), group="store")

    async def _stored(self, table: RunTable, task: Task, review: Review) -> None:
        from promptlab.lab.reviewing import add

        lab = await self.session.lab()
        try:
            await in_thread(partial(add, lab, table.evalset, [review]))
        except PromptlabError as fault:
            self._waiting.insert(0, task)
            self.session.say(str(fault), bad=True)
            return
        self._said.append(Said(task, review))
        await self._show(lab)

    def action_skip(self) -> None:
        """Come back to this one at the end."""
        self._waiting.append(self._waiting.pop(0))
        self.run_worker(self._show_again, group="show", exclusive=True)

    def action_words(self) -> None:
        """Show or hide the words that differ."""
        self._words = not self._words
        self.run_worker(self._show_again, group="show", exclusive=True)

    async def _show_again(self) -> None:
        await self._show(await self.session.lab())

    def action_take_back(self) -> None:
        """Take the last answer of this sitting back, and ask again."""
        self.run_worker(self._taken_back, group="store")

    async def _taken_back(self) -> None:
        from promptlab.lab.reviewing import take_back

        table = self.table
        if table is None:
            return
        if not self._said:
            self.session.say("No answer of this sitting is left to take back.")
            return
        said = self._said.pop()
        lab = await self.session.lab()
        try:
            await in_thread(partial(take_back, lab, table.evalset, said.review, self.by))
        except PromptlabError as fault:
            self._said.append(said)
            self.session.say(str(fault), bad=True)
            return
        self._waiting.insert(0, said.task)
        await self._show(lab)

    def action_note(self) -> None:
        """Write something down about this case."""
        self.run_worker(partial(self._write, "note"), group="write")

    def action_correct(self) -> None:
        """Write what the answer should have been."""
        self.run_worker(partial(self._write, "correction"), group="write")

    async def _write(self, kind: Written) -> None:
        if self.case is not None:
            await self._writing.ask(kind, self.case)

    # -- what is asked ------------------------------------------------------------------------------------

    def action_mode(self) -> None:
        """Ask the next question of this run."""
        self._at, self._said = (self._at + 1) % len(self._modes), []
        self.run_worker(self._ask, group="open", exclusive=True)

    def action_runs(self) -> None:
        """Choose another run."""
        self.run_worker(self._choose_run, group="open", exclusive=True)

    async def _choose_run(self) -> None:
        if run := await choose_run(self):
            await self._open(run)

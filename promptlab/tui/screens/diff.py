"""The Diff screen: two versions of a prompt word by word, and what that did to scores and outputs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.events import DescendantFocus, Resize
from textual.widget import Widget
from textual.widgets import Static

from promptlab.errors import PromptlabError
from promptlab.lab.values import PromptPast, Subject, SubjectDiff
from promptlab.lab.wording import plural
from promptlab.tui.actions import bindings
from promptlab.tui.background import in_thread
from promptlab.tui.safe import one_line, plain
from promptlab.tui.screens.diff_fields import FieldsView, Style
from promptlab.tui.screens.diff_rows import (
    Change,
    ChangeRows,
    changes_of,
    columns,
    counts,
    models_of,
    output_pieces,
    verdict_of,
)
from promptlab.tui.screens.page import pane
from promptlab.tui.screens.past import NO_PROMPTS, PastPage
from promptlab.tui.session import Session
from promptlab.tui.widgets.textview import TextView
from promptlab.tui.widgets.ticks import Option
from promptlab.tui.widgets.virtual_table import NoRows, VirtualTable
from promptlab.tui.widgets.wrapping import Piece

if TYPE_CHECKING:
    from promptlab.lab import Lab

NO_OUTPUTS = "No run has both versions yet: press r to run them."
PANES = ("fields", "scores", "output")
_STYLES = {"BETTER": "bold $text-success", "WORSE": "bold $text-error", "INVALID": "bold $text-warning"}


class Pair(NamedTuple):
    """Two subjects, the older one first."""

    before: str
    after: str


class DiffScreen(PastPage):
    """The prompt's fields above; below them the table of examples and the output of the one under the cursor."""

    MODE = "diff"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("diff")]
    PROSE: ClassVar[dict[str, str]] = {
        "": "Diff: what changed between two versions, and what it did.",
        "fields": "What changed in the prompt. [-taken away-] and {+added+}; · ⇥ ⏎ are blanks that changed. "
        "[ and ] choose the pair of versions.",
        "scores": "Every example that both versions ran, the largest change first. ▲ better, ▼ worse, = same, ? one "
        "side has no score; ≠ the output has other words. The line below says what a test makes of it.",
        "output": "Scores and output of the example under the cursor, then how the verdict below was reached.",
    }

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._past: PromptPast | None = None
        self._pairs: list[Pair] = []
        self._pair: Pair | None = None
        self._chosen = False
        self._diff: SubjectDiff | None = None
        self._model = ""
        self._rows = ChangeRows(())
        self._style: Style = "split"

    def panes(self) -> Iterable[Widget]:
        """Fields, scores, output, verdict."""
        yield pane(FieldsView(id="fields"), "prompt")
        yield Container(
            pane(VirtualTable(id="scores"), "scores"), pane(TextView(id="output"), "output"), id="outcomes"
        )
        yield Static(id="verdict", markup=False)

    def on_mount(self) -> None:
        """The fields have the focus."""
        self.fields.focus()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """On a narrow terminal the focused pane gets the room."""
        if event.widget.id in PANES:
            for name in PANES:
                self.set_class(name == event.widget.id, f"-on-{name}")

    @property
    def fields(self) -> FieldsView:
        """The prompt's diff."""
        return self.query_one(FieldsView)

    @property
    def scores(self) -> VirtualTable:
        """The table of examples."""
        return self.query_one("#scores", VirtualTable)

    @property
    def output(self) -> TextView:
        """The output of one example."""
        return self.query_one("#output", TextView)

    # -- reading ------------------------------------------------------------------------------------------

    async def show_past(self, lab: Lab, name: str) -> None:
        """Find the pairs of versions in a thread, then show one."""
        if self._past is None or self._past.name != name:
            self._pair, self._chosen = None, False
        if not name:
            self._nothing(NO_PROMPTS)
            return
        try:
            self._past = await in_thread(partial(lab.past, name))
        except PromptlabError as fault:
            self._nothing(str(fault))
            return
        self._pairs = pairs_of(self._past)
        if self.session.pair is not None:
            self._pair, self._chosen = Pair(*self.session.pair), True
            self.session.pair = None
        elif not self._chosen:
            self._pair = self._pairs[-1] if self._pairs else None
        if self._pair is None:
            unsaved = " The editor has unsaved text: ctrl+s there saves it." if name in self.session.unsaved else ""
            self._nothing(lone(self._past, await in_thread(lab.history_problem)) + unsaved)
        else:
            await self._compare(lab, self._pair)

    async def _compare(self, lab: Lab, pair: Pair) -> None:
        self.fields.border_title = plain(f"reading {one_line(pair.before)} → {one_line(pair.after)} …")
        try:
            found = await in_thread(partial(lab.diff, pair.before, pair.after))
        except PromptlabError as fault:
            self._nothing(str(fault))
            return
        again, self._diff = found == self._diff, found
        self._show_fields()
        if not again:
            self._show_model()
            self.scores.move_to(0)

    def _nothing(self, sentence: str) -> None:
        """Show why there is nothing to compare."""
        self._diff, self._rows = None, ChangeRows(())
        self.fields.show([Piece(sentence, "dim")])
        self.fields.border_title = plain(one_line(self.session.prompt) or "prompt")
        self.fields.border_subtitle = plain("")
        self.scores.set_rows(NoRows())
        self.scores.border_title, self.scores.border_subtitle = plain("scores"), plain("")
        self.output.show([])
        self.output.border_title = plain("output")
        self.query_one("#verdict", Static).update(plain(""))

    # -- showing ------------------------------------------------------------------------------------------

    def _show_fields(self) -> None:
        diff = self._diff
        if diff is None:
            return
        name = one_line(diff.after.prompt.name)
        before, after = label(diff.before), label(diff.after)
        self.fields.border_title = plain(f"{name}  {before} → {after}")
        at = next((number for number, pair in enumerate(self._pairs, 1) if pair == self._pair), 0)
        place = f"pair {at}/{len(self._pairs)}" if at else ""
        changed = self._unsaved(diff) or f"{plural(len(diff.fields), 'field')} changed"
        self.fields.border_subtitle = plain(f"{changed} · {place}" if place else changed)
        self.fields.show_fields(diff.fields, "inline" if self.has_class("-narrow") else self._style)

    def _unsaved(self, diff: SubjectDiff) -> str:
        """That the text in the editor is another one than the file, which is what is compared; else ""."""
        if diff.after.prompt.name not in self.session.unsaved:
            return ""
        here = diff.after.prompt.name in (diff.before.asked, diff.after.asked)
        return f"{'on disk; ' if here else ''}the editor has unsaved text"

    def _show_model(self) -> None:
        diff = self._diff
        if diff is None:
            return
        models = models_of(diff)
        if self._model not in models:
            self._model = models[0] if models else ""
        if not models:
            self._rows = ChangeRows(())
            self.scores.set_columns(columns(short(diff.before), short(diff.after)))
            self.scores.set_rows(NoRows(), empty=NO_OUTPUTS)
            self.scores.border_title, self.scores.border_subtitle = plain("scores"), plain("")
            self._show_output()
            self.query_one("#verdict", Static).update(plain(NO_OUTPUTS))
            return
        verdict = verdict_of(diff, self._model)
        self._rows = ChangeRows(changes_of(diff, self._model))
        self.scores.set_columns(columns(short(diff.before), short(diff.after)))
        self.scores.set_rows(self._rows)
        metric = f"{one_line(verdict.metric)} on " if verdict else ""
        place = f"  {models.index(self._model) + 1}/{len(models)}" if len(models) > 1 else ""
        self.scores.border_title = plain(f"{metric}{one_line(self._model)}{place}")
        self.scores.border_subtitle = plain(counts(verdict, self._rows.changes))
        line = plain(f"{one_line(self._model)}  ", "bold")
        if verdict is None:
            line = line.append(plain("The eval set has no metric that could decide."))
        else:
            status, colon, rest = verdict.sentence.partition(":")
            line = Content.assemble(line, plain(status, _STYLES.get(verdict.status, "bold")), plain(colon + rest))
        self.query_one("#verdict", Static).update(line)
        self._show_output()

    @on(VirtualTable.Moved, "#scores")
    def _show_output(self) -> None:
        change = self._change
        diff = self._diff
        if diff is None or change is None:
            self.output.show([])
            self.output.border_title = plain("output")
            return
        before, after = short(diff.before), short(diff.after)
        self.output.show(output_pieces(change, verdict_of(diff, self._model), before, after))
        self.output.border_title = plain(
            f"output {one_line(change.example)}  {label(diff.before)} → {label(diff.after)}"
        )

    @property
    def _change(self) -> Change | None:
        row = self.scores.row
        return self._rows.changes[row] if 0 <= row < len(self._rows) else None

    @on(VirtualTable.Opened, "#scores")
    def _opened(self) -> None:
        self.output.focus()

    def on_resize(self, event: Resize) -> None:
        """A split needs 100 columns."""
        self.call_after_refresh(self._show_fields)

    # -- actions ------------------------------------------------------------------------------------------

    def action_before(self) -> None:
        """Show the pair of versions before this one."""
        self._step(-1)

    def action_after(self) -> None:
        """Show the next pair of versions."""
        self._step(1)

    def _step(self, step: int) -> None:
        if not self._pairs or self._pair is None:
            return
        at = next((i for i, pair in enumerate(self._pairs) if pair.after == self._pair.after), len(self._pairs) - 1)
        if self._pair in self._pairs:
            at = min(max(at + step, 0), len(self._pairs) - 1)
        if self._pairs[at] == self._pair:
            self.session.say("This is the newest pair." if step > 0 else "This is the oldest pair.")
            return
        self._pair, self._chosen = self._pairs[at], at != len(self._pairs) - 1
        self.run_worker(partial(self._stepped, self._pair), group="past", exclusive=True)

    async def _stepped(self, pair: Pair) -> None:
        await self._compare(await self.session.lab(), pair)

    def action_model(self) -> None:
        """Show the scores of the next model."""
        models = models_of(self._diff) if self._diff else ()
        if len(models) < 2:
            self.session.say("Only one model has run both versions." if models else NO_OUTPUTS)
            return
        self._model = models[(models.index(self._model) + 1) % len(models)]
        self._show_model()

    def action_style(self) -> None:
        """Old and new beside each other, or in one text."""
        if self.has_class("-narrow"):
            self.session.say("Side by side needs 100 columns.")
            return
        self._style = "inline" if self._style == "split" else "split"
        self._show_fields()

    def action_run(self) -> None:
        """Ask which models to run both versions on."""
        if self._pair is None or self._past is None or self._diff is None:
            return
        name = self._past.name
        options = [
            self.working_copy(name, ticked=True) if ref == name else Option(ref, label(subject), ticked=True)
            for ref, subject in zip(self._pair, (self._diff.before, self._diff.after), strict=True)
        ]
        self.run_worker(partial(self.ask_run, name, options), group="ask", exclusive=True)


def pairs_of(past: PromptPast) -> list[Pair]:
    """Each version with the one before it, oldest first; an edited working copy with the last version."""
    refs = [f"{past.name}@{version.label}" for version in past.versions if not version.error]
    if past.current == "*":
        refs.append(past.name)
    return [Pair(before, after) for before, after in pairwise(refs)]


def lone(past: PromptPast, problem: str) -> str:
    """Why there are no two texts to compare, and what to do about it."""
    if problem:
        return problem
    if past.versions:
        return f"{past.name} has one text so far. Edit it (1, then e): the change shows here."
    return f"No version of {past.name} is committed yet. c commits it, which makes v1; the next change shows here."


def label(subject: Subject) -> str:
    """How a title calls a version: ``v3``, ``working copy``, ``*9f31c0`` for another text that is not committed."""
    if subject.asked == subject.prompt.name:
        return "working copy" if subject.version == "*" else f"working copy = {subject.version}"
    return subject.version if subject.version != "*" else f"*{subject.prompt.content[:6]}"


def short(subject: Subject) -> str:
    """The same for the head of a narrow column."""
    return subject.version if subject.version != "*" or subject.asked == subject.prompt.name else label(subject)

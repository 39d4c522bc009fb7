"""The steps of a chain on one example: which failed, what each was asked and answered, what another column did."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from promptlab.lab.trace_lines import StepDiff, StepLine, lines_of, trace_diff
from promptlab.runs.traces import Trace
from promptlab.tui.background import in_thread
from promptlab.tui.safe import one_line, plain
from promptlab.tui.screens.trace import TONES, step_detail
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.columns import Cell, Column
from promptlab.tui.widgets.textview import Piece, TextView
from promptlab.tui.widgets.virtual_table import VirtualTable

if TYPE_CHECKING:
    from promptlab.lab import RunTable
    from promptlab.tui.screens.page import Page

COLUMNS = (
    Column("mark", "", 1),
    Column("step", "step", 8, grow=True),
    Column("op", "does", 8),
    Column("flags", "", 11, drop=1),
    Column("figures", "took", 22, grow=True, drop=2),
    Column("change", "against", 9, grow=True, drop=3),
)


class StepRows:
    """One line for each step, with what sets it apart from the other column's."""

    def __init__(self, lines: Sequence[StepLine], changes: Sequence[StepDiff]) -> None:
        self.lines = lines
        self._changes = {change.step: change for change in changes}

    def __len__(self) -> int:
        return len(self.lines)

    def key(self, row: int) -> str:
        """The step's name."""
        return self.lines[row].step

    def cell(self, row: int, column: str) -> Cell:
        """What a column says of a step."""
        line = self.lines[row]
        change = self._changes.get(line.step)
        match column:
            case "mark":
                return Cell(line.mark, TONES[line.state])
            case "step":
                return Cell(line.step, TONES[line.state] if line.state in ("failed", "blocked") else "")
            case "op":
                return Cell(line.op, "dim")
            case "flags":
                return Cell(" ".join(line.flags), "warn")
            case "figures":
                return Cell(line.figures, "dim")
            case _:
                said = (change.said or "the same") if change else ""
                return Cell(said, "dim" if change and change.same else "accent")


class StepsDialog(ModalScreen[None]):
    """The steps of a cell as a list, the chosen one in full below it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,t", "close", "Close", show=False),
        Binding("l,right", "against(1)", "Next column", show=False),
        Binding("h,left", "against(-1)", "Column before", show=False),
        Binding("right_square_bracket", "trial(1)", "Next trial", show=False),
        Binding("left_square_bracket", "trial(-1)", "Trial before", show=False),
    ]

    def __init__(self, table: RunTable, column: str, example: str) -> None:
        """Begin with the column's baseline beside it, where that is a chain, too."""
        super().__init__()
        self._table = table
        self._column = column
        self._example = example
        self._trial = 0
        base = table.baseline_of(column)
        self._against = base if base in self._others else ""
        self._changes: dict[str, StepDiff] = {}

    @property
    def _others(self) -> list[str]:
        """The columns that have steps on this example, too."""
        columns = (variant.column for variant in self._table.variants)
        return [one for one in columns if one != self._column and self._table.trace(one, self._example, self._trial)]

    @property
    def _trace(self) -> Trace:
        trace = self._table.trace(self._column, self._example, self._trial)
        return trace or Trace(())

    def compose(self) -> ComposeResult:
        """Lay out steps and detail over nearly the whole terminal."""
        size = app_of(self).size
        with Vertical(id="dialog") as dialog:
            dialog.styles.width, dialog.styles.height = size.width - 4, size.height - 2
            yield Static(id="title")
            yield VirtualTable(COLUMNS, id="steps")
            yield TextView(id="body")
            yield Static(id="hint")

    def on_mount(self) -> None:
        """Show the steps; the first that failed is chosen, else the first that differs, else the last."""
        table = self.query_one(VirtualTable)
        table.styles.height = len(self._trace.steps) + 1
        self.query_one(TextView).styles.height = "1fr"
        table.focus()
        self._show()

    def _show(self) -> None:
        self.run_worker(self._compare, group="compare", exclusive=True)

    async def _compare(self) -> None:
        trace, other = self._trace, self._table.trace(self._against, self._example, self._trial)
        changes = await in_thread(partial(trace_diff, other, trace)) if other else []
        self._changes = {change.step: change for change in changes}
        rows = self.query_one(VirtualTable)
        first = rows.row < 0
        rows.set_rows(StepRows(lines_of(trace), changes), empty="Not there yet.")
        if first:
            changed = next((name for name, change in self._changes.items() if not change.same), "")
            rows.select(trace.failed.step if trace.failed else changed or trace.answer)
        self._titles()
        self._detail()

    def _titles(self) -> None:
        table = self._table
        trial = f" · trial {self._trial + 1} of {table.trials}" if table.trials > 1 else ""
        against = f"  against {self._against} {table.variant(self._against).label}" if self._against else ""
        gone = [name for name, change in self._changes.items() if change.after is None]
        without = f", without {', '.join(gone)}" if gone else ""
        label = f"{self._example} · {self._column} {table.variant(self._column).label}{trial}{against}{without}"
        self.query_one("#title", Static).update(plain(one_line(label), "bold"))
        keys = ["j k: step", "tab: its text"]
        keys += ["h l: other column" if self._against else "l: beside another column"] if self._others else []
        keys += ["[ ]: trial"] if table.trials > 1 else []
        self.query_one("#hint", Static).update(plain(" · ".join([*keys, "Esc closes"]), "$foreground-muted"))

    def _detail(self) -> None:
        name = self.query_one(VirtualTable).row_key
        step = self._trace.step(name)
        pieces = step_detail(step, self._changes.get(name), (self._against, self._column)) if step else []
        if step is not None and not step.calls:
            pieces += self._given(name)
        self.query_one(TextView).show(pieces)

    def _given(self, name: str) -> list[Piece]:
        """What a step that asks nothing worked on."""
        needs = next((step.needs for step in self._table.prompts[self._column].steps if step.name == name), ())
        given = [step for step in self._trace.steps if step.step in needs and step.state == "done"]
        return [
            piece for step in given for piece in (Piece(f"\n{step.step} gave  ", "accent"), Piece(f"{step.text}\n"))
        ]

    @on(VirtualTable.Moved)
    def _moved(self) -> None:
        self._detail()

    @on(VirtualTable.Opened)
    def _opened(self) -> None:
        self.query_one(TextView).focus()

    def action_against(self, step: int) -> None:
        """Hold the steps against those of the next column, or of none."""
        around = ["", *self._others]
        at = around.index(self._against) if self._against in around else 0
        self._against = around[(at + step) % len(around)]
        self._show()

    def action_trial(self, step: int) -> None:
        """Show the next trial."""
        self._trial = (self._trial + step) % self._table.trials
        self._show()

    def action_close(self) -> None:
        self.dismiss(None)


def show_steps(page: Page, table: RunTable | None, column: str, example: str) -> None:
    """Open the steps of a cell, or say why there are none; beside a single chain, those of the chain."""
    if table is None or not example:
        return
    chains = [variant.column for variant in table.variants if table.prompts[variant.column].steps]
    if column not in chains and len(chains) == 1:
        (column,) = chains
    if not table.prompts[column].steps:
        page.session.say(
            f"{column} {table.variant(column).label} is no chain: it has no steps. h and l choose a column."
        )
    elif table.trace(column, example) is None:
        page.session.say(f"The steps of {example} are not there: it has no answer yet, or its text was not stored.")
    else:
        app_of(page).push_screen(StepsDialog(table, column, example))

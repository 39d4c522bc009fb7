"""The Models screen: every model of the workspace, and how good, fast and dear it is with one prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget

from promptlab.errors import PromptlabError
from promptlab.tui.actions import bindings
from promptlab.tui.background import in_thread
from promptlab.tui.safe import one_line, plain
from promptlab.tui.screens.benching import Bench
from promptlab.tui.screens.models_rows import (
    COLUMNS,
    NO_MODELS,
    ModelRows,
    detail_pieces,
    no_points,
    points,
    scales,
)
from promptlab.tui.screens.page import pane
from promptlab.tui.screens.past import NO_PROMPTS
from promptlab.tui.screens.past_table import TablePage
from promptlab.tui.screens.picking import Pick
from promptlab.tui.session import Session
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.plot import Plot
from promptlab.tui.widgets.textview import TextView
from promptlab.tui.widgets.virtual_table import NoRows, VirtualTable
from promptlab.tui.widgets.wrapping import Piece

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.lab.models_table import Axis, ModelRow, ModelTable


class ModelsTable(VirtualTable):
    """The table; space marks a model instead of turning the page."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("modellist")]


class ModelsScreen(TablePage):
    """The table above; the plot and the details of the model under the cursor below, one at a time when narrow."""

    MODE = "models"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("models")]
    PROSE: ClassVar[dict[str, str]] = {
        "": "Models: what this workspace can ask, and which model to take.",
        "models": "Quality is the primary metric of the eval set over the prompt as it is now, with its interval, "
        "from stored runs over the same examples; n is how many have a value. p50 and p95 are of one answer. ◆ marks "
        "the models that no other one beats in quality without taking more; it goes by the means, so look at the "
        "intervals. space marks models for b and r.",
        "plot": "Quality upwards, latency or cost to the right: the best stand at the top left. ◆ no other model "
        "beats, ○ another one does; │ is the interval. The number is that of the table.",
        "facts": "What is known of the model under the cursor.",
    }

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._models: ModelTable | None = None
        self._axis: Axis = "latency"
        self._evalset = ""
        self._marked: set[str] = set()
        self._bench: Bench | None = None

    def panes(self) -> Iterable[Widget]:
        """The table, the plot and the facts."""
        yield pane(ModelsTable(COLUMNS, id="models"), "Models")
        yield Container(pane(Plot(id="plot"), "plot"), pane(TextView(id="facts"), "facts"), id="below")

    def on_mount(self) -> None:
        """Where there is room for one of them, the facts are shown before the plot."""
        self.set_class(True, "-facts")

    # -- reading ------------------------------------------------------------------------------------------

    def files_changed(self, paths: tuple[str, ...]) -> None:
        """The models, the prompt or the examples may be others now."""
        if any(path == "promptlab.toml" or path.startswith(("prompts/", "evalsets/")) for path in paths):
            self.reload()

    async def show_past(self, lab: Lab, name: str) -> None:
        """Read the models and their runs in a thread; what was shown stays until that is done."""
        from promptlab.lab.models_table import model_table

        if self._models is None:
            self.table.set_rows(NoRows(), empty="reading the runs …")
        try:
            self._models = await in_thread(partial(model_table, lab, name, self._evalset))
        except PromptlabError as fault:
            self._models = None
            self.table.set_rows(NoRows(), empty=one_line(str(fault)))
            self.session.say(str(fault), bad=True)
            return
        self._marked &= {row.info.name for row in self._models.rows}
        self._show()
        self.show_details_soon()

    def _show(self) -> None:
        models = self._models
        if models is None:
            return
        self.table.set_rows(ModelRows(models, self._axis, self._marked), empty=NO_MODELS)
        about = " · ".join(part for part in (models.metric, models.evalset) if part)
        self.table.border_title = plain(one_line(f"Models with {models.prompt} {models.version}".rstrip()))
        self.table.border_subtitle = plain(one_line(f"{about} · ◆ best for its {self._axis}" if about else ""))
        plot = self.query_one(Plot)
        plot.show(points(models, self._axis), *scales(models, self._axis), empty=no_points(models, self._axis))
        plot.border_title = plain(one_line(f"{models.metric or 'quality'} against {self._axis}"))

    @property
    def _here(self) -> ModelRow | None:
        if self._models is None or self.table.row < 0:
            return None
        return self._models.rows[self.table.row]

    async def show_details(self) -> None:
        """Show the facts of the model under the cursor."""
        view, row, models, lab = self.query_one("#facts", TextView), self._here, self._models, self.session.lab_now
        if row is None or models is None or lab is None:
            view.show([Piece(NO_MODELS if models is not None else "", "dim")])
            return
        view.border_title = plain(one_line(row.info.name))
        try:
            details = await in_thread(partial(lab.model_details, row.info.name))
        except PromptlabError as fault:  # it was taken out of promptlab.toml meanwhile
            view.show([Piece(str(fault), "bad")])
            return
        view.show(detail_pieces(models, row, details))

    # -- what is shown --------------------------------------------------------------------------------------

    def action_mark(self) -> None:
        """Mark the model under the cursor, or take the mark away."""
        if self._here is not None:
            self._marked ^= {self._here.info.name}
            self._show()

    def action_axis(self) -> None:
        """Weigh quality against the other thing that it takes."""
        self._axis = "cost" if self._axis == "latency" else "latency"
        self._show()

    def action_view(self) -> None:
        """Show the plot or the facts, where there is room for one of them."""
        self.toggle_class("-facts")
        if self.focused is not None and not self.focused.display:
            self.table.focus()

    def action_evalset(self) -> None:
        """Choose the eval set that quality is shown on."""
        self.run_worker(self._pick_evalset, group="ask", exclusive=True)

    async def _pick_evalset(self) -> None:
        lab = await self.session.lab()
        names = lab.evalset_names()
        if not names:
            self.session.say("There is no eval set yet: create evalsets/NAME.toml with [[examples]] and [[metrics]].")
            return
        current = self._models.evalset if self._models else ""
        chosen = await app_of(self).push_screen_wait(Pick("Show the quality on", names, current))
        if chosen:
            self._evalset = chosen
            self.reload()

    @on(VirtualTable.Opened, "#models")
    def _opened(self) -> None:
        row = self._here
        if row is not None and row.measured is None:
            self.session.say("No run has measured this model with the prompt as it is: r runs it.")
        elif row is not None and row.measured is not None:
            self.open_run(row.measured.run)

    # -- running and timing ---------------------------------------------------------------------------------

    def action_run(self) -> None:
        """Ask whether to run the prompt on the marked models, on all that can be used where none is marked."""
        from promptlab.lab.models_table import usable

        models = self._models
        if models is None or models.problem:
            self.session.say(models.problem if models else NO_PROMPTS)
        elif not (names := usable(self._chosen(models.rows))):
            self.session.say("None of these models can be used now: the facts say why." if models.rows else NO_MODELS)
        else:
            options = [self.working_copy(models.prompt, ticked=True)]
            ask = partial(self.ask_run, models.prompt, options, models=names, evalset=models.evalset)
            self.run_worker(ask, group="ask", exclusive=True)

    def _chosen(self, rows: Sequence[ModelRow]) -> list[ModelRow]:
        return [row for row in rows if row.info.name in self._marked or not self._marked]

    def action_bench(self) -> None:
        """Time the marked models, or the one under the cursor."""
        if self._models is None or self._here is None:
            self.session.say(NO_MODELS)
            return
        wanted = self._chosen(self._models.rows) if self._marked else [self._here]
        names = [row.info.name for row in wanted if row.info.kind == "gguf" and not row.info.problem]
        if self.session.running:
            self.session.say("A run is going on and would slow the timing down: x stops it.", bad=True)
        elif self._bench is not None and self._bench.active:
            self.session.say(self._bench.line)
        elif not names:
            self.session.say("Only models in files that can be used can be timed on this machine.")
        else:
            self._bench = Bench(names)
            self.run_worker(partial(self._time, self._bench), group="bench")

    async def _time(self, bench: Bench) -> None:
        lab = await self.session.lab()
        self._tell()
        await bench.run(lab, self._tell)
        self.session.say(bench.result, bad=bool(bench.problems))
        self.refresh_bindings()
        self.reload()

    def _tell(self) -> None:
        if self._bench is not None:
            self.session.say(self._bench.line)
            self.refresh_bindings()

    def action_stop_bench(self) -> None:
        """End the timing; what was measured is kept."""
        if self._bench is not None:
            self._bench.stop()
            self._tell()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what makes sense now."""
        if action == "stop_bench":
            return self._bench is not None and self._bench.active
        if action == "view":
            return self.has_class("-narrow")
        return super().check_action(action, parameters)

    async def on_unmount(self) -> None:
        """End the child that measures: nothing is left behind."""
        if self._bench is not None and self._bench.active:
            self._bench.stop()
            await self._bench.ended()

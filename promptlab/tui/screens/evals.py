"""The Evals screen: the examples of an eval set, and how it is decided; both are changed in its files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from promptlab.errors import PromptlabError
from promptlab.lab.wording import plural
from promptlab.tui.actions import bindings
from promptlab.tui.background import in_thread
from promptlab.tui.safe import one_line, plain
from promptlab.tui.screens.committing import commit_prompt
from promptlab.tui.screens.evals_changes import Changes
from promptlab.tui.screens.evals_rows import (
    COLUMNS,
    NO_EVALSET,
    NO_MATCH,
    SETTING_COLUMNS,
    ExampleRows,
    SettingRows,
    example_pieces,
)
from promptlab.tui.screens.evals_tried import add_tried
from promptlab.tui.screens.page import Page, pane
from promptlab.tui.screens.past import fitting_evalset
from promptlab.tui.screens.picking import Pick
from promptlab.tui.session import Session
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.textview import TextView
from promptlab.tui.widgets.virtual_table import NoRows, VirtualTable

if TYPE_CHECKING:
    from promptlab.lab.evalset_settings import Setting
    from promptlab.lab.examples import ExampleList
    from promptlab.workspace.values import Example

FILTER_AFTER = 0.08
"""Seconds of quiet after which a filter that is being typed is looked for."""


class ExamplesTable(VirtualTable):
    """The table; space marks an example instead of turning the page."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("evallist")]


class EvalsScreen(Page):
    """Examples on the left; the one under the cursor, and the settings of the eval set, on the right."""

    MODE = "evals"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("evals")]
    PROSE: ClassVar[dict[str, str]] = {
        "": "Evals: what prompts are tried on, and what better means.",
        "examples": "The examples of one eval set, as its file has them. = asks the same as another example, ◼ is "
        "marked. Enter opens one to change it, a adds one, f one of the last trial, D deletes, u takes the last "
        "change back. What the file has besides, comments too, stays as it is.",
        "filter": "All words must be there. tag:late, split:dev, group:g1 and id:s0 look at one field, is:duplicate "
        "at examples that ask the same, -word leaves out. Enter goes to the table, Esc takes the filter away.",
        "example": "All of the example under the cursor.",
        "settings": "What is measured and when a version is better. Enter changes a line, a adds a metric, w a "
        "guardrail, D takes a line out. Dim lines are defaults that the file leaves out.",
    }

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.changes = Changes(self)
        self.examples: ExampleList | None = None
        self.settings: list[Setting] = []
        self.marked: set[str] = set()
        self._shown: list[int] = []
        self._first = True
        self._prompt = ""

    def panes(self) -> Iterable[Widget]:
        """Examples with their filter; one example and the settings."""
        yield Vertical(
            pane(ExamplesTable(COLUMNS, id="examples"), "Evals"),
            Input(placeholder="words, tag:x, split:x, is:duplicate, -word", id="filter", compact=True),
            id="left",
        )
        yield Vertical(
            pane(TextView(id="example"), "example"),
            pane(VirtualTable(SETTING_COLUMNS, header=False, id="settings"), "settings"),
            id="right",
        )

    @property
    def table(self) -> ExamplesTable:
        """The examples."""
        return self.query_one(ExamplesTable)

    @property
    def settings_table(self) -> VirtualTable:
        """The settings."""
        return self.query_one("#settings", VirtualTable)

    @property
    def filter(self) -> Input:
        """The line to type a filter in."""
        return self.query_one("#filter", Input)

    @property
    def example(self) -> Example | None:
        """The one under the cursor."""
        if self.examples is None or self.table.row < 0:
            return None
        return self.examples.evalset.examples[self._shown[self.table.row]]

    @property
    def shown(self) -> list[Example]:
        """What the filter leaves."""
        return [self.examples.evalset.examples[index] for index in self._shown] if self.examples is not None else []

    @property
    def chosen(self) -> list[Example]:
        """The marked ones, else the one under the cursor."""
        if self.examples is None:
            return []
        marked = [example for example in self.examples.evalset.examples if example.id in self.marked]
        return marked or ([self.example] if self.example is not None else [])

    # -- reading ------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """The table has the focus."""
        super().on_mount()
        self.table.focus()

    def on_screen_resume(self) -> None:
        """Read again; the eval set of the prompt, where this is another one than the last time."""
        self.refresh_chrome()
        self.reload()

    def reload(self) -> None:
        """Read the eval set again if the screen is shown."""
        if app_of(self).screen is self:
            self.run_worker(self._reload, group="read", exclusive=True)

    async def _reload(self) -> None:
        await self._follow()
        await self.read()
        if self._first:
            self._first = False
            self._do(self.changes.take_up)

    async def _follow(self) -> None:
        """Go to the eval set of the prompt. Where the last sitting was is not left at first."""
        prompt, self._prompt = self._prompt, self.session.prompt
        if not self._prompt or prompt == self._prompt or (self._first and self.session.evalset):
            return
        lab = await self.session.lab()
        try:
            cases = await in_thread(partial(fitting_evalset, lab, self._prompt))
        except PromptlabError:
            return  # Prompts says what is wrong with it.
        if cases is not None:
            self.session.evalset = cases.name

    def files_changed(self, paths: tuple[str, ...]) -> None:
        """The file may have other examples now."""
        if any(path.startswith("evalsets/") for path in paths):
            self.reload()

    async def read(self) -> None:
        """Read the eval set and show it; one that does not load says why."""
        from promptlab.lab.evalset_settings import settings_of
        from promptlab.lab.examples import read_examples

        lab = await self.session.lab()
        names = await in_thread(lab.evalset_names)
        if self.session.evalset not in names:
            usual = await in_thread(lambda: lab.evalset_for(None))
            self.session.evalset = usual if usual in names and usual else next(iter(names), "")
        if not self.session.evalset:
            self._nothing(NO_EVALSET)
            return
        try:
            self.examples = await in_thread(partial(read_examples, lab, self.session.evalset))
            self.settings = await in_thread(partial(settings_of, lab, self.examples.evalset))
        except PromptlabError as fault:
            self._nothing(f"{self.session.evalset} does not load: e opens it in $EDITOR. {fault}")
            return
        self.marked &= {example.id for example in self.examples.evalset.examples}
        self.settings_table.set_rows(SettingRows(self.settings))
        self.show()
        self.refresh_bindings()

    def _nothing(self, sentence: str) -> None:
        self.examples, self.settings, self._shown = None, [], []
        self.table.border_title = plain(one_line(f"Evals {self.session.evalset}".rstrip()))
        self.table.border_subtitle = ""
        self.table.set_rows(NoRows(), empty=one_line(sentence))
        self.settings_table.set_rows(NoRows())
        self.query_one("#example", TextView).show([])
        self.refresh_bindings()

    def show(self) -> None:
        """Show what the filter leaves."""
        from promptlab.lab.examples import matching

        examples = self.examples
        if examples is None:
            return
        query = self.filter.value if self.has_class("-filtering") else ""
        self._shown = matching(examples, query)
        rows = ExampleRows(examples, self._shown, self.marked)
        self.table.set_columns(rows.columns)
        self.table.set_rows(rows, empty=NO_MATCH)
        total = len(examples.evalset.examples)
        count = f"{len(self._shown)} of {total}" if query else f"{total}"
        parts = [f"{count} examples", plural(len(examples.twins), "duplicate") if examples.twins else ""]
        parts += [
            f"{split or 'no split'} {n}" for split, n in examples.in_split().items() if any(examples.in_split())
        ]
        parts.append(f"{len(self.marked)} marked" if self.marked else "")
        self.table.border_title = plain(one_line(f"Evals {self.session.evalset}"))
        self.table.border_subtitle = plain(one_line(" · ".join(filter(None, parts))))
        self.settings_table.border_title = plain(one_line(examples.evalset.source))
        self._show_example()

    @on(VirtualTable.Moved, "#examples")
    def _moved(self) -> None:
        self._show_example()

    def _show_example(self) -> None:
        view, example = self.query_one("#example", TextView), self.example
        view.border_title = plain(one_line(example.id if example is not None else "example"))
        view.show(example_pieces(self.examples, example) if self.examples and example else [])

    # -- filter -------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what makes sense now."""
        match action:
            case "view":
                return self.has_class("-narrow")
            case "all":
                return self.has_class("-filtering") or bool(self.marked)
            case "add" | "trial" | "filter" | "twins" | "delete" | "tags" | "split" | "guardrail":
                return self.examples is not None
            case "commit":
                return super().check_action(action, parameters) if self.session.evalset else False
            case _:
                return super().check_action(action, parameters)

    def action_filter(self) -> None:
        """Type what examples must have."""
        self.add_class("-filtering")
        self.filter.focus()

    def action_twins(self) -> None:
        """Show only examples that ask the same as another one."""
        from promptlab.lab.examples import TWIN

        self.add_class("-filtering")
        self.filter.value = TWIN
        self.table.focus()

    def action_all(self) -> None:
        """Take the filter away, else the marks."""
        if self.has_class("-filtering"):
            self.remove_class("-filtering")
            self.filter.value = ""
            self.table.focus()
        else:
            self.marked.clear()
        self.show()
        self.refresh_bindings()

    @on(Input.Changed, "#filter")
    def _typed(self) -> None:
        self.run_worker(self._look, group="filter", exclusive=True)

    async def _look(self) -> None:
        await asyncio.sleep(FILTER_AFTER)
        self.show()

    @on(Input.Submitted, "#filter")
    def _entered(self) -> None:
        self.table.focus()

    def go_back(self) -> bool:
        """Take a filter away before leaving the screen."""
        if super().go_back():
            return True
        if self.has_class("-filtering"):
            self.action_all()
            return True
        return False

    # -- what is shown ------------------------------------------------------------------------------------

    def action_mark(self) -> None:
        """Mark the example under the cursor, or take the mark away, and go on to the next one."""
        if self.example is not None:
            self.marked ^= {self.example.id}
            self.show()
            self.table.action_down()
            self.refresh_bindings()

    def action_view(self) -> None:
        """Show the example or the settings, where there is room for one of them, and go there."""
        self.toggle_class("-settings")
        target = self.settings_table if self.has_class("-settings") else self.table
        target.focus()

    def action_pick(self) -> None:
        """Choose the eval set to show."""
        self.run_worker(self._pick, group="ask", exclusive=True)

    async def _pick(self) -> None:
        lab = await self.session.lab()
        names = await in_thread(lab.evalset_names)
        if not names:
            self.session.say(NO_EVALSET)
            return
        name = await app_of(self).push_screen_wait(Pick("Show the eval set", names, self.session.evalset))
        if name:
            await self.go_to(name)

    async def go_to(self, name: str) -> None:
        """Show another eval set."""
        self.session.evalset = name
        self.marked.clear()
        self.remove_class("-filtering")
        self.filter.value = ""
        await self.read()

    # -- what is changed ----------------------------------------------------------------------------------

    @on(VirtualTable.Opened, "#examples")
    def _open_example(self) -> None:
        if self.example is not None:
            self._do(partial(self.changes.edit, self.example))

    @on(VirtualTable.Opened, "#settings")
    def _open_setting(self) -> None:
        self._do(partial(self.changes.set, self.settings[self.settings_table.row]))

    def _do(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        self.run_worker(work, group="ask", exclusive=True)

    def action_add(self) -> None:
        """Add an example; beside the settings, a metric."""
        if self.settings_table.has_focus:
            self._do(partial(self.changes.add_setting, "metric"))
        else:
            self._do(self.changes.add)

    def action_guardrail(self) -> None:
        """Add a metric that must not get worse."""
        self._do(partial(self.changes.add_setting, "guardrail"))

    def action_delete(self) -> None:
        """Delete what is chosen, after a question; beside the settings, take the line out."""
        if self.settings_table.has_focus and self.settings:
            self._do(partial(self.changes.unset, self.settings[self.settings_table.row]))
        else:
            self._do(self.changes.delete)

    def action_tags(self) -> None:
        """Set the tags of what is chosen."""
        self._do(self.changes.tags)

    def action_split(self) -> None:
        """Put what is chosen, or all, into splits."""
        self._do(self.changes.split)

    def action_import(self) -> None:
        """Add the examples of a file, after a preview."""
        self._do(self.changes.take_in)

    def action_trial(self) -> None:
        """Make an example of an input that was tried, and of its answer."""
        self._do(partial(add_tried, self, self.changes))

    def action_new(self) -> None:
        """Create an eval set."""
        self._do(self.changes.new)

    def action_external(self) -> None:
        """Edit the example, or the settings, in the person's own editor."""
        self._do(self.changes.settings_outside if self._outside_is_settings else self.changes.example_outside)

    @property
    def _outside_is_settings(self) -> bool:
        return self.examples is None or self.settings_table.has_focus or self.example is None

    def action_commit(self) -> None:
        """Commit the eval set, after showing what changed and a message."""
        self._do(partial(commit_prompt, self, self.session.evalset))

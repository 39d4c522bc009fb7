"""What to run: which versions, on which models, and how many cells that makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from promptlab.lab.values import RunRequest
from promptlab.lab.wording import plural
from promptlab.tui.safe import plain
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.ticks import Option, TickList


class RunDialog(ModalScreen[RunRequest | None]):
    """Subjects and models to tick. The first ticked subject is the baseline when there are several."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("R", "run", "Run", show=False),
        Binding("u", "until_clear", "Until clear", show=False),
        # Before the lists, where Enter would tick: it answers the dialog, as the line below the lists says.
        Binding("enter", "answer", "Run", show=False, priority=True),
        # From the buttons into the lists and back; inside a list the list's own keys come first.
        Binding("up,k", "app.focus_previous", "Before", show=False),
        Binding("down,j", "app.focus_next", "Next", show=False),
    ]

    def __init__(
        self,
        title: str,
        subjects: Sequence[Option],
        models: Sequence[Option],
        evalset: str,
        examples: int,
        *,
        until_clear: bool = False,
        only: tuple[str, ...] = (),
    ) -> None:
        """Ask what to run.

        Args:
            subjects: Oldest first, so that the first ticked one is what the others are compared with.
            examples: Cells of one column: examples × trials.
            until_clear: Propose a run that stops as soon as the verdict is clear.
            only: Ids of the examples to run, once each, where it is not all of them.
        """
        super().__init__()
        self._title = title
        self._subjects = subjects
        self._models = models
        self._evalset = evalset
        self._examples = examples
        self._until_clear = until_clear
        self._only = only

    def compose(self) -> ComposeResult:
        """Lay out the two lists, the count and the answers."""
        room = app_of(self).size.height - 12
        with Vertical(id="dialog") as dialog:
            dialog.styles.width = min(84, app_of(self).size.width - 4)
            yield Static(plain(self._title, "bold"), id="title")
            for name, label, options in (
                ("subjects", "what to run, oldest first", self._subjects),
                ("models", "on which models", self._models),
            ):
                yield Static(plain(label, "$foreground-muted"), classes="label")
                ticks = TickList(options, id=name)
                ticks.styles.height = max(1, min(len(options), room // 2))
                yield ticks
            yield Static("", id="count")
            clear = "" if self._only else "u stops when clear · "
            keys = f"↑ ↓ move · space ticks · {clear}Enter runs · Esc leaves"
            yield Static(plain(keys, "$foreground-muted"), id="keys")
            with Horizontal(id="answers"):
                yield Button(plain("Cancel"), id="cancel", compact=True)
                yield Button(plain("R Run"), id="run", compact=True)

    def on_mount(self) -> None:
        """Count what is ticked; the answer has the focus, so that Enter runs what is proposed."""
        self._count()
        self.query_one("#run", Button).focus()

    def on_tick_list_changed(self) -> None:
        """Count again."""
        self._count()

    def _ticked(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.query_one("#subjects", TickList).ticked, self.query_one("#models", TickList).ticked

    def _count(self) -> None:
        subjects, models = self._ticked()
        cells = len(subjects) * len(models) * self._examples
        text = (
            f"{plural(len(subjects), 'version')} × {plural(len(models), 'model')} × {self._examples} on "
            f"{self._evalset} = {plural(cells, 'answer')}"
        )
        if len(subjects) > 1:
            text += f", against {subjects[0]}"
        if self._until_clear and len(subjects) * len(models) > 1:
            text += "; at most, since it stops as soon as the verdict is clear"
        if not self._models:
            text = "No model is declared. Add [models.NAME] with gguf = … or model = … to promptlab.toml."
        elif not cells:
            text = "Tick a version and a model (space)."
        self.query_one("#count", Static).update(plain(text))
        self.query_one("#run", Button).disabled = not cells

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Run, or not."""
        if event.button.id == "run":
            self.action_run()
        else:
            self.action_cancel()

    def action_answer(self) -> None:
        """What Enter means: Run, but on the button that cancels."""
        if self.focused is self.query_one("#cancel", Button):
            self.action_cancel()
        else:
            self.action_run()

    def action_until_clear(self) -> None:
        """Stop as soon as the verdict is clear, or ask everything after all."""
        self._until_clear = not self._until_clear and not self._only
        self._count()

    def action_run(self) -> None:
        """Give back what is ticked."""
        subjects, models = self._ticked()
        if subjects and models:
            baseline = subjects[0] if len(subjects) > 1 else ""
            clear = self._until_clear and len(subjects) * len(models) > 1
            trials = 1 if self._only else None
            self.dismiss(
                RunRequest(subjects, models, self._evalset, trials, baseline, only=self._only, until_clear=clear)
            )

    def action_cancel(self) -> None:
        self.dismiss(None)

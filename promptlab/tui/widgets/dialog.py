"""Questions: the safe answer has the focus, and Enter alone never destroys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from promptlab.tui.safe import plain
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.textview import TextView
from promptlab.tui.widgets.wrapping import Piece, logical_lines, wrap

_WIDEST = 96
_CHROME = 8
"""Lines of a dialog that are not its body: border, title, buttons and the gaps between."""


class Answer(NamedTuple):
    """One answer beside Cancel: its name to the caller, the key that gives it at once, its label."""

    name: str
    key: str
    label: str


class Question(ModalScreen[str]):
    """A title, a body that scrolls, and answers. The result is an answer's name, or "" for Cancel."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("left,h", "app.focus_previous", "Answer before", show=False),
        Binding("right,l", "app.focus_next", "Next answer", show=False),
        # The body scrolls while an answer has the focus, too; Enter alone belongs to the answer.
        Binding("down,j", "scroll('down')", "Scroll down", show=False),
        Binding("up,k", "scroll('up')", "Scroll up", show=False),
        Binding("pagedown,space,ctrl+d", "scroll('page_down')", "Page down", show=False),
        Binding("pageup,ctrl+u", "scroll('page_up')", "Page up", show=False),
        Binding("home,g", "scroll('first')", "Start", show=False),
        Binding("end,G", "scroll('last')", "End", show=False),
    ]

    def __init__(
        self, title: str, body: Iterable[Piece], answers: Iterable[Answer] = (), *, cancel: str = "Cancel"
    ) -> None:
        super().__init__()
        self._title = title
        self._body = tuple(body)
        self._answers = tuple(answers)
        self._cancel = cancel

    def compose(self) -> ComposeResult:
        """Lay out the dialog for the terminal of the moment: its frame shrinks before its body does."""
        width = min(_WIDEST, app_of(self).size.width - 4)
        rows = sum(1 for _ in zip(wrap(logical_lines(self._body), width - 5), range(200), strict=False))
        body = TextView(id="body")
        body.styles.height = max(3, min(rows, app_of(self).size.height - _CHROME))
        with Vertical(id="dialog") as dialog:
            dialog.styles.width = width
            yield Static(plain(self._title, "bold"), id="title")
            yield body
            with Horizontal(id="answers"):
                yield Button(plain(self._cancel), id="cancel", compact=True)
                for answer in self._answers:
                    yield Button(plain(f"{answer.key} {answer.label}"), id=f"answer-{answer.name}", compact=True)

    def on_mount(self) -> None:
        """Fill the body; Cancel has the focus."""
        self.query_one("#body", TextView).show(self._body)
        self.query_one("#cancel", Button).focus()

    def on_key(self, event: Key) -> None:
        """An answer's own key gives it."""
        for answer in self._answers:
            if event.character == answer.key:
                event.stop()
                self.dismiss(answer.name)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button gives its answer."""
        self.dismiss((event.button.id or "").removeprefix("answer-").replace("cancel", ""))

    async def action_scroll(self, how: str) -> None:
        """Scroll the body, whatever has the focus."""
        await app_of(self).run_action(how, self.query_one("#body", TextView))

    def action_cancel(self) -> None:
        self.dismiss("")


def message(title: str, body: str) -> Question:
    """A dialog that only tells something."""
    return Question(title, [Piece(body)], cancel="Close")


class Ask(ModalScreen[str]):
    """One line to type. The result is what was typed, or "" for Cancel."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel", show=False)]

    def __init__(self, title: str, hint: str, check: Callable[[str], str], *, value: str = "") -> None:
        """Ask for a line.

        Args:
            check: Gives the sentence that says what is wrong with a line, or "".
        """
        super().__init__()
        self._title = title
        self._hint = hint
        self._check = check
        self._value = value

    def compose(self) -> ComposeResult:
        """Lay out title, field and the line that says what is wrong."""
        with Vertical(id="dialog") as dialog:
            dialog.styles.width = min(72, app_of(self).size.width - 4)
            yield Static(plain(self._title, "bold"), id="title")
            yield Input(self._value, id="field", compact=True)
            yield Static(plain(self._hint, "$text-muted"), id="hint")

    def on_mount(self) -> None:
        """The field has the focus."""
        self.query_one("#field", Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say what is wrong while it is typed, or the hint when nothing is."""
        problem = self._check(event.value) if event.value else ""
        self.query_one("#hint", Static).update(
            plain(problem or self._hint, "$text-error" if problem else "$text-muted")
        )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take a line that nothing is wrong with."""
        if event.value and not self._check(event.value):
            self.dismiss(event.value)

    def action_cancel(self) -> None:
        self.dismiss("")

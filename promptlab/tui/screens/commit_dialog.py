"""What a commit would hold, and its message to edit: shown before anything is committed."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static, TextArea

from promptlab.lab.committing import PromptEdit, Proposal
from promptlab.tui.safe import plain, same_length
from promptlab.tui.screens.diff_fields import inline_pieces
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.textview import TextView, diff_pieces
from promptlab.tui.widgets.wrapping import Piece, logical_lines, wrap

_CHROME = 15
"""Lines of the dialog that are not the diff."""
_KINDS = {"new": "new", "deleted": "removed", "changed": "edited"}


class Typed(NamedTuple):
    """How the dialog ended: the message as it stood, and whether to commit."""

    message: str
    commit: bool


class MessageArea(TextArea):
    """Some lines of a message. What a terminal would act on is shown as a symbol."""

    def __init__(self, text: str, *, id: str) -> None:
        super().__init__(text, id=id, soft_wrap=True, tab_behavior="focus", compact=True)
        self.cursor_blink = False

    def get_line(self, line_index: int) -> Text:
        """One line, harmless, with as many characters as it has."""
        return Text(same_length(self.document.get_line(line_index)), end="")


class CommitDialog(ModalScreen[Typed]):
    """The words that changed above, the message below. Enter in the message is a line end; ctrl+s commits."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False, priority=True),
        Binding("ctrl+s", "commit", "Commit", show=False, priority=True),
    ]

    def __init__(self, proposal: Proposal, message: str) -> None:
        super().__init__()
        self._proposal = proposal
        self._message = message
        self._pieces = proposal_pieces(proposal, message)

    def compose(self) -> ComposeResult:
        """Lay out title, diff, notes, message and answers for the terminal of the moment."""
        size = app_of(self).size
        names = ", ".join(each.name for each in self._proposal.edits)
        width = min(110, size.width - 4)
        room = max(3, size.height - _CHROME - len(self._proposal.notes))
        rows = zip(wrap(logical_lines(self._pieces), width - 5), range(room), strict=False)
        body = TextView(id="body")
        body.styles.height = max(3, sum(1 for _ in rows))
        with Vertical(id="dialog") as dialog:
            dialog.styles.width = width
            yield Static(plain(f"Commit {names}", "bold"), id="title")
            yield body
            for note in self._proposal.notes:
                yield Static(plain(note, "$text-warning"), classes="note")
            yield Static(plain("message", "$foreground-muted"), classes="label")
            yield MessageArea(self._message, id="message")
            keys = "^s commits, with your hooks · tab: the diff · Esc leaves, the message is kept"
            yield Static(plain(keys, "$foreground-muted"), id="hint")
            with Horizontal(id="answers"):
                yield Button(plain("Cancel"), id="cancel", compact=True)
                yield Button(plain("^s Commit"), id="commit", compact=True)

    def on_mount(self) -> None:
        """Fill the diff; the message has the focus."""
        self.query_one("#body", TextView).show(self._pieces)
        area = self.query_one(MessageArea)
        area.focus()
        area.move_cursor((0, len(area.document.get_line(0))))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Commit, or not."""
        if event.button.id == "commit":
            self.action_commit()
        else:
            self.action_cancel()

    def action_commit(self) -> None:
        """Give back the message, unless it is empty."""
        text = self.query_one(MessageArea).text
        if text.strip():
            self.dismiss(Typed(text, commit=True))
        else:
            self.query_one("#hint", Static).update(plain("A commit needs a message.", "$text-error"))

    def action_cancel(self) -> None:
        self.dismiss(Typed(self.query_one(MessageArea).text, commit=False))


def proposal_pieces(proposal: Proposal, message: str) -> list[Piece]:
    """What a commit would hold, prompt by prompt, and what is known of it where the message does not say so."""
    pieces: list[Piece] = []
    for each in proposal.edits:
        pieces += [Piece(f"{each.path}", "head"), Piece(f"  {_KINDS.get(each.kind, each.kind)}\n", "dim")]
        if each.problem:
            pieces.append(Piece(f"It does not load: {each.problem}\n", "bad"))
        pieces += _edit_pieces(each)
        pieces += [Piece(f"{said}\n", "dim") for said in each.verdicts if said not in message]
        pieces.append(Piece("\n"))
    return pieces


def _edit_pieces(each: PromptEdit) -> list[Piece]:
    if [field.field for field in each.fields] == ["file"]:
        return [*diff_pieces(each.fields[0].spans), Piece("\n")]
    return [*inline_pieces(each.fields), Piece("\n")]

"""A form: named fields of one line or several. Nothing that was typed into it is lost without a question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Key
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Static, TextArea

from promptlab.errors import PromptlabError
from promptlab.tui.actions import bindings
from promptlab.tui.external import edit_outside
from promptlab.tui.safe import plain, same_length
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.dialog import Answer, Question
from promptlab.tui.widgets.wrapping import Piece

_KEYS = "^s saves · tab, ↑ ↓ move · ^g $EDITOR · Esc leaves"

NOTHING: Mapping[str, str] = MappingProxyType({})

Keep = Callable[[Mapping[str, str]], None]
Save = Callable[[Mapping[str, str]], Awaitable[str]]
"""Takes the texts by the names of their fields. Gives a sentence that says why they cannot be saved, or ""."""


def _lost(typed: Mapping[str, str]) -> None:
    """Keep nothing: what is typed into a form of a single line is typed again in a moment."""


class Field(NamedTuple):
    """One field.

    Attributes:
        hint: What to type, shown while the field has the focus.
        lines: It may have more than one line; otherwise Enter goes to the next field.
        over: Its text is an example of what to type: as the first field it is selected, to be typed over.
    """

    name: str
    label: str
    text: str = ""
    hint: str = ""
    lines: bool = False
    over: bool = False


class FieldArea(TextArea):
    """The text of one field. What a terminal would act on is shown as a symbol."""

    class Entered(Message):
        """Enter was pressed in a field of one line."""

    def __init__(self, field: Field, index: int, text: str) -> None:
        super().__init__(text, id=f"field-{index}", soft_wrap=True, tab_behavior="focus", compact=True)
        self.field = field
        self.cursor_blink = False

    def get_line(self, line_index: int) -> Text:
        """One line, harmless, with as many characters as it has."""
        return Text(same_length(self.document.get_line(line_index)), end="")

    async def _on_key(self, event: Key) -> None:
        """Enter in a field of one line, and the arrows past its edges, go to another field."""
        row = self.wrapped_document.location_to_offset(self.cursor_location).y
        if event.key == "enter" and not self.field.lines:
            self.post_message(self.Entered())
        elif event.key == "up" and row == 0:
            self.screen.focus_previous("FieldArea")
        elif event.key == "down" and row >= self.wrapped_document.height - 1:
            self.screen.focus_next("FieldArea")
        else:
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()


class Form(ModalScreen[bool]):
    """Fields below each other. The result says whether it was saved."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("form"),
        Binding("escape", "cancel", "Leave", show=False, priority=True),
    ]

    def __init__(
        self, title: str, fields: Sequence[Field], save: Save, typed: Mapping[str, str] = NOTHING, keep: Keep = _lost
    ) -> None:
        """Lay out fields.

        Args:
            typed: Name to text of fields that were typed in before, and not saved.
            keep: Told after every key what ``typed`` is now, so that a crash takes nothing; nothing when it closes.
        """
        super().__init__()
        self._title = title
        self._fields = tuple(fields)
        self._save = save
        self._typed = typed
        self._keep = keep
        self._over = False

    def compose(self) -> ComposeResult:
        """Lay out title, fields, the line that says what is wrong, and answers."""
        size = app_of(self).size
        with Vertical(id="dialog") as dialog:
            dialog.styles.width, dialog.styles.max_height = min(100, size.width - 2), size.height
            yield Static(plain(self._title, "bold"), id="title")
            with VerticalScroll(id="fields", can_focus=False) as scroll:
                scroll.styles.max_height = max(3, size.height - 9)
                for index, field in enumerate(self._fields):
                    with Horizontal(classes="row"):
                        yield Static(plain(field.label), classes="label")
                        yield FieldArea(field, index, self._typed.get(field.name, field.text))
            yield Static(plain(_KEYS, "$foreground-muted"), id="hint")
            with Horizontal(id="answers"):
                yield Button(plain("Cancel"), id="cancel", compact=True)
                yield Button(plain("^s Save"), id="save", compact=True)

    def on_mount(self) -> None:
        """The first field has the focus, at its end."""
        for area in self.query(FieldArea):
            area.move_cursor(area.document.end)
        self.on_text_area_changed()
        first = self.query(FieldArea).first()
        first.focus()
        over = first.field.over or (len(self._fields) == 1 and not first.field.lines)
        if over and first.text == first.field.text:
            first.select_all()

    def on_field_area_entered(self) -> None:
        """Enter goes to the next field; in the only one it saves."""
        if len(self._fields) == 1:
            self.action_save()
        else:
            self.focus_next("FieldArea")

    def on_descendant_focus(self) -> None:
        """Say what belongs into the field."""
        hint = self.focused.field.hint if isinstance(self.focused, FieldArea) else ""
        self._say(f"{hint} · {_KEYS}" if hint else _KEYS)

    def _say(self, text: str, *, bad: bool = False) -> None:
        self.query_one("#hint", Static).update(plain(text, "$text-error" if bad else "$foreground-muted"))

    @property
    def texts(self) -> dict[str, str]:
        """What the fields say now."""
        return {area.field.name: area.text for area in self.query(FieldArea)}

    @property
    def edited(self) -> dict[str, str]:
        """The fields that something was typed in."""
        return {area.field.name: area.text for area in self.query(FieldArea) if area.text != area.field.text}

    def on_text_area_changed(self) -> None:
        """Keep what was typed."""
        if not self._over:
            self._keep(self.edited)

    def _end(self, *, saved: bool) -> None:
        self._over = True
        self._keep(NOTHING)
        self.dismiss(saved)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Save, or leave."""
        if event.button.id == "save":
            self.action_save()
        else:
            self.action_cancel()

    def action_save(self) -> None:
        """Save; the form stays open where that cannot be."""
        self.run_worker(self._saved, group="save", exclusive=True)

    async def _saved(self) -> None:
        problem = await self._save(self.texts)
        if problem:
            self._say(problem, bad=True)
        else:
            self._end(saved=True)

    def action_external(self) -> None:
        """Edit the text of the field in the person's own editor."""
        area = self.focused
        if not isinstance(area, FieldArea):
            return
        try:
            text = edit_outside(area.text, "field.txt", app_of(self).suspend)
        except PromptlabError as fault:
            self._say(str(fault), bad=True)
            return
        text = text.removesuffix("\n") if not area.text.endswith("\n") else text
        area.replace(text if area.field.lines else " ".join(text.split("\n")), (0, 0), area.document.end)

    def action_cancel(self) -> None:
        """Leave; what was typed goes only after a question."""
        if not self.edited:
            self._end(saved=False)
            return
        body = [Piece("What you typed here is not saved. Leaving discards it.")]
        question = Question("Leave without saving?", body, [Answer("leave", "L", "Leave")], cancel="Go on editing")
        app_of(self).push_screen(question, self._leave)

    def _leave(self, answer: str | None) -> None:
        if answer == "leave":
            self._end(saved=False)

"""Every action of the screens, once: its keys, its label and its help.

The key bindings, the footer, the palette and the help panel are made from this table.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from textual.binding import Binding

Scope = Literal["app", "table", "columns", "text", "editor", "prompts", "results"]


class Action(NamedTuple):
    """One thing that a person can ask for.

    Attributes:
        id: ``scope.name``. Never changes once released: it is what a person's own key map would name.
        keys: Comma-separated keys; the first is the one that is shown.
        label: One or two words for the footer; "" keeps the action out of it.
        help: One sentence for the help panel and the palette.
        rank: Place in the footer: the highest numbers are dropped first on a narrow terminal.
        group: Group of the palette: ``go``, ``run`` …; "" keeps the action out of the palette.
        priority: Works while a text field has the focus, too.
        does: The action method with its arguments, where it is not the id's name.
    """

    id: str
    keys: str
    label: str
    help: str
    rank: int = 50
    group: str = ""
    priority: bool = False
    does: str = ""


_MOVES = (
    ("down", "j,down", "One row down."),
    ("up", "k,up", "One row up."),
    ("half_down", "ctrl+d", "Half a page down."),
    ("half_up", "ctrl+u", "Half a page up."),
    ("page_down", "pagedown,space", "One page down."),
    ("page_up", "pageup", "One page up."),
    ("first", "g,home", "The first row."),
    ("last", "G,end", "The last row."),
)

ACTIONS: dict[Scope, tuple[Action, ...]] = {
    "app": (
        Action("app.prompts", "1", "", "Go to Prompts.", group="go", does="go('prompts')"),
        Action("app.back", "q", "", "Go back one level; on the first screen, quit.", group="go", does="out"),
        Action("app.leave", "ctrl+q", "", "Quit; asks if a run is active or edits are unsaved.", 99, "app", True),
        Action("app.help", "question_mark", "", "Show or hide what the focused pane can do.", 99, "app"),
        Action("app.help_anywhere", "f1", "", "Show or hide this help, from a text field too.", 99, "", True, "help"),
        Action("app.palette", "ctrl+p", "", "Find any action by its name.", 99, "", True, "command_palette"),
        Action("app.next_pane", "tab", "pane", "Go to the next pane.", 80, "", False, "focus_next"),
        Action("app.previous_pane", "shift+tab", "", "Go to the pane before.", does="focus_previous"),
        Action("app.stop", "x", "stop", "Stop the run after the cells in flight; what is done is kept.", 5, "run"),
    ),
    "table": (
        *(Action(f"table.{name}", keys, "", help) for name, keys, help in _MOVES),
        Action("table.open", "enter", "open", "Open the row.", 20),
    ),
    "columns": (
        Action("columns.left", "h,left", "", "The column to the left."),
        Action("columns.right", "l,right", "column", "The column to the right.", 45),
    ),
    "text": (
        *(Action(f"text.{name}", keys, "", help.replace("row", "line")) for name, keys, help in _MOVES),
        Action("text.copy", "y", "copy", "Copy the pane's text to the clipboard (OSC 52).", 70, "copy"),
    ),
    "editor": (
        Action("editor.save", "ctrl+s", "save", "Save the file.", 10, "prompt", True),
        Action("editor.run", "ctrl+r", "run", "Run the text as it stands on five examples.", 15, "", True),
        Action("editor.external", "ctrl+g,f4", "$EDITOR", "Edit in your own editor.", 40, "prompt", True),
        Action("editor.close", "escape", "leave", "Leave the editor; nothing is lost.", 30),
    ),
    "prompts": (
        Action("prompts.edit", "e", "edit", "Edit the file here.", 12, "prompt"),
        Action("prompts.run", "r", "run 5", "Run the text as it stands on five examples.", 14, "run"),
        Action("prompts.run_all", "R", "run all", "Choose versions and models, and run all examples.", 16, "run"),
        Action("prompts.previous_example", "left_square_bracket", "", "Fill the preview from the example before."),
        Action("prompts.next_example", "right_square_bracket", "example", "Fill it from the next example.", 35),
        Action("prompts.new", "n", "new", "Create a prompt.", 25, "prompt"),
        Action(
            "prompts.view", "v", "view", "Show editor, preview or trial; one at a time when narrow.", 60, "prompt"
        ),
        Action("prompts.zoom", "z", "", "Give the focused pane the whole screen, or give it back.", 65, "view"),
    ),
    "results": (),
}

BY_ID: dict[str, Action] = {action.id: action for actions in ACTIONS.values() for action in actions}


def bindings(scope: Scope) -> list[Binding]:
    """The key bindings of one scope, for a class's ``BINDINGS``."""
    return [
        Binding(
            action.keys,
            action.does or action.id.partition(".")[2],
            action.label,
            show=bool(action.label),
            priority=action.priority,
            tooltip=action.help,
            id=action.id,
        )
        for action in ACTIONS[scope]
    ]

"""Every action of the screens, once: its keys, its label and its help.

The key bindings, the footer, the palette and the help panel are made from this table.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from textual.binding import Binding
from textual.keys import format_key

Scope = Literal[
    "app",
    "table",
    "columns",
    "text",
    "editor",
    "prompts",
    "compare",
    "answer",
    "results",
    "diff",
    "history",
    "timeline",
    "evals",
    "evallist",
    "form",
    "models",
    "modellist",
    "review",
]


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
        Action("app.compare", "2", "", "Go to Compare.", group="go", does="go('compare')"),
        Action("app.results", "3", "", "Go to Results.", group="go", does="go('results')"),
        Action("app.diff", "4", "", "Go to Diff.", group="go", does="go('diff')"),
        Action("app.history", "5", "", "Go to History.", group="go", does="go('history')"),
        Action("app.evals", "6", "", "Go to Evals.", group="go", does="go('evals')"),
        Action("app.models", "7", "", "Go to Models.", group="go", does="go('models')"),
        Action("app.review", "8", "", "Go to Review.", group="go", does="go('review')"),
        Action("app.back", "q", "back", "Go back one level; from Prompts, quit.", 44, "go", does="out"),
        Action("app.leave", "ctrl+q", "", "Quit; asks if a run is active or edits are unsaved.", 99, "app", True),
        Action("app.interrupt", "ctrl+c", "", "Say how to stop the run and how to quit.", group=""),
        Action("app.help", "question_mark", "", "Show or hide what the focused pane can do.", 99, "app"),
        Action("app.help_anywhere", "f1", "", "Show or hide this help, from a text field too.", 99, "", True, "help"),
        Action("app.palette", "ctrl+p", "", "Find any action by its name.", 99, "", True, "command_palette"),
        Action("app.jump", "ctrl+o", "", "Show a letter on every pane: it goes there.", 99, "go", True),
        Action("app.copy_menu", "Y", "", "Choose what to copy to the clipboard.", group="copy"),
        Action("app.next_pane", "tab", "pane", "Go to the next pane.", 80, "view", False, "focus_next"),
        Action("app.previous_pane", "shift+tab", "", "Go to the pane before.", group="view", does="focus_previous"),
        Action(
            "app.undo", "u", "", "Undo the last thing that promptlab did, after saying what that does.", 99, "git"
        ),
        Action("app.git_log", "at", "", "Show the git commands that this program ran.", 99, "git"),
        Action(
            "app.limits",
            "dollar_sign",
            "",
            "Set what runs may spend and how many requests are in flight, also of the run that is going on.",
            group="run",
            does="screen.limits",
        ),
        Action("app.stop", "x", "stop", "Stop the run after the cells in flight; what is done is kept.", 5, "run"),
    ),
    "table": (
        *(Action(f"table.{name}", keys, "", help) for name, keys, help in _MOVES),
        Action("table.open", "enter", "open", "Open the row.", 20),
    ),
    "columns": (
        Action("columns.left", "h,left", "", "The column to the left.", group="view"),
        Action("columns.right", "l,right", "column", "The column to the right.", 45, "view"),
    ),
    "text": (
        *(Action(f"text.{name}", keys, "", help.replace("row", "line")) for name, keys, help in _MOVES),
        Action("text.pager", "vertical_line", "", "Open the pane's text in $PAGER.", group="copy"),
        Action("text.copy", "y", "copy", "Copy the pane's text to the clipboard.", 70, "copy"),
    ),
    "editor": (
        Action("editor.save", "ctrl+s", "save", "Save the file.", 10, "prompt", True),
        Action("editor.run", "ctrl+r", "run", "Run the text as it stands on five examples.", 15, "run", True),
        Action("editor.external", "ctrl+g,f4", "$EDITOR", "Edit in your own editor.", 40, "prompt", True),
        Action("editor.close", "escape", "leave", "Leave the editor; nothing is lost.", 30, "prompt"),
        Action("editor.start", "ctrl+home", "", "The start of the text."),
        Action("editor.end", "ctrl+end", "", "The end of the text."),
    ),
    "prompts": (
        Action("prompts.edit", "e", "edit", "Edit the file here.", 12, "prompt"),
        Action("prompts.run", "r", "run 5", "Run the text as it stands on five examples.", 14, "run"),
        Action("prompts.run_all", "R", "run all", "Choose versions and models, and run all examples.", 16, "run"),
        Action(
            "prompts.run_clear",
            "U",
            "",
            "Choose versions, and run until the verdict is clear.",
            group="run",
            does="run_all(True)",
        ),
        Action(
            "prompts.previous_example", "left_square_bracket", "", "Preview it with the example before.", 50, "view"
        ),
        Action(
            "prompts.next_example", "right_square_bracket", "example", "Preview it with the next one.", 35, "view"
        ),
        Action("prompts.input", "i", "input", "Type an input of your own to try the prompt on.", 61, "examples"),
        Action("prompts.add", "a", "", "Add your own input to the eval set, as an example.", group="examples"),
        Action("prompts.save", "ctrl+s", "", "Save the file.", group="prompt"),
        Action("prompts.commit", "c", "commit", "Commit the prompt; diff and message are shown first.", 20, "git"),
        Action("prompts.find", "slash", "find", "Go to a prompt by a part of its name.", 63, "prompt"),
        Action("prompts.new", "n", "new", "Create a prompt.", 25, "prompt"),
        Action(
            "prompts.view", "v", "view", "Show editor, preview or trial; one at a time when narrow.", 42, "prompt"
        ),
        Action("prompts.zoom", "z", "", "Give the focused pane the whole screen, or give it back.", 65, "view"),
    ),
    "compare": (
        Action("compare.left", "h,left", "", "The column to the left.", group="view"),
        Action("compare.right", "l,right", "column", "The column to the right.", 12, "view"),
        Action("compare.before", "left_square_bracket", "", "The example before.", group="view"),
        Action("compare.after", "right_square_bracket", "example", "The next example.", 14, "view"),
        Action("compare.pinned", "n", "", "The next pinned example.", group="view", does="pinned(1)"),
        Action("compare.pinned_before", "N", "", "The pinned example before.", group="view", does="pinned(-1)"),
        Action("compare.edit", "e", "edit", "Edit the prompt of the column, beside its answer.", 16, "prompt"),
        Action("compare.run", "r", "run", "Run the columns on this example and the pinned ones.", 10, "run"),
        Action("compare.choose", "a", "columns", "Choose versions and models to put side by side.", 20, "run"),
        Action("compare.run_all", "R", "run all", "Choose versions and models, and run all examples.", 24, "run"),
        Action(
            "compare.words",
            "d",
            "",
            "Show answers with or without the words that changed.",
            50,
            "view",
            does="look('words')",
        ),
        Action(
            "compare.scores", "s", "", "Show or hide scores and what judges said.", 50, "view", does="look('scores')"
        ),
        Action(
            "compare.sent", "i", "input", "Show or hide the messages that were sent.", 30, "view", does="look('sent')"
        ),
        Action("compare.layout", "v", "layout", "Columns beside each other, or one below the other.", 40, "view"),
        Action("compare.runs", "o", "runs", "Choose a past run.", 45, "run"),
        Action("compare.commit", "c", "commit", "Commit the prompt; diff and message are shown first.", 35, "git"),
        Action("compare.zoom", "z", "", "Give the focused pane the whole screen, or give it back.", 65, "view"),
    ),
    "answer": (
        Action("answer.pin", "space", "pin", "Pin the example, or take the pin away.", 18, "view", does="screen.pin"),
    ),
    "results": (
        Action("results.better", "b", "", "Only examples that got better.", group="filter", does="filter('better')"),
        Action(
            "results.worse", "w", "worse", "Only examples that got worse.", 30, "filter", False, "filter('worse')"
        ),
        Action(
            "results.same",
            "equals_sign",
            "",
            "Only examples that stayed the same.",
            group="filter",
            does="filter('same')",
        ),
        Action(
            "results.error",
            "exclamation_mark",
            "",
            "Only errors and missing scores.",
            group="filter",
            does="filter('error')",
        ),
        Action("results.all", "a", "", "All examples.", group="filter", does="filter('all')"),
        Action("results.sort", "s", "sort", "Sort in the next way: changed first, loss, Δ, score, file.", 40, "view"),
        Action("results.metric", "m", "metric", "Show the next metric.", 55, "view"),
        Action("results.steps", "t", "", "Show the steps of a chain, the one that failed first.", group="view"),
        Action("results.diff", "d", "", "Show the output with or without the words that changed.", group="view"),
        Action("results.verdict", "v", "verdict", "Say the verdicts in plain words.", 15, "run"),
        Action("results.search", "slash", "search", "Only examples with these words in or out.", 28, "filter"),
        Action(
            "results.figures",
            "f",
            "figures",
            "Show the run by tag, how scores and latencies spread, and labels.",
            32,
            "view",
            does="figures",
        ),
        Action("results.retry", "r", "", "Ask again for the cells that failed.", group="run"),
        Action("results.export", "E", "", "Write every answer to a .csv or .jsonl file.", group="copy"),
        Action("results.pairs", "p", "", "Hold every column against every other, and rank them.", group="run"),
        Action("results.commit", "c", "commit", "Keep the run in git, after showing what that means.", 18, "git"),
        Action("results.runs", "o", "runs", "Choose a past run.", 35, "run"),
        Action("results.zoom", "z", "", "Give the focused pane the whole screen, or give it back.", 65, "view"),
    ),
    "diff": (
        Action("diff.before", "left_square_bracket", "", "The pair of versions before.", 50, "view"),
        Action("diff.after", "right_square_bracket", "pair", "The next pair of versions.", 20, "view"),
        Action("diff.run", "r", "run both", "Run both versions, so that their scores can be compared.", 10, "run"),
        Action("diff.model", "m", "model", "Show the scores of the next model.", 25, "view"),
        Action("diff.style", "s", "split/inline", "Old and new beside each other, or in one text.", 30, "view"),
        Action("diff.commit", "c", "commit", "Commit the prompt; diff and message are shown first.", 35, "git"),
        Action("diff.pick", "p", "prompt", "Choose the prompt to show.", 40, "view"),
        Action("diff.zoom", "z", "", "Give the focused pane the whole screen, or give it back.", 65, "view"),
    ),
    "history": (
        Action("history.diff", "d", "diff", "Diff with the version before, or of the two marked ones.", 10, "view"),
        Action("history.restore", "R", "restore", "Put this text into the editor; nothing is written.", 15, "prompt"),
        Action("history.run", "r", "run", "Run this version again, beside the working copy.", 12, "run"),
        Action("history.blame", "b", "blame", "Show which version brought each line of this text.", 32, "view"),
        Action("history.bisect", "B", "bisect", "Find the version where the primary metric got worse.", 34, "run"),
        Action(
            "history.promote",
            "P",
            "promote",
            "Put this version on a stage, with the run that justifies it.",
            22,
            "git",
        ),
        Action("history.demote", "D", "", "Take this version off its stage.", group="git"),
        Action("history.pin", "T", "", "Pin the number of this version for good, by a tag.", group="git"),
        Action("history.publish", "S", "", "Commit a summary of this run on the branch.", group="git"),
        Action("history.filter", "f", "filter", "Only the runs of one model or one eval set.", 36, "filter"),
        Action("history.commit", "c", "commit", "Commit the prompt; diff and message are shown first.", 18, "git"),
        Action("history.copy", "y", "copy", "Copy the tag of the run, or the commit of the version.", 50, "copy"),
        Action("history.pick", "p", "prompt", "Choose the prompt to show.", 40, "view"),
        Action("history.before", "left_square_bracket", "", "The prompt before.", 50, "view"),
        Action("history.after", "right_square_bracket", "", "The next prompt.", 50, "view"),
        Action("history.zoom", "z", "", "Give the focused pane the whole screen, or give it back.", 65, "view"),
    ),
    "evals": (
        Action("evals.add", "a", "add", "Add an example; beside the settings, a metric.", 14, "examples"),
        Action("evals.delete", "D", "delete", "Delete the example, the marked ones, or a setting.", 26, "examples"),
        Action("evals.filter", "slash", "filter", "Show only what has these words, tag:x, split:x …", 16, "filter"),
        Action("evals.twins", "equals_sign", "", "Only examples that ask the same as another one.", group="filter"),
        Action("evals.all", "escape", "", "Take the filter and the marks away.", group="filter"),
        Action("evals.tags", "t", "tags", "Set the tags of the example, or of the marked ones.", 24, "examples"),
        Action("evals.split", "s", "split", "Put the example, the marked ones or all into splits.", 28, "examples"),
        Action("evals.import", "i", "import", "Add the examples of a CSV or JSONL, after a preview.", 18, "examples"),
        Action(
            "evals.trial", "f", "", "Add an input of the last trial, and its answer if you wish.", group="examples"
        ),
        Action("evals.guardrail", "w", "", "Add a metric that must not get worse.", group="examples"),
        Action(
            "evals.external", "e,ctrl+g,f4", "$EDITOR", "Edit the example or the settings in $EDITOR.", 34, "examples"
        ),
        Action("evals.pick", "p", "eval set", "Choose the eval set to show.", 20, "view"),
        Action("evals.new", "n", "new set", "Create an eval set.", 36, "examples"),
        Action("evals.commit", "c", "commit", "Commit the eval set; the difference is shown first.", 22, "git"),
        Action("evals.view", "v", "settings", "Show the example or the settings, when narrow.", 30, "view"),
        Action("evals.zoom", "z", "", "Give the focused pane the whole screen, or give it back.", 65, "view"),
    ),
    "evallist": (
        Action(
            "evallist.mark",
            "space",
            "mark",
            "Mark for t, s and D, or take the mark away.",
            32,
            "view",
            does="screen.mark",
        ),
    ),
    "form": (
        Action("form.save", "ctrl+s", "", "Save what the form says.", 10, "form", True),
        Action("form.external", "ctrl+g,f4", "", "Edit the field in $EDITOR.", 20, "form", True),
    ),
    "models": (
        Action("models.run", "r", "run", "Run the prompt on the marked models, or on all.", 12, "run"),
        Action("models.bench", "b", "bench", "Time the marked models, or the one under the cursor.", 14, "run"),
        Action("models.stop", "x", "stop", "End the timing; what was measured is kept.", 5, "run", does="stop_bench"),
        Action("models.axis", "a", "axis", "Weigh quality against latency or against cost.", 25, "view"),
        Action("models.view", "v", "plot/facts", "Show the plot or the facts, when narrow.", 28, "view"),
        Action("models.pick", "p", "prompt", "Choose the prompt that the models are measured with.", 40, "view"),
        Action("models.evalset", "e", "eval set", "Choose the eval set that quality is shown on.", 42, "view"),
        Action("models.zoom", "z", "", "Give the focused pane the whole screen, or give it back.", 65, "view"),
    ),
    "modellist": (
        Action(
            "modellist.mark",
            "space",
            "mark",
            "Mark for r and b, or take the mark away.",
            30,
            "view",
            does="screen.mark",
        ),
    ),
    "review": (
        Action(
            "review.left",
            "left",
            "left",
            "The left one is better; a single one is wrong.",
            10,
            "review",
            does="choose('left')",
        ),
        Action(
            "review.right",
            "right",
            "right",
            "The right one is better; a single one is right.",
            11,
            "review",
            does="choose('right')",
        ),
        Action("review.even", "equals_sign", "tie", "Neither is better.", 12, "review"),
        Action("review.bad", "b", "both bad", "Both are bad: a tie, with a note.", 40, "review", does="even('bad')"),
        Action("review.skip", "s", "skip", "Come back to this one at the end.", 20, "review"),
        Action("review.note", "n", "note", "Write something down about this case.", 22, "review"),
        Action("review.correct", "e", "correct", "Write what the answer should have been.", 45, "review"),
        Action(
            "review.undo", "u", "undo", "Take the last answer back and ask again.", 18, "review", does="take_back"
        ),
        Action("review.words", "i", "", "Show or hide the words that differ.", 60, "view"),
        Action("review.mode", "m", "question", "Ask the next question: choose, thumbs, grades.", 30, "review"),
        Action("review.runs", "o", "runs", "Choose a past run.", 35, "run"),
        Action("review.zoom", "z", "", "Give the focused pane the whole screen, or give it back.", 65, "view"),
    ),
    "timeline": (
        Action(
            "timeline.mark",
            "space",
            "mark",
            "Mark for a diff, or take the mark away.",
            30,
            "view",
            does="screen.mark",
        ),
    ),
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


def key_names(action: Action) -> list[str]:
    """An action's keys as a person reads them: ``?``, ``ctrl+p``, ``⏎``."""
    names: list[str] = []
    for key in action.keys.split(","):
        *held, last = key.split("+")
        names.append("+".join([*held, format_key(last)]))
    return names

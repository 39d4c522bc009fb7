"""Write docs/keys.md from the program's own table of actions: python tools/keys.py"""

from __future__ import annotations

from pathlib import Path

from promptlab.tui.actions import ACTIONS, Action, Scope, key_names

TARGET = Path(__file__).parents[1] / "docs" / "keys.md"
HEAD = """# Keys

Made from the program's own actions by `tools/keys.py`; a test keeps it true. `?` shows those of the pane that has the
focus. All with a name in the last column are in the palette (`ctrl+p`), under that group.
"""
SCOPES: dict[Scope, str] = {
    "app": "Everywhere",
    "table": "Lists and tables",
    "columns": "The grid of Results",
    "text": "Texts",
    "editor": "The editor",
    "prompts": "1 Prompts",
    "compare": "2 Compare",
    "answer": "The panes of Compare",
    "results": "3 Results",
    "diff": "4 Diff",
    "history": "5 History",
    "timeline": "The timeline of History",
    "evals": "6 Evals",
    "evallist": "The table of Evals",
    "form": "Forms",
    "models": "7 Models",
    "modellist": "The table of Models",
    "review": "8 Review",
}


def page() -> str:
    """The whole page: a table for each scope, those without a title here under their own name."""
    parts = [HEAD]
    for scope, actions in ACTIONS.items():
        parts.append(f"## {SCOPES.get(scope, scope.capitalize())}\n")
        parts += ["| Key | What it does | Palette |", "| --- | --- | --- |", *map(_row, actions), ""]
    return "\n".join(parts)


def _row(action: Action) -> str:
    keys = " ".join(f"`{key}`" for key in key_names(action))
    return f"| {keys} | {action.help} | {action.group} |"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")

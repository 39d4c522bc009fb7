"""Write docs/commands.md from the command line's own help: python tools/reference.py"""

from __future__ import annotations

from pathlib import Path

import click

from promptlab.cli.main import COMMANDS, HIDDEN, cli

TARGET = Path(__file__).parents[1] / "docs" / "commands.md"
HEAD = """# Commands

Made from the program's own help by `tools/reference.py`; a test keeps it true. Data goes to stdout, narration to
stderr; `--json` prints the data as JSON.

Exit codes: 0 done; 1 a gate failed (`--fail-on`, `--min`); 2 usage or invalid files; 3 a model could not be reached
or more than 5 % of a column's cells ended in an error; 4 cancelled, or stopped by a limit. A run that git could not
save says so and ends with 0: its results are kept.

A SUBJECT is `triage` (the working copy), `triage@v3`, `triage@<content hash>`, `triage@production` (a stage),
`triage@<git revision>` or a path.
A RUN is an id, its beginning or end, a tag, or `last`. In `compare`, `RUN:b` is its column b; without a letter it is
the first column with another version than the baseline. `--min` holds for columns with another version than the
baseline; shares are written 0.75 or 75%.
"""


def reference() -> str:
    """The whole page."""
    # A width of its own, so that the page is the same whatever terminal it is made in.
    root = click.Context(cli, info_name="promptlab", terminal_width=100, help_option_names=["-h", "--help"])
    parts = [HEAD, _block(cli.get_help(root))]
    for name in COMMANDS:
        command = cli.get_command(root, name)
        if name in HIDDEN or command is None:
            continue
        context = click.Context(command, info_name=name, parent=root)
        parts += [f"## {name}\n", _block(command.get_help(context))]
        for part, below in command.commands.items() if isinstance(command, click.Group) else ():
            inner = click.Context(below, info_name=part, parent=context)
            parts += [f"### {name} {part}\n", _block(below.get_help(inner))]
    return "\n".join(parts)


def _block(text: str) -> str:
    return f"```\n{text}\n```\n"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")

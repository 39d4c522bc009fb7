"""Watching, holding back and stopping a run that another process does."""

from __future__ import annotations

import time

import click

from promptlab.cli import completing as complete
from promptlab.cli.output import line, open_lab, say
from promptlab.errors import ExitCode
from promptlab.runs.control import Control, tell
from promptlab.runs.stored import read_outcomes, read_run

EVERY = 1.0
"""Seconds between two looks."""


@click.command("attach")
@click.argument("run", shell_complete=complete.runs)
@click.option("--stop", is_flag=True, help="End the run; what is answered is kept.")
@click.option(
    "--most", type=click.IntRange(0, 1000), metavar="N", help="Requests in flight at most; 0 pauses the run."
)
@click.option("--free", is_flag=True, help="As many requests in flight as the endpoints take.")
@click.pass_context
def attach_command(ctx: click.Context, run: str, stop: bool, most: int | None, free: bool) -> int:
    """Watch RUN, which another promptlab does, or stop it, or hold it back. Ctrl-C leaves it running."""
    lab = open_lab(ctx)
    root, found = lab.journal_root(), lab.find_run(run).id
    if stop or free or most is not None:
        tell(root, found, Control(stop=stop, most=most))
        say(f"The run {found} is told.")
        return ExitCode.DONE
    try:
        while (stored := read_run(root, found)).state == "running":
            lines = read_outcomes(root, found).lines.values()
            failed = sum(one.outcome.fault is not None for one in lines)
            say(f"{len(lines)}/{stored.cells}" + (f" · {failed} failed" if failed else ""))
            time.sleep(EVERY)
    except KeyboardInterrupt:
        say(f"Left. The run {found} goes on.")
        return ExitCode.CANCELLED
    line(f"The run {found} has ended: {stored.state}. `promptlab show {found}` shows it.")
    return ExitCode.DONE

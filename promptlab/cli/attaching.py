"""Watching, holding back and stopping a run that another process does."""

from __future__ import annotations

import time

import click

from promptlab.cli import completing as complete
from promptlab.cli.output import line, open_lab, say
from promptlab.errors import ExitCode, NotFound
from promptlab.runs.control import Control, tell
from promptlab.runs.following import Following
from promptlab.runs.stored import read_run

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
    state = "saved"
    try:
        following = Following(root, found)
        while (stored := read_run(root, found)).state == "running":
            following.look()
            say(f"{following.done}/{stored.cells}" + (f" · {following.failed} failed" if following.failed else ""))
            time.sleep(EVERY)
        state = stored.state
    except KeyboardInterrupt:
        say(f"Left. The run {found} goes on.")
        return ExitCode.CANCELLED
    except NotFound:
        pass  # it is in git, and no longer in the journal
    line(f"The run {found} has ended: {state}. `promptlab show {found}` shows it.")
    return ExitCode.DONE

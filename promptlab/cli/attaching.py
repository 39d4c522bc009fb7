"""Watching, holding back and stopping a run that another process does."""

from __future__ import annotations

import time
from pathlib import Path

import click
from msgspec import structs

from promptlab.cli import completing as complete
from promptlab.cli.narrating import progress_text
from promptlab.cli.output import data, json_option, line, open_lab, say
from promptlab.errors import ExitCode, NotFound, StorageFault, UsageFault
from promptlab.runs.control import Control, tell
from promptlab.runs.following import Following
from promptlab.runs.stored import read_run
from promptlab.runs.values import Progress

EVERY = 1.0
"""Seconds between two looks."""


@click.command("attach")
@click.argument("run", shell_complete=complete.runs)
@click.option("--stop", is_flag=True, help="End the run; what is answered is kept.")
@click.option(
    "--most",
    type=click.IntRange(0, 1000),
    metavar="N",
    help="Requests in flight at most, at each endpoint; 0 pauses it. Local models go on.",
)
@click.option("--free", is_flag=True, help="As many requests in flight as the endpoints take.")
@json_option
@click.pass_context
def attach_command(ctx: click.Context, run: str, stop: bool, most: int | None, free: bool, as_json: bool) -> int:
    """Watch RUN, which another promptlab does, or stop it, or hold it back. Ctrl-C leaves it running."""
    if stop + free + (most is not None) > 1:
        raise UsageFault("--stop, --most and --free are different words to a run: give one of them.")
    lab = open_lab(ctx)
    root, found = lab.journal_root(), lab.find_run(run).id
    if stop or free or most is not None:
        if _state(root, found) != "running":
            raise UsageFault(f"The run {found} is not running. `promptlab show {found}` shows it.")
        tell(root, found, Control(stop=stop, most=most))
        say(f"The run {found} is told.")
    else:
        try:
            following = Following(root, found)
            while _state(root, found) == "running":
                _look(following, root, found)
                time.sleep(EVERY)
        except KeyboardInterrupt:
            say(f"Left. The run {found} goes on.")
            return ExitCode.CANCELLED
    state = _state(root, found)
    if as_json:
        data({"attached": {"run": found, "state": state}})
    elif state != "running":
        line(f"The run {found} has ended: {state}. `promptlab show {found}` shows it.")
    return ExitCode.DONE


def _state(root: Path, run: str) -> str:
    """How a run stands. One that is saved has left the journal, as a rule."""
    try:
        state = read_run(root, run).state
    except NotFound:
        return "saved"
    return "saved" if state == "committed" else state


def _look(following: Following, root: Path, run: str) -> None:
    """Say how far a run is; nothing where it is being saved, and removed from the journal, just now."""
    try:
        following.look()
        cells = read_run(root, run).cells
    except (NotFound, StorageFault):
        return
    live = following.live
    said = live.progress if live else Progress(total=cells)
    say(progress_text(structs.replace(said, done=following.done, failed=following.failed)))

"""A word to a run that another process does: stop it, or hold it back. It lies in the run's folder of the journal."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from promptlab.errors import UsageFault
from promptlab.runs.storage import faults_of, replace_file
from promptlab.runs.stored import read_run, run_folder
from promptlab.runs.values import Budget

FILE_NAME = "control"


class Control(Struct, frozen=True, omit_defaults=True):
    """What is asked of a run.

    Attributes:
        stop: End it; what arrived is kept.
        most: Requests in flight at most, at each of its endpoints; None: as many as they take. 0 pauses.
        budget: What it may spend from its start on; None: as before.
    """

    stop: bool = False
    most: int | None = None
    budget: Budget | None = None


def tell(root: Path, run: str, control: Control) -> None:
    """Ask something of a run that is going on; it hears within half a second.

    Raises:
        NotFound: There is no such run in the journal.
        UsageFault: It is not running.
        StorageFault: The word cannot be written.
    """
    if read_run(root, run).state != "running":
        raise UsageFault(f"The run {run} is not running. `promptlab show {run}` shows it.")
    path = run_folder(root, run) / FILE_NAME
    with faults_of(path):
        replace_file(path, msgspec.json.encode(control))


def heard(folder: Path) -> Control:
    """What is asked of the run in a folder; nothing, where there is no word or one that cannot be read."""
    try:
        return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=Control)
    except (OSError, ValueError):
        return Control()


def forget(folder: Path) -> None:
    """Drop what was asked of an earlier process."""
    (folder / FILE_NAME).unlink(missing_ok=True)

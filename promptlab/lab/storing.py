"""Where a run is kept while it goes on, and the line that each run is in the list of runs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from promptlab.errors import StorageFault
from promptlab.history.values import RunRecord, SavedRun
from promptlab.lab.values import RunSummary
from promptlab.runs.values import StoredRun

LARGE = 2_000_000
"""Bytes; a larger run is told before it is saved."""


def size_note(size: int) -> str:
    """A sentence on what saving takes, "" for a run of a usual size."""
    return f"This run takes {size / 1e6:.1f} MB, before git packs it." if size > LARGE else ""


def saved_note(saved: SavedRun) -> str:
    """Where a run was put, the tag first."""
    if saved.unpublished:
        return f"{saved.tag}. Not on the branch: {saved.unpublished}"
    done = saved.published
    return f"{saved.tag}, and on {done.branch} as {done.commit[:12]}." if done else f"{saved.tag}."


@contextmanager
def folder_for(scratch: bool, kept: Callable[[], Path]) -> Generator[Path, None, None]:
    """Where a run keeps its journal: a folder that goes away with it, or the one that stays.

    Raises:
        StorageFault: The one that stays cannot be made.
    """
    if scratch:
        with tempfile.TemporaryDirectory(prefix="promptlab-") as nowhere:
            yield Path(nowhere)
        return
    root = kept()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFault(
            f"{root}: the run cannot be kept there ({error.strerror}). Set PROMPTLAB_STATE to a folder that can be "
            "written, or make this a git repository."
        ) from error
    yield root


def saved_summary(record: RunRecord) -> RunSummary:
    """The line of a run that is saved in git."""
    return RunSummary(
        id=record.id,
        subject=record.subject,
        time=record.time,
        state="partial" if record.partial else "saved",
        title=record.title,
        record=record,
    )


def unsaved_summary(stored: StoredRun) -> RunSummary:
    """The line of a run that is in the journal only."""
    state = "unsaved" if stored.state in ("complete", "committed") else stored.state
    title = f"run {stored.subject} on {stored.evalset}: {', '.join(stored.columns)}"
    return RunSummary(id=stored.id, subject=stored.subject, time=stored.time, state=state, title=title)

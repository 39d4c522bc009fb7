"""A run that goes on without this program: a process of its own takes it up from the journal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptlab.errors import NotFound, StorageFault, UsageFault
from promptlab.runs.journal import open_journal
from promptlab.runs.stored import read_run, run_folder
from promptlab.runs.values import JournalLine

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab
    from promptlab.models.cache import Cache
    from promptlab.runs.values import Plan

LOG = "log"
"""In the run's folder: what the process says; it goes away with the folder when the run is saved."""

_PATIENCE = 30.0
"""Seconds for a process to start and to take the run up."""


def put_down(lab: Lab, plan: Plan, cache: Cache | None = None) -> str:
    """The run of a plan in the journal, an unfinished one or a new one, for another process to take up.

    Args:
        cache: Whose answers it begins with: those that its estimate was drawn from are not asked for again.

    Raises:
        StorageFault: The journal cannot be written.
    """
    journal = open_journal(lab.journal_root(), plan)
    try:
        known = cache.get_many([cell.key for cell in plan.cells]) if cache is not None else {}
        cells = [cell for cell in plan.cells if cell.key in known]
        journal.append(JournalLine(cell.column, cell.example, cell.trial, known[cell.key]) for cell in cells)
    finally:
        journal.close()
    return journal.run


def go_on(lab: Lab, run: str, options: Sequence[str] = ()) -> None:
    """Have a process of its own do what is left of a run, to its end, whatever becomes of this one.

    It is started as ``promptlab run --retry-errors RUN --yes``, in a session of its own: closing the terminal does
    not reach it. ``promptlab attach`` watches and stops it. Returns when it has taken the run up.

    Args:
        options: Further ones for that command, such as ``--max-cost``.

    Raises:
        NotFound: There is no such run in the journal.
        UsageFault: It ended before it began; what it said is in the sentence.
        StorageFault: It cannot be started.
    """
    folder = run_folder(lab.journal_root(), run)
    read_run(lab.journal_root(), run)
    # -P: else the folder it is started in could put its own modules before those of Python.
    command = [sys.executable, "-P", "-m", "promptlab", "-C", str(lab.root), "run", "--retry-errors", run, "--yes"]
    path = folder / LOG
    try:
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            process = subprocess.Popen(
                [*command, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        finally:
            os.close(log)
    except OSError as error:
        raise StorageFault(f"No process could be started to go on with the run {run}: {error.strerror}.") from error
    _wait(lab, run, process)
    process.returncode = process.returncode or 0  # it is meant to outlive this one: no warning that it does


def _wait(lab: Lab, run: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        code = process.poll()
        try:
            if read_run(lab.journal_root(), run).state == "running":
                return
        except NotFound:
            return  # it is done and saved already
        if code is not None:
            if code:
                raise UsageFault(f"The run {run} did not go on: {_last_words(lab, run)}")
            return
        time.sleep(0.05)


def _last_words(lab: Lab, run: str) -> str:
    try:
        lines = (run_folder(lab.journal_root(), run) / LOG).read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "its process ended without a word."

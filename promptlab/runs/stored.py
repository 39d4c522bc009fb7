"""The runs that are in the journal, for reading: list them, find one to go on with, open one, remove one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from promptlab.errors import NotFound, StorageFault, UsageFault
from promptlab.models.values import Outcome
from promptlab.runs.storage import faults_of, is_locked, replace_file, replace_in_parts
from promptlab.runs.values import CellId, JournalLine, Plan, StoredRun
from promptlab.workspace.packed import held

RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")

_CHUNK = 1 << 18
"""Bytes read and parsed at once: other threads, such as the screen's, get their turn in between."""

_line_decoder = msgspec.json.Decoder(JournalLine)


class Journalled(Struct, frozen=True):
    """What a journal holds.

    Attributes:
        lines: One a cell, faults included.
        skipped: How many lines could not be read.
        answers: What the steps of chains were answered, by key, without faults.
    """

    lines: dict[CellId, JournalLine]
    skipped: int
    answers: dict[str, Outcome] = {}


def run_folder(root: Path, run: str) -> Path:
    """Where a run lies below the root.

    Raises:
        NotFound: The id is none that promptlab gives, so it cannot name a folder elsewhere either.
    """
    if not RUN_ID.fullmatch(run):
        raise NotFound(f"There is no run {run!r} in the journal. `promptlab runs` lists them.")
    return root / "runs" / run


def list_runs(root: Path) -> list[StoredRun]:
    """Every run in the journal, newest first. A folder that is not a run, or a damaged one, is left out."""
    runs: list[StoredRun] = []
    for folder in _folders(root):
        try:
            runs.append(_read(folder))
        except (OSError, ValueError):
            continue
    return runs


def read_run(root: Path, run: str) -> StoredRun:
    """One run's line of the list.

    Raises:
        NotFound: There is no such run.
        StorageFault: Its files are damaged.
    """
    folder = run_folder(root, run)
    try:
        return _read(folder)
    except FileNotFoundError:
        raise NotFound(f"There is no run {run} in the journal. `promptlab runs` lists them.") from None
    except ValueError as error:
        raise _damaged(folder / "run.json", error) from error


def read_plan(root: Path, run: str) -> Plan:
    """The plan of a run, without its requests: for showing it, not for running it again.

    Raises:
        NotFound: There is no such run.
        StorageFault: Its files are damaged.
    """
    folder = run_folder(root, run)
    try:
        plan = msgspec.json.decode((folder / "plan.json").read_bytes(), type=Plan)
    except FileNotFoundError:
        raise NotFound(f"There is no run {run} in the journal. `promptlab runs` lists them.") from None
    except ValueError as error:
        raise _damaged(folder / "plan.json", error) from error
    return msgspec.structs.replace(plan, examples=held(plan.examples))


def read_outcomes(root: Path, run: str) -> Journalled:
    """Every outcome of a run, while it is running too.

    Raises:
        StorageFault: The file cannot be read.
    """
    path = run_folder(root, run) / "outcomes.jsonl"
    with faults_of(path):
        return read_lines(path)


def keep_metrics(root: Path, run: str, parts: Iterable[bytes]) -> None:
    """Keep what was scored beside the outcomes, so that judges need not be asked again.

    Args:
        parts: What is written, piece by piece.

    Raises:
        StorageFault: It cannot be written.
    """
    path = run_folder(root, run) / "metrics.jsonl"
    with faults_of(path):
        replace_in_parts(path, parts)


def read_metrics(root: Path, run: str) -> bytes:
    """What ``keep_metrics`` kept, or b"" when the run ended before it."""
    path = run_folder(root, run) / "metrics.jsonl"
    with faults_of(path):
        return path.read_bytes() if path.exists() else b""


def find_resumable(root: Path, digest: str) -> str | None:
    """The newest run of this plan that stopped before its end and that no process is writing."""
    for run in list_runs(root):
        if run.digest == digest and run.state == "partial":
            return run.id
    return None


def mark_committed(root: Path, run: str, tag: str) -> None:
    """Note that a run is saved in git under a tag.

    Raises:
        NotFound: There is no such run.
        StorageFault: The note cannot be written.
    """
    read_run(root, run)
    state = run_folder(root, run) / "state"
    with faults_of(state):
        replace_file(state, f"committed {tag}\n".encode())


def remove(root: Path, run: str) -> None:
    """Delete a run's folder.

    Raises:
        NotFound: There is no such run.
        UsageFault: It is running.
        StorageFault: It cannot be deleted.
    """
    if read_run(root, run).state == "running":
        raise UsageFault(f"Run {run} is running. Stop it first.")
    folder = run_folder(root, run)
    with faults_of(folder):
        # First the file that makes it a run: whatever happens next, no half of a run is ever shown.
        (folder / "run.json").unlink()
        shutil.rmtree(folder)


def read_lines(path: Path) -> Journalled:
    """Read a journal file. The torn tail of a process that is writing, or was killed, is not there yet.

    A cell's last good outcome wins; a fault stands only while there is no good one.

    Raises:
        OSError: The file cannot be read.
    """
    lines: dict[CellId, JournalLine] = {}
    answers: dict[str, Outcome] = {}
    skipped = 0
    for block in _blocks(path):
        good, bad = decode_lines(block)
        skipped += bad
        for line in good:
            if line.step:
                if line.outcome.fault is None:
                    answers[line.outcome.key] = line.outcome
                continue
            place = (line.column, line.example, line.trial)
            before = lines.get(place)
            if before is None or before.outcome.fault is not None or line.outcome.fault is None:
                lines[place] = line
    return Journalled(lines, skipped, answers)


def _blocks(path: Path) -> Iterator[bytes]:
    """Whole lines, some at a time."""
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            end = chunk.rfind(b"\n") + 1
            if end:
                yield rest + chunk[:end]
                rest = chunk[end:]
            else:
                rest += chunk


def decode_lines(block: bytes) -> tuple[list[JournalLine], int]:
    """Whole lines of a journal, and how many of them cannot be read."""
    try:
        return _line_decoder.decode_lines(block), 0
    except (ValueError, RecursionError):
        pass
    good: list[JournalLine] = []
    bad = 0
    for line in filter(None, block.split(b"\n")):
        try:
            good.append(_line_decoder.decode(line))
        except (ValueError, RecursionError):
            bad += 1
    return good, bad


def _folders(root: Path) -> list[Path]:
    try:
        names = [path for path in (root / "runs").iterdir() if RUN_ID.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(names, key=lambda path: path.name, reverse=True)


def _read(folder: Path) -> StoredRun:
    stored = msgspec.json.decode((folder / "run.json").read_bytes(), type=StoredRun)
    word, _, rest = (folder / "state").read_text("utf-8").strip().partition(" ")
    if word == "complete":
        return msgspec.structs.replace(stored, state="complete")
    if word == "committed":
        return msgspec.structs.replace(stored, state="committed", tag=rest)
    # "running" is what a killed process leaves behind as well: only the lock tells.
    return msgspec.structs.replace(stored, state="running" if is_locked(folder / "lock") else "partial")


def _damaged(path: Path, error: ValueError) -> StorageFault:
    return StorageFault(f"{path}: this file of the journal is damaged: {error}. Run again, or remove its folder.")

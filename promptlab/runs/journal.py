"""The journal: every outcome on disk as it arrives, so that a crash loses at most the cells in flight.

    <root>/runs/<run id>/
        run.json         a StoredRun: what a list of runs shows; written last, so a folder without it is no run
        plan.json        the Plan without its cells: reopens the run without the workspace
        outcomes.jsonl   one JournalLine a line, appended only
        state            "running <pid> <host> <start>", "partial", "complete" or "committed <tag>"
        metrics.jsonl    what was measured on it, once it ended: the lab's own lines
        lock             held with flock by the process that writes

A process that is killed leaves whole lines and at most one torn one, which is cut before anything is appended:
otherwise it would make one bad line with the next. The state of a killed run still says "running", but its lock is
free, and that is what counts. The files are for their owner only: answers may hold private text.

Root is the common folder of git with ``/promptlab``, where ``git clean`` cannot reach.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

import msgspec

from promptlab.errors import NotFound, StorageFault, UsageFault
from promptlab.models.values import Outcome
from promptlab.runs.control import forget
from promptlab.runs.storage import (
    cut_torn_tail,
    faults_of,
    lock_file,
    replace_file,
    storage_fault,
    sync_folder,
    write_all,
)
from promptlab.runs.stored import Journalled, find_resumable, read_lines, read_run, run_folder
from promptlab.runs.values import CellId, JournalLine, Plan, StoredRun
from promptlab.workspace.packed import PackedExamples

QUICK = 0.01
"""Seconds: a write that takes longer is none to be waited for by a loop that others wait for, too."""

SYNC_EVERY = 0.5
"""Seconds between two fsyncs at least: only a power cut, not a crash, can lose what was written since the last."""


def _json_of(value: object) -> msgspec.Raw:
    if isinstance(value, PackedExamples):
        return value.json
    raise TypeError(type(value))


_encoder = msgspec.json.Encoder(enc_hook=_json_of)


class Journal:
    """One run's journal, open for writing and locked: at most one at a time, over all processes.

    ``append`` may be called from any thread. Every OSError becomes a StorageFault; after one, nothing more is
    written, since a line may be torn.

    Attributes:
        run: The run's id.
        folder: Where it lies.
        skipped: Lines that could not be read when ``outcomes`` was last called.
        quick: The last write took next to no time, as nearly all do: a thread for the next one would cost more. On a
            disk that is slow, or far away, it is not.
    """

    def __init__(self, folder: Path, lock: int) -> None:
        """Take over a folder that is locked by ``lock``. Use :meth:`create` or :meth:`resume`."""
        self.run = folder.name
        self.folder = folder
        self.skipped = 0
        self.quick = True
        self._lock = lock
        self._path = folder / "outcomes.jsonl"
        self._guard = threading.Lock()
        self._fault: StorageFault | None = None
        self._dirty = threading.Event()
        self._closed = threading.Event()
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            os.close(lock)
            raise storage_fault(self._path, error) from error
        self._syncer = threading.Thread(target=self._sync_now_and_then, name="journal", daemon=True)
        self._syncer.start()

    @classmethod
    def create(cls, root: Path, plan: Plan, *, now: Callable[[], float] = time.time) -> Self:
        """Begin a new run: its intent is on disk when this returns.

        Raises:
            StorageFault: The folder cannot be written, or the disk is full.
        """
        started = now()
        with faults_of(root):
            folder = _new_folder(root / "runs", started)
        journal = cls(folder, _lock(folder))
        with journal._closing_on_fault():
            journal._begin(plan, int(started))
        return journal

    @classmethod
    def resume(cls, root: Path, run: str, plan: Plan) -> Self:
        """Go on with a run that stopped, with a plan of the same digest.

        Raises:
            NotFound: There is no such run.
            UsageFault: Another process is writing it, it is saved in git, or it is not of this plan.
            StorageFault: It cannot be read or written.
        """
        stored = read_run(root, run)
        if stored.digest != plan.digest:
            raise UsageFault(f"Run {run} cannot go on: its prompts, models, examples or metrics have changed since.")
        if stored.state == "committed":
            raise UsageFault(f"Run {run} cannot go on: it is saved as {stored.tag}.")
        folder = run_folder(root, run)
        journal = cls(folder, _lock(folder))
        with journal._closing_on_fault():
            cut_torn_tail(journal._file)
            journal._begin(plan, stored.time)
        return journal

    def append(self, lines: Iterable[JournalLine]) -> None:
        """Write whole lines in one go. When this returns, a crash of this process cannot lose them.

        Raises:
            StorageFault: The disk is full or gone. All earlier lines are kept.
        """
        data = b"".join(_encoder.encode(line) + b"\n" for line in lines)
        with self._guard:
            if self._fault is not None:
                raise self._fault
            begin = time.monotonic()
            try:
                write_all(self._file, data)
            except OSError as error:
                self._fault = storage_fault(self._path, error)
                raise self._fault from error
            self.quick = time.monotonic() - begin < QUICK
        if not self._dirty.is_set():
            self._dirty.set()

    def outcomes(self) -> dict[CellId, Outcome]:
        """The good outcomes so far, the last one of each cell. A fault is no outcome to keep: it is asked again."""
        return {place: line.outcome for place, line in self.known().lines.items()}

    def known(self) -> Journalled:
        """The lines of the good outcomes so far, and what steps of chains were answered."""
        with faults_of(self._path):
            found = read_lines(self._path)
        self.skipped = found.skipped
        good = {place: line for place, line in found.lines.items() if line.outcome.fault is None}
        return Journalled(good, found.skipped, found.answers)

    def finish(self, state: Literal["complete", "partial"]) -> None:
        """Write how the run ended, make all of it durable, and close.

        Raises:
            StorageFault: It could not be made durable.
        """
        try:
            with faults_of(self._path), self._guard:
                if not self._closed.is_set():
                    os.fsync(self._file)
                    replace_file(self.folder / "state", state.encode() + b"\n")
        finally:
            self.close()

    def close(self) -> None:
        """Stop writing and unlock, without a word on how it ended. May be called twice."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._dirty.set()
        self._syncer.join()
        with self._guard:
            self._fault = self._fault or StorageFault(f"The journal of run {self.run} is closed.")
            os.close(self._file)
            os.close(self._lock)

    def _begin(self, plan: Plan, started: int) -> None:
        """Put the intent on disk. A resumed run's is renewed: labels and texts may have changed, not the work."""
        stored = StoredRun(
            id=self.run,
            time=started,
            state="running",
            subject=plan.subject,
            evalset=plan.evalset,
            examples=len(plan.examples),
            trials=plan.trials,
            cells=plan.size,
            columns=tuple(variant.label for variant in plan.variants),
            digest=plan.digest,
        )
        forget(self.folder)
        state = f"running {os.getpid()} {socket.gethostname()} {int(time.time())}\n"
        replace_file(self.folder / "plan.json", _encoder.encode(msgspec.structs.replace(plan, cells=())))
        replace_file(self.folder / "state", state.encode())
        replace_file(self.folder / "run.json", _encoder.encode(stored))

    @contextmanager
    def _closing_on_fault(self) -> Generator[None, None, None]:
        try:
            with faults_of(self.folder):
                yield
        except BaseException:
            self.close()
            raise

    def _sync_now_and_then(self) -> None:
        """In a thread of its own: an fsync takes milliseconds, and a slow disk's seconds must stop nobody."""
        while self._dirty.wait() and not self._closed.is_set():
            self._dirty.clear()
            try:
                os.fsync(self._file)
            except OSError as error:
                self._fault = storage_fault(self._path, error)
            self._closed.wait(SYNC_EVERY)


def open_journal(root: Path, plan: Plan, *, now: Callable[[], float] = time.time) -> Journal:
    """Go on with the newest unfinished run of this plan, or begin a new one.

    Raises:
        StorageFault: The folder cannot be written, or the disk is full.
    """
    run = find_resumable(root, plan.digest)
    if run is not None:
        # Another process may have been quicker: then it has that run, and this one begins its own.
        with suppress(NotFound, UsageFault):
            return Journal.resume(root, run, plan)
    return Journal.create(root, plan, now=now)


def _new_folder(runs: Path, started: float) -> Path:
    """Make the folder of a new run. Making it is what reserves its id, against other processes too."""
    runs.mkdir(parents=True, exist_ok=True)
    second = datetime.fromtimestamp(started, UTC).strftime("%Y%m%dT%H%M%SZ")
    # Of the six digits three tell the milliseconds, so that runs sort by when they began; three are chance.
    milliseconds = f"{int(started % 1 * 1000):03x}"
    while True:
        folder = runs / f"{second}-{milliseconds}{secrets.token_hex(2)[:3]}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        sync_folder(runs)
        return folder


def _lock(folder: Path) -> int:
    path = folder / "lock"
    with faults_of(path):
        lock = lock_file(path)
    if lock is None:
        raise UsageFault(f"Run {folder.name} is being written by another promptlab. Wait for it, or stop it first.")
    return lock

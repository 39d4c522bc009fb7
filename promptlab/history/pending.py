"""The tool's own folder below git's common folder: the lock of a save, and the record that outlives a kill."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from pathlib import Path

import msgspec

from promptlab.errors import HistoryFault
from promptlab.history.git import storage_fault

_WAIT = 10.0  # seconds; a save takes a tenth of one
_INDEX = "index."
_TORN = ".new"


class Record(msgspec.Struct, frozen=True):
    """A save in flight.

    Attributes:
        commit: Empty until all objects are written and only the ref is missing.
        publish: Whether the run is to go on the branch, too.
        branch: Full name of the ref that is to move, "" before that is known.
        blobs: Path from the repository's top to blob id of what index and working tree may have of it already.
    """

    run: str
    subject: str
    tag: str
    commit: str = ""
    publish: bool = False
    branch: str = ""
    blobs: dict[str, str] = {}


class Folder:
    """``<common folder>/promptlab``: one for all working trees of a repository, out of reach of ``git clean``."""

    def __init__(self, common_dir: Path) -> None:
        self.path = common_dir / "promptlab"
        self._records = self.path / "pending"

    @contextlib.contextmanager
    def locked(self) -> Generator[int]:
        """Keeps every other save and recovery of this repository out. A kill frees the lock.

        Yields:
            The lock's descriptor, for a child process that must hold it beyond our own end.

        Raises:
            HistoryFault: The folder cannot be written, or another process holds the lock for too long.
        """
        try:
            self._records.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise storage_fault(error, str(self.path)) from error
        try:
            _acquire(lock)
            yield lock
        finally:
            os.close(lock)

    def temporary_index(self) -> Path:
        """A path for an index of our own; call ``sweep`` when done with it."""
        return self.path / f"{_INDEX}{os.getpid()}"

    def sweep(self) -> None:
        """Removes temporary indexes and half-written records. Only while the lock is held."""
        for leftover in [*self.path.glob(f"{_INDEX}*"), *self._records.glob(f"*{_TORN}")]:
            with contextlib.suppress(OSError):
                leftover.unlink()

    def write(self, record: Record) -> None:
        """Puts a record on the disk so that it survives a kill and a power loss.

        Raises:
            HistoryFault: It could not be written.
        """
        final = self._records / f"{record.run}.json"
        torn = final.with_suffix(_TORN)
        try:
            with torn.open("wb") as stream:
                stream.write(msgspec.json.encode(record))
                stream.flush()
                os.fsync(stream.fileno())
            torn.replace(final)
            _sync_folder(self._records)
        except OSError as error:
            raise storage_fault(error, str(final)) from error

    def records(self) -> list[Record]:
        """Every record on the disk, oldest run first. One that cannot be read names no run and is removed."""
        found: list[Record] = []
        for file in sorted(self._records.glob("*.json")):
            try:
                record = msgspec.json.decode(file.read_bytes(), type=Record)
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
                record = None
            # A run's id becomes a file's name again: one that is not this file's could lead anywhere.
            if record is not None and record.run == file.stem:
                found.append(record)
                continue
            with contextlib.suppress(OSError):
                file.unlink()
        return found

    def remove(self, run: str) -> None:
        """Forgets a record; one that is not there is no fault, and one that stays is asked about again."""
        with contextlib.suppress(OSError):
            (self._records / f"{run}.json").unlink()


def _acquire(lock: int) -> None:
    deadline = time.monotonic() + _WAIT
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise HistoryFault(
                    "Another promptlab is saving a run in this repository and does not finish: wait for it or end it,"
                    " then try again."
                ) from None
            time.sleep(0.02)
        else:
            return


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""A run that another process does, as far as it is: only what is new in the journal is read at each look."""

from __future__ import annotations

from pathlib import Path

from promptlab.runs.live import Live, look
from promptlab.runs.storage import faults_of
from promptlab.runs.stored import decode_lines, run_folder
from promptlab.runs.values import CellId, JournalLine

_MOST = 1 << 22
"""Bytes that one look takes in at most."""


class Following:
    """How far a run is, and what came since the last look.

    Attributes:
        done: Cells with an outcome, faults included.
        failed: Cells whose last outcome is a fault.
    """

    def __init__(self, root: Path, run: str) -> None:
        """Nothing is read before the first look.

        Raises:
            NotFound: ``run`` is no id of a run.
        """
        self._path = run_folder(root, run) / "outcomes.jsonl"
        self._at = 0
        self._failed: dict[CellId, bool] = {}

    @property
    def live(self) -> Live | None:
        """What the run says of itself now; None as long as it says nothing."""
        folder = self._path.parent
        if not (folder / "run.json").exists():
            return None  # it is being removed: who looks leaves a file there, and the folder could not be deleted
        return look(folder)

    @property
    def done(self) -> int:
        return len(self._failed)

    @property
    def failed(self) -> int:
        return sum(self._failed.values())

    def look(self) -> list[JournalLine]:
        """The lines of cells that were written since, not those of a chain's steps.

        A good outcome is never followed by a fault of the same cell.

        Raises:
            StorageFault: The journal cannot be read.
        """
        if not self._path.exists():
            return []  # not begun, or saved and removed meanwhile
        with faults_of(self._path), self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read(_MOST)
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        new: list[JournalLine] = []
        for line in decode_lines(whole)[0]:
            if line.step:
                continue
            place = (line.column, line.example, line.trial)
            failed = line.outcome.fault is not None
            if not failed or self._failed.get(place, True):
                self._failed[place] = failed
                new.append(line)
        return new

"""What a run that goes on says to other processes, while one of them looks: how far it is, and what is being written.

    <folder of the run>/looking   touched by who looks, at every look
    <folder of the run>/live      a Live, written anew some times a second as long as that is fresh

Nothing is written where nobody looks. Neither file is worth anything after a crash.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from promptlab.runs.values import CellId, CellText, Progress

LIVE, LOOKING = "live", "looking"

EVERY = 0.25
"""Seconds between two times that it is written, at least."""

_FRESH = 3.0
"""Seconds after which who looked is gone, and what was said is old."""

TAIL = 4000
"""Characters of a text that are told: its end. A hundred long texts four times a second would be much."""


class Live(Struct, frozen=True):
    """How far a run is, and what models have written so far for cells without an outcome."""

    progress: Progress
    texts: tuple[CellText, ...] = ()


class Drafted:
    """What is being written in a run, as other processes are told of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._texts: dict[CellId, CellText] = {}
        self._at = 0.0
        self._closed = False

    def wrote(self, texts: Iterable[CellText]) -> None:
        """Models have written so much."""
        self._texts.update(((one.column, one.example, one.trial), one) for one in texts)

    def done(self, cell: CellId) -> None:
        """A cell has its outcome."""
        self._texts.pop(cell, None)

    def live(self, progress: Progress) -> Live:
        """What there is to say now."""
        return Live(progress, tuple(map(_end_of, self._texts.values())))

    def wanted(self) -> bool:
        """Whether it is time to say it, and somebody looks."""
        now = time.monotonic()
        if now - self._at < EVERY or _age(self._folder / LOOKING) > _FRESH:
            return False
        self._at = now
        return True

    def tell(self, live: Live) -> None:
        """Say it. Where it cannot be written nobody hears of it, and the run goes on."""
        path = self._folder / LIVE
        draft = path.with_name(f"{LIVE}.new")
        with suppress(OSError, UnicodeEncodeError):  # of a text that was cut within a character
            data = msgspec.json.encode(live)
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(file, "wb") as out:
                out.write(data)
            draft.replace(path)
            if self._closed:  # meanwhile: this is called in a thread
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """There is nothing more to say."""
        self._closed = True
        with suppress(OSError):
            (self._folder / LIVE).unlink(missing_ok=True)


def look(folder: Path) -> Live | None:
    """What a run says now; None where it says nothing yet, or nothing any more. Who asks is seen to look."""
    with suppress(OSError):
        (folder / LOOKING).touch(0o600)
    path = folder / LIVE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Live) if _age(path) < _FRESH else None
    except (OSError, ValueError):
        return None


def _age(path: Path) -> float:
    """Seconds since a file was written."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _end_of(text: CellText) -> CellText:
    return text if len(text.text) <= TAIL else msgspec.structs.replace(text, text=f"…{text.text[-TAIL:]}")

"""What a sitting at the screens leaves for the next one: unsaved texts as they are typed, and where it was.

Each sitting has a file of its own and holds its lock: what a sitting that was killed left is found by the lock that
nobody holds. The folder is the person's own state folder, which git never sees and which needs no git to be found.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from promptlab.errors import StorageFault
from promptlab.models.trust import state_folder
from promptlab.runs.storage import faults_of, lock_file, replace_file, unfinished

if TYPE_CHECKING:
    from promptlab.lab.reading import Reader

_SEAT = "seat.json"
_OLD = 90 * 86_400
"""Seconds after which the text of a file that is gone is given up."""


Kind = Literal["prompt", "example", "input", "setting", "review"]
Place = tuple[Kind, str, str]
"""Where something was typed: what it is, the name of the prompt, eval set or run, what of it."""


class Draft(Struct, frozen=True, omit_defaults=True):
    """Something that was typed and not saved: the text of a prompt, or what is in a form.

    Attributes:
        name: Of the prompt; of the eval set for the form of an example or setting; of the run for a review.
        text: Of the prompt; "" for a form.
        stamp: Of the file that the text was begun from; "" for a form.
        time: When it was typed last, seconds since the epoch.
        kind: The text of a prompt, an input that it is tried on, the form of an example or of a line of the
            settings, what a person writes in a review.
        id: Of the example or the line; of a review what it is, of which answer to which example.
        fields: Name to text of the fields of a form that were typed in.
    """

    name: str
    text: str
    stamp: str
    time: int
    kind: Kind = "prompt"
    id: str = ""
    fields: dict[str, str] = {}

    @property
    def place(self) -> Place:
        """Where it was typed: there is one draft for each place."""
        return self.kind, self.name, self.id


class Seat(Struct, frozen=True):
    """Where a sitting was: screen, prompt and eval set by name, "" where there is none."""

    screen: str = ""
    prompt: str = ""
    evalset: str = ""


_DRAFTS = msgspec.json.Decoder(list[Draft])
_PLACE = msgspec.json.Decoder(Seat)


class Sitting:
    """One program on one workspace, as far as it is to be found again.

    Args:
        lab: The workspace's lab. Nothing is written before there is something to keep.
    """

    def __init__(self, lab: Reader) -> None:
        mark = hashlib.sha256(str(lab.root).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._folder = state_folder() / "sittings" / mark
        self._id = secrets.token_hex(6)
        self._lock: int | None = None
        self._seat = Seat()

    # -- unsaved texts ------------------------------------------------------------------------------------

    def left(self, known: Callable[[Draft], bool]) -> list[Draft]:
        """Take over what sittings that ended have left, the newest of each place.

        Args:
            known: Whether there still is the prompt or eval set. What is of another one stays on disk for a while.

        Raises:
            StorageFault: They are there and cannot be read.
        """
        found: dict[Place, Draft] = {}
        with faults_of(self._folder):
            names = {path.name.removesuffix(".new") for path in self._folder.glob("*.drafts*")}
            for file in sorted(self._folder / name for name in names):
                lock = lock_file(file.with_suffix(".lock"))
                if lock is None:
                    continue  # that program is running
                try:
                    drafts = _read(file)
                    for draft in filter(known, drafts):
                        found[draft.place] = max(found.get(draft.place, draft), draft, key=lambda one: one.time)
                    strange = [one for one in drafts if not known(one) and one.time > time.time() - _OLD]
                    self.keep(found.values())  # what is taken over is on disk again before the file that had it goes
                    if strange:
                        replace_file(file, msgspec.json.encode(strange))
                    else:
                        _remove(file)
                finally:
                    os.close(lock)
                if not file.exists():
                    file.with_suffix(".lock").unlink(missing_ok=True)
        return list(found.values())

    def keep(self, drafts: Collection[Draft]) -> None:
        """This is what is not saved now; it is on disk when this returns.

        Raises:
            StorageFault: They cannot be written.
        """
        file = self._folder / f"{self._id}.drafts"
        with faults_of(self._folder):
            if not drafts:
                _remove(file)
                return
            self._hold()
            replace_file(file, msgspec.json.encode(list(drafts)))

    def _hold(self) -> None:
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = lock_file(self._folder / f"{self._id}.lock")

    def close(self) -> None:
        """Leave the texts to the next sitting."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
            with contextlib.suppress(OSError):
                if not (self._folder / f"{self._id}.drafts").exists():
                    (self._folder / f"{self._id}.lock").unlink()

    # -- where it was -------------------------------------------------------------------------------------

    def seat(self) -> Seat:
        """Where the last sitting was; nowhere when that is not known."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            self._seat = _PLACE.decode((self._folder / _SEAT).read_bytes())
        return self._seat

    def sit(self, seat: Seat) -> None:
        """Remember where this one is. Where that cannot be written it is not remembered: no fault."""
        if seat == self._seat:
            return
        self._seat = seat
        with contextlib.suppress(OSError, StorageFault):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(self._folder / _SEAT, msgspec.json.encode(seat))


def _read(file: Path) -> list[Draft]:
    """What was written last, though the program was killed before it had its name; else what was written before."""
    for written in (unfinished(file), file):
        with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):  # not there, or cut short
            return _DRAFTS.decode(written.read_bytes())
    return []


def _remove(file: Path) -> None:
    for written in (unfinished(file), file):
        written.unlink(missing_ok=True)

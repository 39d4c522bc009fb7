"""What promptlab did in a workspace, newest last: a small journal, so that the last of it can be undone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from promptlab.errors import HistoryFault
from promptlab.history.git import storage_fault
from promptlab.history.values import Committed

KEPT = 100
_WHOLE = 32_768  # bytes of a file above which only the part that changed is remembered
_ROOM = 2_000_000  # bytes of the file above which the oldest are dropped


class RunSaved(Struct, frozen=True, tag=True):
    """A run was put into git; ``tag_object`` is what its tag pointed at, ``made`` its commit on a branch."""

    tag: str
    tag_object: str
    made: Committed | None = None


class Pinned(Struct, frozen=True, tag=True):
    """A version's number was pinned."""

    tag: str
    tag_object: str


class StageMoved(Struct, frozen=True, tag=True):
    """A version was put on a stage, or taken off it.

    Attributes:
        tag: The tag that did it.
        before: Name of the mark that counted before, "" for none.
    """

    tag: str
    before: str


class CommitMade(Struct, frozen=True, tag=True):
    """The person committed edits of prompts."""

    made: Committed


class RunsPruned(Struct, frozen=True, tag=True):
    """Tags of runs were dropped: name to the tag object."""

    tags: dict[str, str]


class FileWritten(Struct, frozen=True, tag=True):
    """A file of the workspace was written.

    Attributes:
        before: Its text, None when it did not exist.
        after: Stamp of the bytes that were written.
    """

    path: str
    before: str | None
    after: str


class FilePatched(Struct, frozen=True, tag=True):
    """A part of a large file of the workspace was written: only that part is remembered.

    Attributes:
        at: Where the part begins.
        before: Its bytes.
        length: How many bytes it has now.
        after: Stamp of the file as it was written.
    """

    path: str
    at: int
    before: bytes
    length: int
    after: str


What = RunSaved | Pinned | StageMoved | CommitMade | RunsPruned | FileWritten | FilePatched


def written(path: str, before: bytes | None, after: bytes, stamp: str) -> FileWritten | FilePatched | None:
    """A file that was written, as it is remembered; None for what is no text.

    Args:
        path: Relative to the workspace.
        before: None when it did not exist.
        after: What was written.
        stamp: Of ``after``.
    """
    if before is not None and len(before) > _WHOLE:
        start = _common(len(before), len(after), lambda n: before[:n] == after[:n])
        rest = min(len(before), len(after)) - start
        end = _common(rest, rest, lambda n: not n or before[-n:] == after[-n:])
        return FilePatched(path, start, before[start : len(before) - end], len(after) - start - end, stamp)
    try:
        return FileWritten(path, None if before is None else before.decode(), stamp)
    except UnicodeDecodeError:
        return None


def _common(one: int, other: int, equal: Callable[[int], bool]) -> int:
    """The longest part that is equal, where every shorter one is."""
    low, high = 0, min(one, other)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if equal(middle) else (low, middle - 1)
    return low


class Action(Struct, frozen=True):
    """One thing that promptlab did.

    Attributes:
        root: Folder of the workspace that it was done in; linked working trees share a journal.
        title: What was done, in the past tense: ``saved the run …``.
        undone: Only in the line that says so: the action of this id was undone.
    """

    id: str
    root: str
    time: int
    title: str
    what: What


class _Undone(Struct, frozen=True):
    undone: str


_Line = msgspec.json.Decoder(Action)
_UndoneLine = msgspec.json.Decoder(_Undone)


class Actions:
    """The journal, one line an action, below a folder that need not exist."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "actions.jsonl"

    def add(self, action: Action) -> None:
        """Remember an action. One that cannot be remembered can only not be undone: that is no fault."""
        with contextlib.suppress(HistoryFault):
            self._append(action)
        with contextlib.suppress(OSError):
            if self._file.stat().st_size > _ROOM:
                self._shorten()

    def undone(self, action: Action) -> None:
        """An action was undone.

        Raises:
            HistoryFault: The journal cannot be written.
        """
        self._append(_Undone(action.id))

    def standing(self, root: Path) -> list[Action]:
        """What was done in a workspace and not undone, oldest first. Torn and foreign lines are passed over."""
        return [action for action in self._all() if action.root == str(root)]

    def _all(self) -> list[Action]:
        found: dict[str, Action] = {}
        for line in self._lines():
            with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
                action = _Line.decode(line)
                found[action.id] = action
                continue
            with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
                found.pop(_UndoneLine.decode(line).undone, None)
        return list(found.values())

    def _lines(self) -> Iterable[bytes]:
        try:
            return self._file.read_bytes().split(b"\n")
        except OSError:
            return []

    def _append(self, line: Action | _Undone) -> None:
        # The line end in front closes a line that a kill cut short. O_NOFOLLOW: never out of the repository.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(self._file, flags, 0o600), "ab", buffering=0) as stream:
                stream.write(b"\n" + msgspec.json.encode(line) + b"\n")
        except OSError as error:
            raise storage_fault(error, str(self._file)) from error

    def _shorten(self) -> None:
        """Keep the newest. What another program appends in this moment may be lost, and then cannot be undone."""
        kept: list[bytes] = []
        room = _ROOM // 2
        for action in reversed(self._all()[-KEPT:]):
            line = msgspec.json.encode(action)
            room -= len(line)
            if room < 0:
                break
            kept.append(line)
        draft = self._file.with_suffix(".new")
        draft.write_bytes(b"".join(line + b"\n" for line in reversed(kept)))
        draft.replace(self._file)

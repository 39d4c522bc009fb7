"""Eval sets as they were read last, shared by all that look at them."""

from __future__ import annotations

import time
from pathlib import Path

from promptlab.errors import NotFound
from promptlab.workspace.folder import Workspace
from promptlab.workspace.values import EvalSet

_OLD = 1_000_000_000
"""Nanoseconds for which a file must have been left alone: one that is being written may change without a new time."""

Mark = tuple[tuple[int, int, int], ...]


class EvalSets:
    """Each is read again when one of its files has changed. Of ten thousand examples each copy takes 12 MB."""

    def __init__(self) -> None:
        self._read: dict[tuple[Path, str], tuple[Mark, EvalSet]] = {}

    def load(self, workspace: Workspace, name: str) -> EvalSet:
        """As :meth:`promptlab.workspace.folder.Workspace.load_evalset`, which says what it raises."""
        place, begun = (workspace.root, name), time.time_ns()
        mark, known = self._read.get(place, ((), None))
        if known is not None and mark == _mark(workspace, known):
            return known
        evalset = workspace.load_evalset(name)
        mark = _mark(workspace, evalset)
        if all(changed < begun - _OLD for changed, _, _ in mark):
            self._read[place] = mark, evalset
        return evalset


def _mark(workspace: Workspace, evalset: EvalSet) -> Mark:
    """What its files look like from outside; none where one is gone."""
    try:
        stats = [workspace.locate(file).stat() for file in evalset.files]
    except (OSError, NotFound):
        return ((time.time_ns(), 0, 0),)
    return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)

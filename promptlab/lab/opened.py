"""Tables of runs that were read from disk: shared by all that look at them, and not kept for ever."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakValueDictionary

from promptlab.lab.table import RunTable
from promptlab.runs.stored import run_folder

CELLS = 20_000
"""Cells of the tables last read that stay in memory where nobody looks at them: they may be looked at again."""

Mark = tuple[tuple[int, int], ...]
_NEVER: Mark = ()


class Opened:
    """Tables by the id of their run, with a mark of what they were read from."""

    def __init__(self) -> None:
        self._tables: WeakValueDictionary[str, RunTable] = WeakValueDictionary()
        self._marks: dict[str, Mark] = {}
        self._last: dict[str, RunTable] = {}

    def get(self, run: str, mark: Mark = _NEVER) -> RunTable | None:
        """The table, where it is in memory and was read from what has this mark."""
        table = self._tables.get(run)
        return table if table is not None and self._marks[run] == mark else None

    def put(self, run: str, table: RunTable, mark: Mark = _NEVER) -> RunTable:
        """Share a table from now on."""
        self._tables[run], self._marks[run] = table, mark
        self._last.pop(run, None)
        self._last[run] = table
        while sum(map(_cells, self._last.values())) > CELLS:
            del self._last[next(iter(self._last))]
        return table

    def untagged(self, tag: str) -> None:
        """The tag of a run was taken away: what was read from it is no more."""
        for run, table in list(self._tables.items()):
            if table.tag == tag:
                del self._tables[run]
                self._last.pop(run, None)


def journal_mark(root: Path, run: str) -> Mark:
    """What a run's journal looks like from outside: another look once anything was written to it."""
    stats = (path.stat() for path in sorted(run_folder(root, run).iterdir()) if path.name != "lock")
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in stats)


def _cells(table: RunTable) -> int:
    return len(table.examples) * len(table.variants) * table.trials

"""The cells of a run's table by number, so that what there is of a hundred thousand of them takes little memory."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeVar

_T = TypeVar("_T", bound=Hashable)

_MOST = 1000
"""Different values that are kept to be found again."""


class Places:
    """The numbers of cells: column by column, in it example by example, in it trial by trial.

    Args:
        columns: Their letters, in order.
        rows: The places of examples by their ids.
        trials: Of each example.
    """

    def __init__(self, columns: Sequence[str], rows: Mapping[str, int], trials: int) -> None:
        self._trials = trials
        self._rows = rows
        self._firsts = {column: at * len(rows) * trials for at, column in enumerate(columns)}
        self._size = len(columns) * len(rows) * trials

    def __len__(self) -> int:
        return self._size

    def of(self, column: str, example: str, trial: int) -> int:
        """The number of a cell; ``len(self)``, where nothing ever is, for one that is not among them."""
        try:
            place = self._firsts[column] + self._rows[example] * self._trials + trial
        except KeyError:
            return self._size
        return place if 0 <= trial < self._trials else self._size

    def known(self, column: str, example: str, trial: int) -> int:
        """The number of a cell.

        Raises:
            KeyError: It is not among them.
        """
        place = self.of(column, example, trial)
        if place == self._size:
            raise KeyError(column, example, trial)
        return place

    def row(self, example: str) -> int:
        """The number of an example.

        Raises:
            KeyError: It is not among them.
        """
        return self._rows[example]

    def column(self, column: str) -> slice:
        """The numbers of a column's cells; none for one that is not among them."""
        first = self._firsts.get(column)
        return slice(0) if first is None else slice(first, first + len(self._rows) * self._trials)


class Alike(Generic[_T]):
    """Keeps equal values once: those of most cells are those of many others, too."""

    def __init__(self) -> None:
        self._known: dict[_T, _T] = {}

    def of(self, value: _T) -> _T:
        """The first value that was equal to this one, or this one."""
        if len(self._known) < _MOST:
            return self._known.setdefault(value, value)
        return self._known.get(value, value)

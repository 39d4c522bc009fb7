"""The cells of a plan and of a run: a hundred thousand of them, of which each is held as its key alone."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

from promptlab.runs.asks import Asks
from promptlab.runs.values import Cell

_KEY = 32
"""Bytes of a key: a SHA-256."""


class ColumnCells:
    """The cells of one column: example by example, in it trial by trial.

    Args:
        column: Its letter.
        asks: What its cells ask; None for a chain.
    """

    def __init__(self, column: str, asks: Asks | None) -> None:
        self._column = column
        self._asks = asks
        self._keys = bytearray()
        self._problems: dict[int, str] = {}

    def add(self, key: bytes, problem: str = "") -> None:
        """The next cell: its key as bytes, and why it cannot be asked."""
        if problem:
            self._problems[len(self._keys) // _KEY] = problem
        self._keys += key

    def cell(self, place: int, example: str, trial: int) -> Cell:
        """The cell in a place of the column, which is of that example and trial."""
        key = self._keys[_KEY * place : _KEY * (place + 1)].hex()
        if place in self._problems:
            return Cell(self._column, example, trial, key, None, self._problems[place])
        return Cell(self._column, example, trial, key, self._asks)


class Cells(Sequence[Cell]):
    """All cells of a plan, column by column. Each is made when it is looked at."""

    def __init__(self, columns: Sequence[ColumnCells], examples: Sequence[str], trials: int) -> None:
        self._columns = columns
        self._examples = examples
        self._trials = trials

    def __len__(self) -> int:
        return len(self._columns) * len(self._examples) * self._trials

    @overload
    def __getitem__(self, index: int) -> Cell: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Cell]: ...

    def __getitem__(self, index: int | slice) -> Cell | Sequence[Cell]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        column, place = divmod(index % len(self), len(self._examples) * self._trials)
        example, trial = divmod(place, self._trials)
        return self._columns[column].cell(place, self._examples[example], trial)

    def __iter__(self) -> Iterator[Cell]:
        for column in self._columns:
            place = 0
            for example in self._examples:
                for trial in range(self._trials):
                    yield column.cell(place, example, trial)
                    place += 1


class Some(Sequence[Cell]):
    """Some of the cells of a run, by their numbers."""

    def __init__(self, cells: Sequence[Cell], numbers: Iterable[int]) -> None:
        self._cells = cells
        self._numbers = array("q", numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Cell: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Cell]: ...

    def __getitem__(self, index: int | slice) -> Cell | Sequence[Cell]:
        if isinstance(index, slice):
            return Some(self._cells, self._numbers[index])
        return self._cells[self._numbers[index]]


class Waiting:
    """The cells of a run that have no outcome, by key: all cells of a key share its answer.

    Iterating gives the keys, in the order of the cells.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells
        self._firsts: dict[str, int] = {}
        self._others: dict[str, list[int]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._firsts

    def __iter__(self) -> Iterator[str]:
        return iter(self._firsts)

    def __len__(self) -> int:
        """How many keys."""
        return len(self._firsts)

    def add(self, number: int, key: str) -> None:
        """A cell of the run waits: by its number, with its key."""
        if self._firsts.setdefault(key, number) != number:
            self._others.setdefault(key, []).append(number)

    def numbers(self, key: str) -> tuple[int, ...]:
        """The numbers of the cells that wait for a key."""
        first = self._firsts.get(key)
        return () if first is None else (first, *self._others.get(key, ()))

    def cells(self, key: str) -> list[Cell]:
        """The cells that wait for a key."""
        return [self._cells[number] for number in self.numbers(key)]

    def take(self, key: str, fits: Callable[[Cell], bool] | None = None) -> list[Cell]:
        """The cells that wait for a key, or those of them that fit: they wait no longer."""
        numbers = self.numbers(key)
        found = [(number, self._cells[number]) for number in numbers]
        taken = [(number, cell) for number, cell in found if fits is None or fits(cell)]
        if taken:
            del self._firsts[key]
            self._others.pop(key, None)
            for number in numbers if len(taken) < len(numbers) else ():
                if number not in {one for one, _ in taken}:
                    self.add(number, key)
        return [cell for _, cell in taken]

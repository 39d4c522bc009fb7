"""The cells of a plan as a sequence, and those that wait for an outcome."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.runs.cells import Cells, ColumnCells, Some, Waiting
from promptlab.runs.values import Cell


def laid_out(columns: int, examples: int, trials: int, bad: int = -1) -> tuple[Cells, list[Cell]]:
    """Cells, and the same as a list; those of one example have a problem."""
    names = [f"e{at}" for at in range(examples)]
    made: list[ColumnCells] = []
    plain: list[Cell] = []
    for letter in "abc"[:columns]:
        column = ColumnCells(letter, None)
        for at, name in enumerate(names):
            for trial in range(trials):
                key, problem = sha256(f"{letter}{at}{trial}".encode()), "no ticket" if at == bad else ""
                column.add(key.digest(), problem)
                plain.append(Cell(letter, name, trial, key.hexdigest(), None, problem))
        made.append(column)
    return Cells(made, names, trials), plain


@given(st.integers(0, 3), st.integers(0, 4), st.integers(1, 3), st.integers(-1, 3), st.slices(40))
def test_cells_are_a_sequence_like_any_other(columns: int, examples: int, trials: int, bad: int, cut: slice) -> None:
    cells, plain = laid_out(columns, examples, trials, bad)
    assert list(cells) == plain
    assert [cells[at] for at in range(-len(plain), len(plain))] == plain + plain
    assert list(cells[cut]) == plain[cut]
    for beyond in (len(plain), -len(plain) - 1):
        with pytest.raises(IndexError):
            cells[beyond]
    numbers = range(0, len(plain), 2)
    assert list(Some(cells, numbers)) == plain[::2]
    assert list(Some(cells, numbers)[1:]) == plain[2::2]


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.booleans(), st.sampled_from("ab")), max_size=30))
def test_cells_wait_by_key_until_they_are_taken(steps: list[tuple[str, bool, str]]) -> None:
    """Against a dictionary of lists: cells are added, or all cells or those of a column are taken."""
    cells = [Cell(column, f"e{at}", 0, key) for at, (key, _, column) in enumerate(steps)]
    waiting, known = Waiting(cells), dict[str, list[Cell]]()
    for number, (key, add, column) in enumerate(steps):
        if add:
            waiting.add(number, key)
            known.setdefault(key, []).append(cells[number])
        elif number % 2:
            assert waiting.take(key) == known.pop(key, [])
        else:
            mine = [cell for cell in known.get(key, []) if cell.column == column]
            assert waiting.take(key, lambda cell, column=column: cell.column == column) == mine
            known = {one: rest for one in known if (rest := [cell for cell in known[one] if cell not in mine])}
        assert set(waiting) == set(known)
        assert len(waiting) == len(known)
        for one in "xyz":
            assert waiting.cells(one) == known.get(one, [])
            assert (one in waiting) == (one in known)

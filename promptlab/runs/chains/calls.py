"""How many calls the cells of a run still need, for the time that is left: a cell of a chain needs several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptlab.runs.values import Cell, CellId
from promptlab.workspace.values import Ask, BestOf, Critique, Prompt, Step, Vote


class Calls:
    """Counts down as answers come and cells end.

    Args:
        cells: Of the run.
        chains: Column to its chain; the other columns are prompts, of one call a cell.
    """

    def __init__(self, cells: Sequence[Cell], chains: Mapping[str, Prompt]) -> None:
        of_column = {column: calls_of(chain) for column, chain in chains.items()}
        self._chains: dict[CellId, int] = {
            (cell.column, cell.example, cell.trial): of_column[cell.column]
            for cell in (cells if chains else ())
            if cell.column in of_column
        }
        self.left = len(cells) - len(self._chains) + sum(self._chains.values())

    def came(self, cell: Cell) -> None:
        """An answer on the way of a chain is there."""
        place = (cell.column, cell.example, cell.trial)
        if self._chains.get(place, 0) > 1:  # a chain that asks more often than expected still has one to come
            self._chains[place] -= 1
            self.left -= 1

    def end(self, place: CellId) -> None:
        """A cell has its outcome."""
        self.left -= self._chains.pop(place, 1)


def calls_of(chain: Prompt) -> int:
    """Calls that a chain is expected to make: each step runs, answers are valid, a critique has one revised."""
    return max(1, sum(map(_calls, chain.steps)))


def _calls(step: Step) -> int:
    match step.does:
        case Ask():
            return 1
        case Vote(n=n):
            return n
        case BestOf(n=n, judge=judge):
            return n if judge is None else 2 * n
        case Critique(limit=limit):
            return min(2 * limit, 3)  # the critic looks at a revision only where another one could follow
        case _:
            return 0

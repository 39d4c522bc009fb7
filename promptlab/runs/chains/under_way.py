"""What the steps of chains wait for: how many answers of each are there, and whose text a model writes just now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from promptlab.runs.values import Cell, CellText, StepProgress

if TYPE_CHECKING:
    from promptlab.runs.chains.waves import Wanted


class UnderWay:
    """The waves that are being answered, of all models."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[Cell, str]] = {}
        self._asked: dict[str, int] = {}
        self._there: dict[str, int] = {}
        self._looking: tuple[StepProgress, ...] = ()

    def begin(self, wanted: Wanted) -> None:
        """A wave is asked; a step whose answers are all there counts anew."""
        for key, (_, cell, step) in wanted.items():
            if self._there.get(step, 0) >= self._asked.get(step, 0):
                self._asked[step] = self._there[step] = 0
            self._waiting[key] = (cell, step)
            self._asked[step] += 1

    def look_up(self, progress: StepProgress) -> None:
        """So many of the vectors that a step searches with are there."""
        self._looking = (progress,) if progress.done < progress.total else ()

    def came(self, keys: Iterable[str]) -> None:
        """These answers are there."""
        for key in keys:
            if found := self._waiting.pop(key, None):
                self._there[found[1]] += 1

    def end(self, wanted: Wanted) -> None:
        """A wave has ended, whether or not all of its answers came."""
        self.came(wanted)

    @property
    def steps(self) -> tuple[StepProgress, ...]:
        """The steps that wait for answers, in the order in which they began to."""
        waiting = {step for _, step in self._waiting.values()}
        return self._looking + tuple(
            StepProgress(step, self._there[step], self._asked[step]) for step in self._asked if step in waiting
        )

    def texts(self, written: Mapping[str, str]) -> list[CellText]:
        """What a model has written so far, for the cells whose steps wait for it."""
        found = ((self._waiting[key], text) for key, text in written.items() if key in self._waiting)
        return [CellText(cell.column, cell.example, cell.trial, text, step) for (cell, step), text in found]

"""Timing the models in files from the screen: which, how far, and how to end it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.lab.wording import plural, seconds

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.lab.modelling import SpeedStep


class Bench:
    """Models that are being timed one after the other. What is measured is remembered at once, as the command does.

    Attributes:
        problems: Why a model could not be timed, by its name.
        measured: Names of the models of which something was measured.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.problems: dict[str, str] = {}
        self.measured: set[str] = set()
        self.active = True
        self._step: SpeedStep | None = None
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()

    def stop(self) -> None:
        """End it; what is measured by now is kept."""
        self._stop.set()

    async def ended(self) -> None:
        """Wait until the child that measures is gone."""
        await self._ended.wait()

    async def run(self, lab: Lab, changed: Callable[[], None]) -> None:
        """Time them. ``changed`` is called whenever there is more to show."""
        try:
            async with aclosing(lab.measure_speeds(self.names, self._stop)) as steps:
                async for step in steps:
                    self._step = step
                    if step.problem:
                        self.problems[step.model] = step.problem
                    if step.speed is not None:
                        self.measured.add(step.model)
                    changed()
        except PromptlabError as fault:
            self.problems[""] = str(fault)
        finally:
            self.active = False
            self._ended.set()

    @property
    def line(self) -> str:
        """How far it is: ``timing mini: 40 % · 12 s left · x stops``."""
        if self._stop.is_set():
            return "ending the timing …"
        step = self._step
        if step is None:
            return f"timing {self.names[0]}: loading · x stops"
        left = f" · {seconds(step.eta)} left" if step.eta else ""
        return f"timing {step.model}: {100 * step.share:.0f} %{left} · x stops"

    @property
    def result(self) -> str:
        """What to say when it has ended."""
        text = f"timed {plural(len(self.measured), 'model')}"
        if self._stop.is_set():
            text = f"stopped; what was measured of {plural(len(self.measured), 'model')} is kept"
        return ". ".join((text, *self.problems.values()))

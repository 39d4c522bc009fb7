"""What a run has so far, and how an outcome that arrives is kept: in the journal first, then told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from promptlab.models.values import Outcome
from promptlab.runs.asking import Fingerprints, Reader, Turn, in_order
from promptlab.runs.cells import Some, Waiting
from promptlab.runs.chains.calls import Calls
from promptlab.runs.chains.under_way import UnderWay
from promptlab.runs.live import Drafted
from promptlab.runs.means import Means
from promptlab.runs.progress import Tally
from promptlab.runs.traces import Trace
from promptlab.runs.values import Cell, CellDone, JournalLine, Plan, Progress, RunEvent

if TYPE_CHECKING:
    from promptlab.runs.chains.waves import Wanted


AT_ONCE = 250
"""Cells that are handled in one go, between two turns of other tasks."""

_CACHE_EVERY = 2.0
"""Seconds after which fresh outcomes go into the cache, however few they are."""


class Keeping:
    """One run: what it waits for, and what it keeps.

    ``waiting`` holds the cells without an outcome, ``answers`` what steps of chains were answered so far, by key.
    """

    def __init__(self, plan: Plan, means: Means, part: Sequence[Cell] | None) -> None:
        self.plan = plan
        self.cells = plan.cells if part is None else part
        self.whole = part is None
        self.models = means.models
        self.cache = means.cache
        self.journal = means.journal
        self.meter = means.meter
        self.watched = means.watched
        self.grades = means.grades
        self.events: asyncio.Queue[Sequence[RunEvent] | None] = asyncio.Queue()
        self.tally = Tally(len(self.cells), means.currencies, time.monotonic)
        self.model_of = {variant.column: variant.model for variant in plan.variants}
        self.waiting = Waiting(self.cells)
        self.answers: dict[str, Outcome] = {}
        self.under_way = UnderWay()
        self.drafted = Drafted(self.journal.folder)
        self.calls = Calls(self.cells, plan.chains)
        self.fresh: list[Outcome] = []
        self.cached_at = time.monotonic()
        self.remembering: asyncio.Task[None] | None = None
        self.late: list[JournalLine] = []
        self.told: tuple[int, ...] = ()  # of the last Progress
        self.fingerprints = Fingerprints()
        self.spent = ""
        self.halted = False
        self.ending = asyncio.Event()
        self.readers: dict[str, Reader] = {}
        self.noticed: set[str] = set()
        self.retried: int = 0

    async def _left(self, name: str) -> Sequence[Cell]:
        """What is left to ask of a model: a cell of each key, in the order in which they are asked."""
        columns: dict[str, list[int]] = {}
        turn = Turn()
        for key in list(self.waiting):
            for number in self.waiting.numbers(key):
                cell = self.cells[number]
                if self.model_of[cell.column] == name and cell.asks is not None:
                    columns.setdefault(cell.column, []).append(number)
                    break
            await turn.take()
        return Some(self.cells, in_order(list(columns.values()), self.models[name]))

    def _chains(self, name: str) -> list[Cell]:
        """The cells of a model that are chains without an outcome."""
        return [
            cell
            for cell in (self.cells if self.plan.chains else ())
            if cell.column in self.plan.chains and cell.key in self.waiting and self.model_of[cell.column] == name
        ]

    def _of_chain(self, key: str) -> bool:
        return bool(self.plan.chains) and self.waiting.cells(key)[0].column in self.plan.chains

    async def _keep_all(self, outcomes: Iterable[Outcome], model: str = "") -> None:
        rest = iter(outcomes)
        while some := list(islice(rest, AT_ONCE)):
            await self._keep(some, model)

    async def _keep(self, outcomes: Sequence[Outcome], model: str = "") -> None:
        """Journal outcomes for all cells that wait for them, then tell.

        Args:
            outcomes: What came; one that no cell waits for is dropped.
            model: The model that gave them just now, or "": only its own cells share in a fault.
        """
        done = [one for outcome in outcomes for one in self._done(outcome, model)]
        await asyncio.to_thread(self.journal.append, lines_of(done))
        self._tell(done, model)

    def _done(self, outcome: Outcome, model: str) -> list[CellDone]:
        """An outcome as that of every cell that waits for it; none of them waits any longer."""
        return [CellDone(cell.column, cell.example, cell.trial, one) for cell, one in self._shares(outcome, model)]

    def _take(self, model: str, kept: list[CellDone], outcome: Outcome) -> None:
        """Journal an outcome that a model gave now; its cells are told of later, they go to ``kept``."""
        done = self._done(outcome, model)
        self._write(lines_of(done))
        kept.extend(done)

    def _write(self, lines: Iterable[JournalLine]) -> None:
        """Journal lines at this very moment, or on a slow disk with the next ``_written``."""
        if self.journal.quick and not self.late:
            self.journal.append(lines)
        else:
            self.late.extend(lines)

    async def _written(self) -> None:
        """Return when all lines so far are in the journal."""
        if self.late:
            lines, self.late = self.late, []
            await asyncio.to_thread(self.journal.append, lines)

    def _tell(self, done: Sequence[CellDone], model: str) -> None:
        """Count cells whose outcomes are in the journal, and tell of them."""
        if not done:
            return
        for one in done:
            self._count(one)
        if model:
            calls = sum(one.column not in self.plan.chains for one in done)
            self.tally.answered(len(done), calls, max(one.outcome.latency for one in done))
        self.events.put_nowait(done)

    def _count(self, done: CellDone) -> None:
        place = (done.column, done.example, done.trial)
        self.calls.end(place)
        self.drafted.done(place)
        outcome = done.outcome
        if done.trace is not None:
            outcome = msgspec.structs.replace(outcome, cost=done.trace.spent)
        self.tally.add(self.model_of[done.column], outcome)

    def _shares(self, outcome: Outcome, model: str) -> list[tuple[Cell, Outcome]]:
        """The waiting cells that an outcome is for. All but the first have it for nothing."""
        if outcome.fault is not None and model:
            own = self.waiting.take(outcome.key, lambda cell: self.model_of[cell.column] == model)
            return [(cell, outcome) for cell in own]
        cells = self.waiting.take(outcome.key)
        if outcome.fault is not None:
            return [(cell, outcome) for cell in cells]
        copy = msgspec.structs.replace(outcome, cached=True) if len(cells) > 1 else outcome
        return [(cell, copy if index else outcome) for index, cell in enumerate(cells)]

    def _of_run(self, now: Progress) -> Progress:
        """What others are told: they count the cells of the run, and a part knows neither its time nor its cost."""
        if self.whole:
            return now
        return msgspec.structs.replace(now, total=self.plan.most, cached=0, tokens=0, eta=None, cost={})

    def _write_answer(self, wanted: Wanted, outcome: Outcome) -> None:
        """Journal what a step of a chain was answered."""
        if outcome.key in wanted:
            _, cell, step = wanted[outcome.key]
            self._write([JournalLine(cell.column, cell.example, cell.trial, outcome, time.time(), step)])

    def _remember_answers(self, outcomes: Iterable[Outcome], wanted: Wanted) -> None:
        """A question has one answer in a run, also where a later step asks it again; then it costs nothing."""
        for outcome in outcomes:
            self.under_way.came((outcome.key,))
            self.calls.came(wanted[outcome.key][1])
            if outcome.fault is None:
                self.answers[outcome.key] = msgspec.structs.replace(outcome, cached=True)
        self.told = ()

    async def _keep_walked(self, ended: Sequence[tuple[Cell, Outcome, Trace | None]], model: str) -> None:
        """Journal the outcomes of chains with their traces, then tell."""
        done = [CellDone(cell.column, cell.example, cell.trial, outcome, trace) for cell, outcome, trace in ended]
        for cell, _, _ in ended:
            self.waiting.take(cell.key)
        await asyncio.to_thread(self.journal.append, lines_of(done))
        self._tell(done, model)

    def _remember_soon(self) -> None:
        """Have fresh answers put into the cache beside what goes on, once there are enough or they waited enough."""
        enough = len(self.fresh) >= AT_ONCE or time.monotonic() - self.cached_at > _CACHE_EVERY
        if enough and (self.remembering is None or self.remembering.done()):
            self.cached_at = time.monotonic()
            self.remembering = asyncio.create_task(self._remember())

    async def _remember(self) -> None:
        """Put fresh answers into the cache."""
        fresh, self.fresh = self.fresh, []
        if fresh:
            await asyncio.to_thread(self.cache.put_many, fresh)


def lines_of(done: Iterable[CellDone]) -> list[JournalLine]:
    """What the journal says of cells that have their outcomes now."""
    at = time.time()
    return [JournalLine(one.column, one.example, one.trial, one.outcome, at, trace=one.trace) for one in done]

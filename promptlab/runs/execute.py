"""Run a plan: take over what is known, ask the models for the rest, and tell what happens as it happens.

Each outcome is in the journal before anybody hears of it. The work is done by a task of its own, so outcomes are
kept as they arrive however slowly the events are taken; files are read and written in threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Literal

import msgspec

from promptlab.errors import StorageFault
from promptlab.models.cache import Cache
from promptlab.models.values import Fault, Model, Outcome, Preparing, Request, Written
from promptlab.runs.asking import Fingerprints, Reader, Turn, arrived, failed, in_order
from promptlab.runs.control import Control, heard
from promptlab.runs.journal import Journal
from promptlab.runs.progress import Meter, Tally
from promptlab.runs.values import (
    Cell,
    CellDone,
    CellText,
    Ended,
    JournalLine,
    ModelDied,
    ModelLoading,
    Noticed,
    Plan,
    Progress,
    RunEvent,
    Started,
)

PROGRESS_EVERY = 0.1
"""Seconds between two Progress events at least."""

_LAST = 16
"""Cells of a model that are left when the next one is made ready: it writes as many at once."""

_AT_ONCE = 250
"""Cells that are handled in one go, between two turns of other tasks."""

_CACHE_EVERY = 2.0
"""Seconds after which fresh outcomes go into the cache, however few they are."""


async def execute(
    plan: Plan,
    models: Mapping[str, Model],
    cache: Cache,
    journal: Journal,
    *,
    stop: asyncio.Event,
    use_cache: bool = True,
    currencies: Mapping[str, str] | None = None,
    part: Sequence[Cell] | None = None,
    meter: Meter | None = None,
) -> AsyncGenerator[RunEvent, None]:
    """Carry out a plan and yield what happens; the last event is ``Ended``.

    Known outcomes come first: those of the journal, then those of the cache. Then the models are asked for
    what is left, every key once. A fault of one cell is its outcome; a fault of a whole model is the outcome of all
    cells it still had, and the others go on. The journal is closed when this ends; models are left open.
    Whoever leaves before the end closes the generator (``contextlib.aclosing``), which ends the run as stopped.

    Args:
        plan: With the requests, as :func:`promptlab.runs.plan.make_plan` gives it.
        models: Model name, as in the plan, to model.
        cache: Where answers are looked up and remembered.
        journal: Of this plan, open. Good outcomes in it are never asked again.
        stop: When set, what is in flight is given up, all that arrived is kept, and the run ends as cancelled.
        use_cache: False asks the models even for what the cache knows, and renews it.
        currencies: Model name to the currency of its price; US dollars where it is not named.
        part: Cells of the plan to do now, instead of all. The journal then stays open for the next part.
        meter: Of what may be spent. Once it is used up nothing further is asked, what is under way comes to an end,
            and the run ends as partial.
    """
    run = _Execution(plan, models, cache, journal, use_cache, currencies or {}, part, meter or Meter())
    worker = asyncio.create_task(run.work())
    helpers = [asyncio.create_task(run.halt_when(stop)), asyncio.create_task(run.tell_progress())]
    turn = Turn()
    try:
        while (events := await run.events.get()) is not None:
            for event in events:
                if isinstance(event, Progress | CellText) and not run.events.empty():
                    continue  # A slow reader hears of now, not of every step on the way.
                yield event
                await turn.take()
        await worker
    finally:
        run.halt()
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(worker, *helpers, return_exceptions=True)


class _Execution:
    """One run under way.

    ``waiting`` holds the cells without an outcome by key: all cells of a key share its answer.
    """

    def __init__(
        self,
        plan: Plan,
        models: Mapping[str, Model],
        cache: Cache,
        journal: Journal,
        use_cache: bool,
        currencies: Mapping[str, str],
        part: Sequence[Cell] | None,
        meter: Meter,
    ) -> None:
        self.plan = plan
        self.cells = plan.cells if part is None else part
        self.whole = part is None
        self.models = models
        self.cache = cache
        self.journal = journal
        self.use_cache = use_cache
        self.events: asyncio.Queue[Sequence[RunEvent] | None] = asyncio.Queue()
        self.tally = Tally(len(self.cells), currencies, time.monotonic)
        self.model_of = {variant.column: variant.model for variant in plan.variants}
        self.waiting: dict[str, list[Cell]] = {}
        self.fresh: list[Outcome] = []
        self.cached_at = time.monotonic()
        self.told = -1  # cells, in the last Progress
        self.meter = meter
        self.fingerprints = Fingerprints()
        self.spent = ""
        self.halted = False
        self.readers: dict[str, Reader] = {}
        self.noticed: set[str] = set()
        self.retried = 0

    def halt(self) -> None:
        """Stop asking, at once; what arrived is still kept."""
        self.halted = True
        for reader in self.readers.values():
            reader.cancel()

    def look_at_budget(self) -> None:
        """Ask nothing further once a limit is reached."""
        in_flight = sum(reader.traffic.in_flight for reader in self.readers.values())
        if not self.spent and (why := self.meter.used_up(in_flight)):
            self.spent = why
            for reader in self.readers.values():
                reader.end()

    def heard(self, outcome: Outcome) -> None:
        """An answer has come from a model."""
        self.meter.add(outcome)
        self.look_at_budget()

    async def halt_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.halt()

    async def tell_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_EVERY)
            self.look_at_budget()
            self._obey(await asyncio.to_thread(heard, self.journal.folder))
            self._notice(*(one for reader in self.readers.values() for one in reader.traffic.notices))
            if self.tally.done != self.told:
                self.told = self.tally.done
                self.events.put_nowait((self.progress(),))

    def _obey(self, control: Control) -> None:
        """Do what another process asks of this run."""
        if control.stop:
            self.halt()
        for reader in self.readers.values():
            reader.hold(control.most)

    def progress(self) -> Progress:
        """How far the run is, with what goes on at its endpoints."""
        traffic = [reader.traffic for reader in self.readers.values()]
        return msgspec.structs.replace(
            self.tally.progress(),
            retried=self.retried + sum(one.retried for one in traffic),
            in_flight=sum(one.in_flight for one in traffic),
            limit=sum(one.limit for one in traffic),
        )

    def _notice(self, *messages: str) -> None:
        """Tell of each thing once."""
        for message in messages:
            if message not in self.noticed:
                self.noticed.add(message)
                self.events.put_nowait((Noticed(message),))

    async def work(self) -> None:
        """The whole run. Puts None behind the last event, whatever happens."""
        last: tuple[RunEvent, ...] = ()
        try:
            last = (await self._carry_out(),)
        finally:
            if self.whole:
                await asyncio.to_thread(self.journal.close)
            self.events.put_nowait(last)
            self.events.put_nowait(None)

    async def _carry_out(self) -> Ended:
        reason = ""
        try:
            await self._take_over()
            await self._look_up()
            await self._ask_all()
        except StorageFault as fault:
            reason = str(fault)
        finally:
            await self._remember()
        try:
            if self.whole:
                complete = self.tally.done == len(self.cells)
                await asyncio.to_thread(self.journal.finish, "complete" if complete else "partial")
        except StorageFault as fault:
            reason = reason or str(fault)
        return self._ended(reason)

    def _ended(self, reason: str) -> Ended:
        progress = self.progress()
        state: Literal["complete", "partial", "cancelled"] = "partial"
        if not reason:
            reason = self.tally.failures()
            state = "complete"
            if progress.done < progress.total and self.spent and not self.halted:
                state = "partial"
                costs = [f"{cost:.4g} {currency}" for currency, cost in progress.cost.items()]
                used = " and ".join([*costs, f"{progress.tokens} tokens used"])
                reason = f"{self.spent}: {used}, {progress.done} of {progress.total} cells done. {reason}".rstrip()
            elif progress.done < progress.total:
                state = "cancelled"
                reason = f"Stopped after {progress.done} of {progress.total} cells. {reason}".rstrip()
        return Ended(self.journal.run, state, progress, reason)

    async def _take_over(self) -> None:
        """Begin with what the journal has, and with the cells that cannot be asked at all."""
        known = await asyncio.to_thread(self.journal.outcomes)
        resumed: list[CellDone] = []
        turn = Turn()
        for cell in self.cells:
            outcome = known.get((cell.column, cell.example, cell.trial))
            if outcome is not None and outcome.key == cell.key:
                resumed.append(CellDone(cell.column, cell.example, cell.trial, outcome))
            else:
                self.waiting.setdefault(cell.key, []).append(cell)
            await turn.take()
        self.events.put_nowait((Started(self.journal.run, self.plan, len(resumed)),))
        for done in resumed:
            self.tally.add(self.model_of[done.column], done.outcome)
            await turn.take()
        self.events.put_nowait(resumed)
        # A crash may have come between two cells that share a key: the answer is here, so nobody is asked.
        shared = [done.outcome for done in resumed if done.outcome.key in self.waiting]
        await self._keep_all(msgspec.structs.replace(outcome, cached=True) for outcome in shared)
        await self._keep_all(
            failed(cell.key, Fault("template", cell.problem))
            for cells in list(self.waiting.values())
            for cell in cells
            if cell.request is None
        )

    async def _look_up(self) -> None:
        """Take what the cache has."""
        keys = iter(list(self.waiting) if self.use_cache else ())
        while not self.halted and (some := list(islice(keys, _AT_ONCE))):
            found = await asyncio.to_thread(self.cache.get_many, some)
            await self._keep([found[key] for key in some if key in found])

    async def _ask_all(self) -> None:
        """Ask every model: endpoints side by side, and beside them the models of this machine one after the other."""
        names = list(dict.fromkeys(self.model_of[cell.column] for cell in self.cells))
        here = [name for name in names if not self.models[name].capabilities.elsewhere]
        groups = (here, *([name] for name in names if name not in here))
        tasks = [asyncio.create_task(self._ask(*group)) for group in groups if group]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, *names: str) -> None:
        """Ask models for what is left of their cells, one after the other."""
        for name, following in zip(names, [*names[1:], ""], strict=True):
            requests = self._requests(name)
            if requests and not self.halted and not self.spent:
                await self._ask_one(name, requests, following)

    async def _ask_one(self, name: str, requests: Sequence[Request], following: str) -> None:
        """Ask one model; towards the end, have the following one ready."""
        self.tally.begin_model(name)
        self.events.put_nowait((ModelLoading(name),))
        left = len(requests)
        watch = partial(self._hear, name)
        reader = self.readers[name] = Reader(self.models[name], requests, self.heard, watch)
        try:
            while batch := await arrived(reader.inbox, _AT_ONCE):
                self.fresh.extend(outcome for outcome in batch if outcome.fault is None)
                self._notice(*filter(None, (self.fingerprints.changed(name, outcome) for outcome in batch)))
                await self._keep(batch, name)
                left -= len(batch)
                if left <= _LAST and following:
                    self._prepare(following)
                    following = ""
                if len(self.fresh) >= _AT_ONCE or time.monotonic() - self.cached_at > _CACHE_EVERY:
                    await self._remember()
        finally:
            result = await reader.result()
            self._notice(*reader.traffic.notices)
            self.retried += reader.traffic.retried
            del self.readers[name]
            self.tally.end_model(name)
        if isinstance(result, Exception):
            raise result
        if not self.halted and not self.spent and not isinstance(result, BaseException):
            fault = result or Fault("malformed", f"{name} gave no answer to this request.")
            left = [request.key for request in requests if request.key in self.waiting]
            await self._keep_all((failed(key, fault) for key in left), name)

    def _prepare(self, name: str) -> None:
        model = self.models[name]
        if isinstance(model, Preparing) and self._requests(name):
            model.prepare()

    def _requests(self, name: str) -> list[Request]:
        """What is left to ask of a model, each key once."""
        cells = [cell for cell in self.cells if self.model_of[cell.column] == name and cell.key in self.waiting]
        requests: dict[str, Request] = {}
        for cell in in_order(cells, self.models[name]):
            if cell.request is not None:
                requests[cell.key] = cell.request
        return list(requests.values())

    async def _keep_all(self, outcomes: Iterable[Outcome], model: str = "") -> None:
        rest = iter(outcomes)
        while some := list(islice(rest, _AT_ONCE)):
            await self._keep(some, model)

    async def _keep(self, outcomes: Sequence[Outcome], model: str = "") -> None:
        """Journal outcomes for all cells that wait for them, then tell.

        Args:
            outcomes: What came; one that no cell waits for is dropped.
            model: The model that gave them just now, or "": only its own cells share in a fault.
        """
        done = [
            CellDone(cell.column, cell.example, cell.trial, share)
            for outcome in outcomes
            for cell, share in self._shares(outcome, model)
        ]
        if not done:
            return
        lines = [JournalLine(one.column, one.example, one.trial, one.outcome, time.time()) for one in done]
        await asyncio.to_thread(self.journal.append, lines)
        for one in done:
            self.tally.add(self.model_of[one.column], one.outcome)
        if model:
            self.tally.answered(len(done))
        self.events.put_nowait(done)

    def _shares(self, outcome: Outcome, model: str) -> list[tuple[Cell, Outcome]]:
        """The waiting cells that an outcome is for. All but the first have it for nothing."""
        cells = self.waiting.pop(outcome.key, [])
        if outcome.fault is not None:
            others = [cell for cell in cells if model and self.model_of[cell.column] != model]
            if others:
                self.waiting[outcome.key] = others
            return [(cell, outcome) for cell in cells if not model or self.model_of[cell.column] == model]
        copy = msgspec.structs.replace(outcome, cached=True) if len(cells) > 1 else outcome
        return [(cell, copy if index else outcome) for index, cell in enumerate(cells)]

    def _hear(self, name: str, news: Written) -> None:
        """A model tells how far it is."""
        if news.died:
            self.events.put_nowait((ModelDied(name, news.died),))
        self.tally.worked(news.tokens)
        self.told = -1
        texts = [
            CellText(cell.column, cell.example, cell.trial, text)
            for key, text in news.texts
            for cell in self.waiting.get(key, ())
        ]
        if texts:
            self.events.put_nowait(texts)

    async def _remember(self) -> None:
        """Put fresh answers into the cache."""
        fresh, self.fresh = self.fresh, []
        if fresh:
            await asyncio.to_thread(self.cache.put_many, fresh)
        self.cached_at = time.monotonic()

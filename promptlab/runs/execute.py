"""Run a plan: take over what is known, ask the models for the rest, and tell what happens as it happens.

Each outcome is in the journal before anybody hears of it. The work is done by a task of its own, so outcomes are
kept as they arrive however slowly the events are taken; files are read and written in threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Literal

import msgspec

from promptlab.errors import ModelFault, StorageFault
from promptlab.models.cache import Cache
from promptlab.models.values import FATAL_FAULTS, Fault, Model, Outcome, Preparing, Request, Watch, Written
from promptlab.runs.journal import Journal
from promptlab.runs.progress import Tally
from promptlab.runs.values import (
    Cell,
    CellDone,
    CellText,
    Ended,
    JournalLine,
    ModelDied,
    ModelLoading,
    Plan,
    Progress,
    RunEvent,
    Started,
)

PROGRESS_EVERY = 0.1
"""Seconds between two Progress events at least."""

_LAST = 16
"""Cells of a model that are left when the next one is made ready: it writes as many at once."""

_TURN = 0.004
"""Seconds after which a busy loop lets the event loop's other tasks run."""

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
) -> AsyncGenerator[RunEvent, None]:
    """Carry out a plan and yield what happens; the last event is ``Ended``.

    Known outcomes come first: those of the journal, then those of the cache. Then each model is asked in turn for
    what is left, every key once. A fault of one cell is its outcome; a fault of a whole model is the outcome of all
    cells it still had, and the next model has its turn. The journal is closed when this ends; models are left open.
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
    """
    run = _Execution(plan, models, cache, journal, use_cache, currencies or {}, part)
    worker = asyncio.create_task(run.work())
    helpers = [asyncio.create_task(run.halt_when(stop)), asyncio.create_task(run.tell_progress())]
    turn = _Turn()
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


class _Turn:
    """Lets the event loop's other tasks run, often enough and not at every step."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def take(self) -> None:
        if time.monotonic() - self._since > _TURN:
            await asyncio.sleep(0)
            self._since = time.monotonic()


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
        self.halted = False
        self.reader: asyncio.Task[Fault | None] | None = None

    def halt(self) -> None:
        """Stop asking; what arrived is still kept."""
        self.halted = True
        if self.reader is not None:
            self.reader.cancel()

    async def halt_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.halt()

    async def tell_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_EVERY)
            if self.tally.done != self.told:
                self.told = self.tally.done
                self.events.put_nowait((self.tally.progress(),))

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
            models = list(dict.fromkeys(self.model_of[cell.column] for cell in self.cells))
            for model, following in zip(models, [*models[1:], ""], strict=True):
                await self._ask(model, following)
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
        progress = self.tally.progress()
        state: Literal["complete", "partial", "cancelled"] = "partial"
        if not reason:
            reason = self.tally.failures()
            state = "complete"
            if progress.done < progress.total:
                state = "cancelled"
                reason = f"Stopped after {progress.done} of {progress.total} cells. {reason}".rstrip()
        return Ended(self.journal.run, state, progress, reason)

    async def _take_over(self) -> None:
        """Begin with what the journal has, and with the cells that cannot be asked at all."""
        known = await asyncio.to_thread(self.journal.outcomes)
        resumed: list[CellDone] = []
        turn = _Turn()
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
            _failed(cell.key, Fault("template", cell.problem))
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

    async def _ask(self, name: str, following: str) -> None:
        """Ask one model for what is left of its cells; towards the end, have the following one ready."""
        requests = self._requests(name)
        if not requests or self.halted:
            return
        self.tally.begin_model(name)
        self.events.put_nowait((ModelLoading(name),))
        left = len(requests)
        inbox: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self.reader = asyncio.create_task(_read(self.models[name], requests, inbox, partial(self._hear, name)))
        # As a callback, since a task that is cancelled before its first step runs none of its own code.
        self.reader.add_done_callback(lambda _: inbox.put_nowait(None))
        try:
            while batch := await _arrived(inbox):
                self.fresh.extend(outcome for outcome in batch if outcome.fault is None)
                await self._keep(batch, name)
                left -= len(batch)
                if left <= _LAST and following:
                    self._prepare(following)
                    following = ""
                if len(self.fresh) >= _AT_ONCE or time.monotonic() - self.cached_at > _CACHE_EVERY:
                    await self._remember()
        finally:
            self.reader.cancel()
            (result,) = await asyncio.gather(self.reader, return_exceptions=True)
        if isinstance(result, Exception):
            raise result
        if not self.halted and not isinstance(result, BaseException):
            fault = result or Fault("malformed", f"{name} gave no answer to this request.")
            left = [request.key for request in requests if request.key in self.waiting]
            await self._keep_all((_failed(key, fault) for key in left), name)

    def _prepare(self, name: str) -> None:
        model = self.models[name]
        if isinstance(model, Preparing) and self._requests(name):
            model.prepare()

    def _requests(self, name: str) -> list[Request]:
        """What is left to ask of a model, each key once, in the plan's order."""
        requests: dict[str, Request] = {}
        for cell in self.cells:
            if cell.request is not None and cell.key in self.waiting and self.model_of[cell.column] == name:
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
        at = time.time()
        lines = [JournalLine(one.column, one.example, one.trial, one.outcome, at) for one in done]
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


async def _read(
    model: Model, requests: Sequence[Request], inbox: asyncio.Queue[Outcome | None], watch: Watch
) -> Fault | None:
    """Move what a model gives into the inbox until it ends; the fault that ended it for good, if one did."""
    try:
        streaming = model.capabilities.streaming
        return await _drain(model.generate(requests, watch) if streaming else model.generate(requests), inbox)
    except ModelFault as fault:
        return Fault("unavailable", str(fault))


async def _drain(stream: AsyncIterator[Outcome], inbox: asyncio.Queue[Outcome | None]) -> Fault | None:
    turn = _Turn()
    try:
        async for outcome in stream:
            inbox.put_nowait(_storable(outcome))
            if outcome.fault is not None and outcome.fault.kind in FATAL_FAULTS:
                return outcome.fault
            await turn.take()
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
    return None


async def _arrived(inbox: asyncio.Queue[Outcome | None]) -> list[Outcome]:
    """What arrived since the last time, at least one and not too many; empty when nothing more will come."""
    outcome = await inbox.get()
    batch: list[Outcome] = []
    while outcome is not None:
        batch.append(outcome)
        if inbox.empty() or len(batch) == _AT_ONCE:
            return batch
        outcome = inbox.get_nowait()
    if batch:
        inbox.put_nowait(None)  # The end, for the next time.
    return batch


def _failed(key: str, fault: Fault) -> Outcome:
    return Outcome(key, finish="error", fault=fault)


def _storable(outcome: Outcome) -> Outcome:
    """An outcome that can be written as UTF-8: some endpoints cut an emoji in half at the token limit."""
    try:
        msgspec.json.encode(outcome)
    except UnicodeEncodeError:
        fault = outcome.fault and Fault(outcome.fault.kind, _whole(outcome.fault.message))
        return msgspec.structs.replace(
            outcome, text=_whole(outcome.text), fingerprint=_whole(outcome.fingerprint), fault=fault
        )
    return outcome


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()

"""Asking one model of a run: reading its answers, and ending it early without losing what is under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import overload

import msgspec

from promptlab.errors import ModelFault
from promptlab.models.values import FATAL_FAULTS, Fault, Model, Outcome, Paced, Request, Traffic, Watch
from promptlab.runs.values import Cell

_TURN = 0.004
"""Seconds after which a busy loop lets the event loop's other tasks run."""

_DRAINED = 0.02
"""Seconds between two looks at whether the last request has come back."""


class Turn:
    """Lets the event loop's other tasks run, often enough and not at every step."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def take(self) -> None:
        if time.monotonic() - self._since > _TURN:
            await asyncio.sleep(0)
            self._since = time.monotonic()


class Reader:
    """A model that is being asked. Its outcomes go into ``inbox`` as they come; None behind the last one."""

    def __init__(
        self,
        model: Model,
        requests: Sequence[Request],
        heard: Callable[[Outcome], None],
        watch: Watch | None = None,
    ) -> None:
        """``heard`` is told of every outcome at the moment it comes, ``watch`` of answers while they are written."""
        self.model = model
        self.inbox: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._heard = heard
        self._watch = watch
        self._count = 0
        self._held: int | None = None
        self._task = asyncio.create_task(self._read(requests))
        # As a callback, since a task that is cancelled before its first step runs none of its own code.
        self._task.add_done_callback(lambda _: self.inbox.put_nowait(None))
        self._drain: asyncio.Task[None] | None = None
        self._paced = model if isinstance(model, Paced) else None  # asked once: it takes longer than what follows
        self._before = self._paced.traffic.retried if self._paced else 0

    @property
    def in_flight(self) -> int:
        """Requests under way at the model's endpoint."""
        return self._paced.traffic.in_flight if self._paced is not None else 0

    @property
    def traffic(self) -> Traffic:
        """What goes on at the model's endpoint, with the retries of this run alone."""
        if self._paced is None:
            return Traffic()
        found = self._paced.traffic
        return msgspec.structs.replace(found, retried=found.retried - self._before)

    def cancel(self) -> None:
        """Give up what is under way."""
        self._task.cancel()

    def hold(self, most: int | None) -> None:
        """Have at most so many requests in flight at an endpoint; None: as many as it takes."""
        if self._paced is not None and self._drain is None and most != self._held:
            self._paced.hold(most)
            self._held = most

    def end(self) -> None:
        """Ask nothing further; what an endpoint has under way still comes to its end. A local model is cancelled."""
        if self._paced is None:
            self.cancel()
        elif self._drain is None:
            self._paced.hold(0)
            self._drain = asyncio.create_task(self._drained(self._paced))

    async def _drained(self, model: Paced) -> None:
        quiet = 0
        while quiet < 2:  # once is not enough: the last answers may have come, and not been read yet
            heard = self._count
            await asyncio.sleep(_DRAINED)
            quiet = 0 if model.traffic.in_flight or self._count > heard else quiet + 1
        self.cancel()

    async def result(self) -> Fault | BaseException | None:
        """Once the inbox has ended: the fault that ended the model for good, what broke it, or None."""
        self.cancel()
        if self._drain is not None:
            self._drain.cancel()
            await asyncio.gather(self._drain, return_exceptions=True)
        (found,) = await asyncio.gather(self._task, return_exceptions=True)
        if self._paced is not None and (self._drain is not None or self._held is not None):
            self._paced.hold(None)
        return found

    async def _read(self, requests: Sequence[Request]) -> Fault | None:
        try:
            watched = self._watch is not None and self.model.capabilities.streaming
            generate = self.model.generate
            return await self._listen(generate(requests, self._watch) if watched else generate(requests))
        except ModelFault as fault:
            return Fault("unavailable", str(fault))

    async def _listen(self, stream: AsyncIterator[Outcome]) -> Fault | None:
        turn = Turn()
        try:
            async for outcome in stream:
                self._count += 1
                outcome = storable(outcome)
                self._heard(outcome)
                self.inbox.put_nowait(outcome)
                if outcome.fault is not None and outcome.fault.kind in FATAL_FAULTS:
                    return outcome.fault
                await turn.take()
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()
        return None


class Requests(Sequence[Request]):
    """The requests of cells that have one, each made when it is looked at, and held by nobody here."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells

    def __len__(self) -> int:
        return len(self._cells)

    @overload
    def __getitem__(self, index: int) -> Request: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Request]: ...

    def __getitem__(self, index: int | slice) -> Request | Sequence[Request]:
        if isinstance(index, slice):
            return Requests(self._cells[index])
        request = self._cells[index].request
        assert request is not None, "only of cells that have one"
        return request


async def requests_of(cells: Sequence[Cell], model: Model) -> Sequence[Request]:
    """The requests of cells that have one, as the model looks at them: one after the other, or all at once.

    Those that are needed all at once are made here, with turns for other tasks in between.
    """
    requests = Requests(cells)
    if isinstance(model, Paced) and model.traffic.samples == 1:
        return requests
    made: list[Request] = []
    turn = Turn()
    for request in requests:
        made.append(request)
        await turn.take()
    return made


async def arrived(inbox: asyncio.Queue[Outcome | None], most: int) -> list[Outcome]:
    """What arrived since the last time, at least one and not too many; empty when nothing more will come."""
    outcome = await inbox.get()
    batch: list[Outcome] = []
    while outcome is not None:
        batch.append(outcome)
        if inbox.empty() or len(batch) == most:
            return batch
        outcome = inbox.get_nowait()
    if batch:
        inbox.put_nowait(None)  # The end, for the next time.
    return batch


def in_order(columns: Sequence[Sequence[int]], model: Model) -> Iterator[int]:
    """The order in which a model is asked for the cells of columns, by their numbers.

    A local one reads what the prompts of a column have in common once: column by column. An endpoint is asked in
    turn for each column, so that the grid fills evenly.
    """
    if not model.capabilities.elsewhere:
        return chain.from_iterable(columns)
    return (number for number in chain.from_iterable(zip_longest(*columns)) if number is not None)


class Fingerprints:
    """Notes when a model says in the middle of a run that it is another build than before."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def changed(self, model: str, outcome: Outcome) -> str:
        """The sentence for a fingerprint that is not the one before, or ""."""
        now = outcome.fingerprint
        if not now or outcome.fault is not None:
            return ""
        before = self._seen.get(model, now)
        self._seen[model] = now
        if before == now:
            return ""
        return (
            f"{model}: the endpoint changed its build during the run (system_fingerprint {before}, now {now}): "
            "answers before and after are of two models."
        )


async def fitting(fits: Callable[[str], bool], keys: Iterable[str], most: int) -> AsyncGenerator[list[str], None]:
    """The keys that fit, not too many at a time, with turns for other tasks: they may be few of very many."""
    some: list[str] = []
    turn = Turn()
    for key in keys:
        await turn.take()
        if fits(key):
            some.append(key)
        if len(some) == most:
            yield some
            some = []
    if some:
        yield some


def failed(key: str, fault: Fault) -> Outcome:
    """The outcome of a request that has no answer."""
    return Outcome(key, finish="error", fault=fault)


def storable(outcome: Outcome) -> Outcome:
    """An outcome that can be written as UTF-8: some endpoints cut an emoji in half at the token limit."""
    try:
        msgspec.json.encode(outcome)
    except UnicodeEncodeError:
        fault = outcome.fault and Fault(outcome.fault.kind, _whole(outcome.fault.message))
        texts: Mapping[str, str] = {
            name: _whole(getattr(outcome, name)) for name in ("text", "fingerprint", "reasoning")
        }
        return msgspec.structs.replace(outcome, fault=fault, **texts)
    return outcome


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()

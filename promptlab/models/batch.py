"""The requests of one call to an endpoint that are open together: what waits, what is under way, what came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeVar, cast

from promptlab.models.drafts import Draft, Drafts
from promptlab.models.values import Fault, Outcome, Request, Watch

_A = TypeVar("_A")
_W = TypeVar("_W")


class Batch(Generic[_A]):
    """One ``generate`` or ``embed``.

    Attributes:
        answers: What came, in the order in which it came; an exception for whoever waits to raise.
        fatal: What every request gets that was not under way when it came, or None.
    """

    def __init__(self) -> None:
        self.answers: asyncio.Queue[_A | Exception] = asyncio.Queue()
        self.fatal: Fault | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Do some work of this batch; whoever waits for its answers hears of an error in it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.answers.put_nowait(error)

    async def next(self) -> _A:
        """The next answer, as soon as there is one."""
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def idle(self, waiting: Coroutine[object, None, _W]) -> _W | None:
        """Wait for something without a request under way; None once there is nothing to wait for any more."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        if self.fatal is not None:
            waiting.close()
            return None
        self._idle.add(task)
        try:
            return await waiting
        except asyncio.CancelledError:
            if self.fatal is None or task.cancelling() > 1:
                raise
            task.uncancel()
            return None
        finally:
            self._idle.discard(task)

    def stop(self, fault: Fault) -> None:
        """Let nothing more be sent; the first fault counts."""
        if self.fatal is None:
            self.fatal = fault
            for task in self._idle:
                task.cancel()

    async def cancel(self) -> None:
        """Give up what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Answers(Batch[Outcome]):
    """The requests of one ``generate``. Who watches hears of their answers while they are written."""

    def __init__(self, watch: Watch | None, hidden: Callable[[str], str]) -> None:
        """``hidden`` takes out of a text what nobody may see."""
        super().__init__()
        self._drafts = Drafts(watch, hidden) if watch is not None else None

    def draft(self, key: str) -> AbstractContextManager[Draft]:
        """A draft of the answer of this key; who watches hears of it while this lasts."""
        return self._drafts.of(key) if self._drafts is not None else nullcontext(Draft())

    def fail(self, requests: Sequence[Request], fault: Fault | None) -> None:
        """These have no answer."""
        for request in requests:
            self.answers.put_nowait(Outcome(key=request.key, finish="error", fault=fault))

    async def cancel(self) -> None:
        await super().cancel()
        if self._drafts is not None:
            self._drafts.close()

"""The requests of one call to an endpoint that are open together: what waits, what is under way, what came."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Generic, TypeVar, cast

from promptlab.models.values import Fault

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

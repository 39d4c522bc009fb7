"""Work off the screen's own thread, without holding up the exit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

THREAD = "in_thread"
"""The name of each thread that works for the screens."""


async def in_thread(work: Callable[[], Result]) -> Result:
    """Do something slow in a thread of its own and wait for it; what it raises is raised here.

    A daemon thread: a pool's threads would keep the program alive until the last of them is done, and git on a
    big repository may take a while.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def give(result: Result | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # pyright: ignore[reportArgumentType]  # None is then what work gave

    def body() -> None:
        result: Result | None = None
        error: BaseException | None = None
        try:
            result = work()
        except BaseException as fault:
            error = fault
        try:
            loop.call_soon_threadsafe(give, result, error)
        except RuntimeError:
            return  # The program has ended meanwhile: nobody waits for the result.

    threading.Thread(target=body, name=THREAD, daemon=True).start()
    return await done


class Seldom:
    """Does something in a moment, once for all that asked for it until then."""

    def __init__(self, do: Callable[[], None], seconds: float) -> None:
        self._do = do
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        """Ask for it."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._now)

    def _now(self) -> None:
        self._timer = None
        self._do()

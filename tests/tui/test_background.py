from __future__ import annotations

import asyncio
import threading

import pytest

from promptlab.tui.background import Seldom, in_thread


async def test_results_and_faults_come_back() -> None:
    assert await in_thread(lambda: threading.current_thread() is threading.main_thread()) is False
    assert await in_thread(lambda: None) is None
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


async def test_nobody_waits_for_a_cancelled_one() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        go_on.wait(5)
        return 1

    task = asyncio.create_task(in_thread(slow))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await asyncio.sleep(0.05)


def test_the_threads_do_not_keep_the_program() -> None:
    release = threading.Event()

    async def leave() -> None:
        task = asyncio.create_task(in_thread(lambda: release.wait(5)))
        await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(leave())
    assert all(t.daemon for t in threading.enumerate() if t is not threading.main_thread())
    release.set()


async def test_what_is_asked_for_often_is_done_once_in_a_while_and_the_last_asking_counts() -> None:
    asked, seen = 0, list[int]()
    seldom = Seldom(lambda: seen.append(asked), 0.01)
    for rounds in (1, 2):
        for _ in range(1000):
            asked += 1
            seldom()
        assert len(seen) == rounds - 1
        await asyncio.sleep(0.02)
        assert seen[-1] == 1000 * rounds

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from promptlab.models.limit import START
from promptlab.models.pace import Pace, pace_of


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def rounds(pace: Pace, clock: Clock, count: int, takes: Callable[[int], float] = lambda _: 0.05) -> None:
    """Full round trips: as many requests as allowed, one more waiting, all answered."""
    for _ in range(count):
        slots = [await pace.acquire() for _ in range(pace.limit - pace.in_flight)]
        waiting = asyncio.create_task(pace.acquire())
        await asyncio.sleep(0)
        clock.now += takes(pace.limit)
        for slot in slots:
            pace.release(slot, "answered")
        pace.release(await waiting, "other")


async def test_it_starts_at_twenty_and_grows_by_half_a_round_trip_while_calm() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    seen: list[int] = []
    for _ in range(4):
        seen.append(pace.limit)
        await rounds(pace, clock, 1)
    assert seen == [START, 30, 45, 67]


async def test_it_does_not_grow_while_nobody_waits() -> None:
    pace = Pace()
    for _ in range(100):
        pace.release(await pace.acquire(), "answered")
    assert pace.limit == START


async def test_an_episode_of_refusals_is_one_cut_of_a_fifth() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    slots = [await pace.acquire() for _ in range(20)]
    clock.now = 0.1
    for slot in slots[:10]:
        pace.release(slot, "limited")
    late = await pace.acquire()  # the server has not felt the cut yet
    clock.now = 0.15
    pace.release(late, "limited")
    assert (pace.limit, pace.cuts) == (16, 1)
    for slot in slots[10:]:
        pace.release(slot, "other")
    clock.now = 0.3
    another = await pace.acquire()
    pace.release(another, "limited")
    assert (pace.limit, pace.cuts) == (12, 2)


async def test_trouble_of_the_server_stops_growth_for_a_while() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.release(await pace.acquire(), "trouble")
    await rounds(pace, clock, 3)
    assert pace.limit == START
    clock.now += 6
    await rounds(pace, clock, 1)
    assert pace.limit == 30


async def test_a_server_that_only_queues_is_not_sent_ever_more() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    await rounds(pace, clock, 30, lambda limit: 0.05 * max(1.0, limit / 25))  # it works on 25 at once
    assert 45 <= pace.limit <= 80


async def test_retry_after_stops_everybody() -> None:
    pace = Pace()
    pace.release(await pace.acquire(), "limited", 0.05)
    begin = asyncio.get_running_loop().time()
    slot = await pace.acquire()
    assert asyncio.get_running_loop().time() - begin >= 0.045
    pace.release(slot, "answered")


async def test_it_can_be_held_and_let_go_while_it_runs() -> None:
    pace = Pace()
    pace.hold(0)
    waiting = asyncio.create_task(pace.acquire())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    pace.hold(1)
    pace.release(await waiting, "answered")
    pace.hold(None)
    assert pace.limit == START


async def test_who_gives_up_waiting_takes_no_slot_along() -> None:
    pace = Pace(1)
    slot = await pace.acquire()
    first, second = (asyncio.create_task(pace.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    pace.release(slot, "answered")
    first.cancel()  # it has its slot already
    pace.release(await second, "answered")
    with pytest.raises(asyncio.CancelledError):
        await first
    assert pace.in_flight == 0


async def test_one_that_is_beyond_the_limit_goes_where_nothing_was_refused_lately_and_is_not_replaced() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    slots = [await pace.acquire() for _ in range(20)]
    clock.now = 0.1
    pace.release(slots.pop(), "limited")  # the limit is below 20
    while slots:
        pace.release(slots.pop(), "answered")
    await rounds(pace, clock, 2, lambda _: 0.1)
    assert pace.limit == 19
    clock.now += 0.2
    slots = [await pace.acquire() for _ in range(20)]
    assert [slot.scout for slot in slots] == [False] * 19 + [True]
    waiting = asyncio.create_task(pace.acquire())
    await asyncio.sleep(0)
    pace.release(slots.pop(0), "answered")
    await asyncio.sleep(0)
    assert not waiting.done()
    pace.release(slots.pop(0), "answered")
    await waiting
    clock.now += 0.1
    pace.release(slots.pop(), "answered")  # the scout
    assert pace.limit == 20


async def test_a_scout_that_is_given_up_lets_another_one_go() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    slots = [await pace.acquire() for _ in range(20)]
    clock.now = 0.1
    pace.release(slots[0], "limited")
    for slot in slots[1:]:
        pace.release(slot, "other")
    await rounds(pace, clock, 2, lambda _: 0.1)
    clock.now += 0.2
    for _ in range(2):
        slots = [await pace.acquire() for _ in range(20)]
        assert slots[-1].scout
        for slot in slots:
            pace.release(slot, "other")


def test_models_at_one_address_with_one_key_share_their_pace() -> None:
    one = pace_of("http://127.0.0.1:1/v1", "sk-1", None)
    assert pace_of("http://127.0.0.1:1/v1", "sk-1", None) is one
    assert pace_of("http://127.0.0.1:1/v1", "sk-2", None) is not one
    assert "sk-1" not in repr(vars(one))

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.models.pace import MOST, START, Pace, Slot, pace_of


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


async def test_after_a_cut_it_comes_back_to_just_below_where_it_was_refused_and_then_goes_slowly() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    await rounds(pace, clock, 4)
    slot = await pace.acquire()
    at = pace.limit
    clock.now += 0.05
    pace.release(slot, "limited")
    assert pace.limit == int(at * 0.8)
    clock.now += 0.1
    await rounds(pace, clock, 3)
    assert 0.93 * at <= pace.limit <= 0.97 * at
    await rounds(pace, clock, 8)
    assert pace.limit <= at


async def simulated(cells: int, most: int, latency: float) -> tuple[float, int]:
    """Answers a second of a server that refuses what is beyond ``most`` at once, by its own clock; and refusals."""
    clock = Clock()
    pace = Pace(clock=clock)
    ends: list[tuple[float, int, asyncio.Future[None]]] = []
    counts = {"there": 0, "asked": 0, "refused": 0}

    async def ask(slot: Slot) -> None:
        while True:
            counts["there"] += 1
            counts["asked"] += 1
            refused = counts["there"] > most
            done = asyncio.get_running_loop().create_future()
            heapq.heappush(ends, (clock.now + latency, counts["asked"], done))
            await done
            counts["there"] -= 1
            pace.release(slot, "limited" if refused else "answered")
            if not refused:
                return
            counts["refused"] += 1
            slot = await pace.acquire()

    async def send() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(cells):
                group.create_task(ask(await pace.acquire()))

    sender = asyncio.create_task(send())
    while not sender.done():
        for _ in range(4):
            await asyncio.sleep(0)
        if ends:
            clock.now, _, done = heapq.heappop(ends)
            done.set_result(None)
    await sender
    return cells / clock.now, counts["refused"]


@pytest.mark.parametrize(("most", "latency"), [(100, 0.05), (35, 0.3), (300, 0.5)])
async def test_nine_tenths_of_what_a_limit_allows_is_found(most: int, latency: float) -> None:
    cells = 100 * most
    rate, refused = await simulated(cells, most, latency)
    assert rate >= 0.9 * most / latency
    assert refused <= 0.08 * cells


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


@given(st.lists(st.sampled_from(["answered", "limited", "trouble", "other"]), max_size=200), st.integers(1, 60))
def test_the_limit_stays_within_its_bounds(ends: list[str], most: int) -> None:
    async def main() -> None:
        clock = Clock()
        pace = Pace(most, clock)
        for end in ends:
            slots = [await pace.acquire() for _ in range(pace.limit)]
            waiting = asyncio.create_task(pace.acquire())
            await asyncio.sleep(0)
            clock.now += 0.1
            for slot in slots:
                pace.release(slot, end)  # type: ignore[arg-type]
            pace.release(await waiting, "other")
            assert 1 <= pace.limit <= min(most, MOST)
            assert pace.in_flight == 0

    asyncio.run(main())


def test_models_at_one_address_with_one_key_share_their_pace() -> None:
    one = pace_of("http://127.0.0.1:1/v1", "sk-1", None)
    assert pace_of("http://127.0.0.1:1/v1", "sk-1", None) is one
    assert pace_of("http://127.0.0.1:1/v1", "sk-2", None) is not one
    assert "sk-1" not in repr(vars(one))

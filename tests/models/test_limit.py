"""The limit against simulated endpoints, by a clock of their own."""

from __future__ import annotations

import heapq
import random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.models.limit import CUT, MOST, START, Limit, Slot

Kind = Literal["counts", "at once", "at the end"]
"""How an endpoint refuses what is too much: what is refused takes its time as well and counts as there; it is told at
once; or it is judged when its time has come, by how many are there then."""


class Simulated:
    """An endpoint that works on ``most`` requests at once.

    Attributes:
        now: Its seconds.
        answered, refused: How many requests were.
    """

    def __init__(self, limit: Limit, most: int, latency: float = 0.05, kind: Kind = "counts", jitter: float = 0.0):
        self.limit, self.most, self.latency, self.kind, self.jitter = limit, most, latency, kind, jitter
        self.now, self.answered, self.refused = 0.0, 0, 0
        self._there = 0
        self._chance = random.Random(1)
        self._ends: list[tuple[float, int, Slot, bool]] = []

    def answer(self, cells: int) -> float:
        """Have so many answered, as many at once as the limit lets; the share that is of what is allowed."""
        begin, left, end = self.now, cells, self.answered + cells
        while self.answered < end:
            while left and self.limit.takes(len(self._ends), self.now):
                left -= 1
                self._send()
            left += self._come(short=left > 0)
        return cells * self.latency * (1 + self.jitter / 2) / (self.now - begin) / self.most

    def _send(self) -> None:
        slot = self.limit.slot(len(self._ends) + 1, self.now)
        self._there += 1
        refused = self._there > self.most and self.kind != "at the end"
        takes = self.latency * (1 + self.jitter * self._chance.random())
        if refused and self.kind == "at once":
            takes = 0.002
            self._there -= 1
        heapq.heappush(self._ends, (self.now + takes, self.answered + self.refused + len(self._ends), slot, refused))

    def _come(self, short: bool) -> bool:
        """The next one comes back; True if it was refused, and has to be sent again."""
        self.now, _, slot, refused = heapq.heappop(self._ends)
        if not (refused and self.kind == "at once"):
            self._there -= 1
        refused = refused or (self.kind == "at the end" and self._there >= self.most)
        if refused:
            self.refused += 1
            self.limit.refused(slot, self.now)
        else:
            self.answered += 1
            self.limit.answered(slot, self.now, short)
        self.limit.back(slot)
        return refused


kinds = st.sampled_from(["counts", "at once", "at the end"])


@settings(max_examples=25)
@given(st.integers(20, 200), st.sampled_from([0.01, 0.5, 8.0]), kinds, st.sampled_from([0.0, 0.1, 0.5]))
def test_nine_tenths_of_what_an_endpoint_allows_are_found(
    most: int, latency: float, kind: Kind, jitter: float
) -> None:
    server = Simulated(Limit(MOST), most, latency, kind, jitter)
    assert server.answer(100 * most) >= 0.9
    assert server.refused <= 0.05 * server.answered


@given(st.integers(3, 19), kinds)
def test_less_than_it_begins_with_is_found_too(most: int, kind: Kind) -> None:
    server = Simulated(Limit(MOST), most, kind=kind)
    server.answer(50 * most)
    assert server.answer(100 * most) >= 0.9


@pytest.mark.parametrize(("before", "after"), [(40, 100), (100, 40)])
def test_a_limit_that_moves_is_found_again(before: int, after: int) -> None:
    server = Simulated(Limit(MOST), before)
    server.answer(60 * before)
    server.most = after
    server.answer(100 * after)
    assert server.answer(50 * after) >= 0.93


def test_at_rest_it_is_just_below_what_was_refused_and_scouts_cost_one_request_each() -> None:
    server = Simulated(Limit(MOST), 100)
    server.answer(2_000)
    refused = server.refused
    assert server.answer(20_000) >= 0.99
    assert int(server.limit.found) == 100
    assert server.limit.cuts == 1
    assert server.refused - refused <= 8  # after 2, 4, 8 … 64, 64 round trips


def test_a_refusal_cuts_a_fifth_of_what_was_in_flight_when_it_was_sent_once_an_episode() -> None:
    limit = Limit(MOST)
    slots = [limit.slot(among, 0.0) for among in range(1, 41)]
    for slot in slots[:20]:
        limit.answered(slot, 0.05, short=True)
    assert limit.found == 30
    limit.refused(slots[28], 0.1)
    assert (limit.found, limit.cuts) == (29 * CUT, 1)
    limit.refused(slots[29], 0.1)
    limit.refused(limit.slot(23, 0.15), 0.2)  # sent before the server can have felt the cut
    assert limit.cuts == 1
    limit.refused(limit.slot(23, 0.25), 0.3)
    assert limit.cuts == 2


def test_a_limit_that_a_scout_raised_in_vain_is_back_at_what_it_was_without_a_cut() -> None:
    server = Simulated(Limit(MOST), 100)
    server.answer(2_000)
    limit, now = server.limit, server.now + 10.0
    scout = limit.slot(101, now)
    assert scout.scout
    limit.answered(scout, now + 0.05, short=True)
    limit.back(scout)
    assert limit.found > 100
    limit.refused(limit.slot(101, now + 0.1), now + 0.15)
    assert (limit.found, limit.cuts) == (100, 1)
    limit.refused(limit.slot(100, now + 0.16), now + 0.21)  # sent before that could be felt
    assert (limit.found, limit.cuts) == (100, 1)
    limit.refused(limit.slot(100, now + 0.3), now + 0.35)
    assert (limit.found, limit.cuts) == (100 * CUT, 2)


@given(st.lists(st.tuples(st.sampled_from("artn"), st.integers(1, 40)), max_size=150), st.integers(1, 60))
def test_whatever_happens_it_stays_within_its_bounds_with_one_scout_at_a_time(
    ends: list[tuple[str, int]], most: int
) -> None:
    limit, now, open_ = Limit(most), 0.0, list[Slot]()
    for end, count in ends:
        while limit.takes(len(open_), now):
            open_.append(limit.slot(len(open_) + 1, now))
        assert 1 <= limit.found <= most
        assert sum(slot.scout for slot in open_) <= 1
        now += 0.05
        for slot in open_[:count]:
            match end:
                case "a":
                    limit.answered(slot, now, short=True)
                case "r":
                    limit.refused(slot, now)
                case "t":
                    limit.troubled(now)
                case _:
                    pass
            limit.back(slot)
        del open_[:count]


def test_it_begins_low() -> None:
    assert Limit(MOST).found == START
    assert Limit(7).found == 7

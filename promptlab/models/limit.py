"""How many requests an endpoint takes at once, as far as its answers have shown.

The limit starts low and grows by half in every round trip while all is calm. A refusal for sending too much (429)
begins an *episode*: the limit is cut once, by a fifth of what was in flight when the refused request was sent, and
further refusals of requests that were already under way cut nothing more. Within a round trip it is then back at one
below the number that was refused, and stays: at the limit of an endpoint that refuses, every step too far costs the
answers of a whole round trip. Whether more is taken is found out by a *scout*, one request beyond the limit with
nobody put in the place of the next one that comes back. A scout that is answered raises the limit, by more each
time; one that is refused has cost one request, and the next one waits twice as long. Where a limit that was raised
is refused after all, it is back at what it was before, without a cut: that much is known to be taken.

Trouble of the server's own (5xx, a broken connection) stops growth above where it started for some seconds. So does a
round trip that takes twice as long as it did at first: the server queues, more would only wait.

Neither waits nor reads a clock: see :mod:`promptlab.models.pace`.
"""

from __future__ import annotations

from math import inf

from msgspec import Struct

START = 20
MOST = 1000
"""Requests at once that are never exceeded, unless the entry says another number."""
LEAST = 1.0
CUT = 0.8
CALM = 5.0
"""Seconds without growth beyond ``START`` after trouble of the server's own."""

_GROWTH = 0.5
"""For every answer, while nothing was refused."""
_RETURN = 0.25
"""For every answer, from a cut back to where it rests."""
_ROUND_TRIP = 1.6
"""Factor by which the limit grows in one round trip at most, and a little more."""
_SLOWER = 2.0
_WINDOW = 20
"""Answers over which a round trip is measured."""
_PATIENCE = 2.0
"""Round trips from a refusal to the next scout; twice as many after each further one, up to ``_LONGEST``."""
_LONGEST = 64.0
_LOWER = 0.95
"""Of what was refused, where even the limit's resting place was too much: somebody else uses the endpoint, too."""
_DOUBTFUL = 1.25
"""An answer to one of so many more than was refused speaks against the limit being there; less may be chance."""
_BELIEVED = 5
"""Answers that speak against where a limit was met, beyond the refusals that speak for it, before it is believed."""
_ELSEWHERE = 1.05
"""A limit so far above what was refused is another one."""


class Slot(Struct, frozen=True, gc=False):
    """The right to have one request in flight.

    Attributes:
        sent: When it was given, in seconds of a monotonic clock.
        among: How many were in flight then, itself included.
        scout: It is one beyond the limit.
    """

    sent: float
    among: int
    scout: bool = False


class Limit:
    """The limit of one endpoint and key.

    Attributes:
        found: The limit; requests are whole, so its whole part counts.
        cuts: Episodes of refusals so far.
    """

    def __init__(self, most: int) -> None:
        """``most`` is never exceeded."""
        self.found = float(min(START, most))
        self.cuts = 0
        self._most = most
        self._refused_at = inf
        self._rest = inf
        self._likely = 0.0
        self._believed = 0
        self._episode_until = -inf
        self._calm_from = 0.0
        self._scouting = False
        self._in_vain = False
        self._raised = False  # by a scout, since the last refusal
        self._before = inf  # what the limit was until that scout was answered
        self._scout_from = 0.0
        self._patience = _PATIENCE
        self._step = 1
        self._round_trip: float | None = None
        self._first: float | None = None
        self._sum, self._count = 0.0, 0

    def allow(self, most: int) -> None:
        """Never exceed this from now on, if it is more than before."""
        self._most = max(self._most, most)

    def takes(self, in_flight: int, now: float) -> bool:
        """Whether one more may be sent beside those in flight."""
        whole = int(self.found)
        return in_flight < whole or (in_flight == whole and self._may_scout(now))

    def slot(self, among: int, now: float) -> Slot:
        """The slot of a request that is sent now as one ``among`` so many."""
        # After a cut many are still in flight: only at rest one that is beyond the limit is a scout.
        scout = among == int(self.found) + 1 and self._may_scout(now)
        if scout:
            self._scouting, self._in_vain = True, False
        return Slot(now, among, scout)

    def back(self, slot: Slot) -> None:
        """A slot is given back; what its request showed was told before."""
        if slot.scout:
            self._scouting = False

    def answered(self, slot: Slot, now: float, short: bool) -> None:
        """Its request was answered; ``short`` when others had to wait for a slot meanwhile."""
        self._measure(now - slot.sent)
        if slot.sent <= self._episode_until and slot.among > _DOUBTFUL * self._refused_at:
            self._doubt(slot.among)
        if slot.scout:
            if not self._in_vain:
                self._raise(now)
        elif short and not self._held_back(now):
            step = _GROWTH if self._rest == inf else _RETURN
            self.found = max(self.found, min(self.found + step, self._rest, self._most))

    def refused(self, slot: Slot, now: float) -> None:
        """Its request was refused for being too much."""
        if slot.scout or self._scouting:  # beside a scout any other one may be the one too many
            if not self._in_vain:
                self._in_vain = True
                self._wait_longer(slot, now)
        elif slot.sent > self._episode_until:
            if self._raised and slot.among > self._before:
                self._step_back(slot, now)
            else:
                self._cut(slot, now)
        else:
            self._believed += 1
            if self._likely <= slot.among < self._refused_at:  # the lowest of an episode says where the limit is
                self._refused_at = slot.among
                self._rest = max(LEAST, min(self._rest, slot.among - 1))

    def troubled(self, now: float) -> None:
        """The server has trouble of its own."""
        self._calm_from = now + CALM

    def _cut(self, slot: Slot, now: float) -> None:
        """Begin an episode: sent before the server can feel this, nothing cuts again."""
        known = self._rest < inf
        at_rest = known and not self._raised and self.found >= self._rest
        self._episode_until = now + (now - slot.sent)
        self.cuts += 1
        self._believed = _BELIEVED
        # The limit went on growing while the refusal was under way. Where far fewer were in flight than it allowed,
        # they were not what was too much.
        self._likely = self.found / _ROUND_TRIP
        self._refused_at = slot.among if self._likely <= slot.among <= self.found else int(self.found)
        self._rest = max(LEAST, self._refused_at * _LOWER if at_rest else self._refused_at - 1)
        self._raised = False
        self.found = max(LEAST, self._refused_at * CUT)
        if known:
            self._wait_longer(slot, now)
        else:
            self._scout_from = now + self._patience * self._trip(slot, now)

    def _step_back(self, slot: Slot, now: float) -> None:
        """What a scout raised was too much: what was sent meanwhile cuts nothing, what is refused after that does."""
        self._episode_until = now + (now - slot.sent)
        self._believed = _BELIEVED
        self._likely, self._refused_at = self._before, int(self._before) + 1
        self.found = self._rest = self._before
        self._raised = False
        self._wait_longer(slot, now)

    def _doubt(self, among: int) -> None:
        """One among more than were refused was answered. Where most of them are, it was not their number.

        Some endpoints refuse what comes to its end while too many are there, however few there were when it came.
        """
        self._believed -= 1
        if self._believed < 0:
            self._refused_at = among + 1
            self._rest = float(among)
            self.found = max(self.found, min(self._refused_at * CUT, self._most))

    def _wait_longer(self, slot: Slot, now: float) -> None:
        self._step = 1
        self._patience = min(2 * self._patience, _LONGEST)
        self._scout_from = now + self._patience * self._trip(slot, now)

    def _raise(self, now: float) -> None:
        """A scout was answered."""
        whole, below = int(self.found), self._refused_at - 1
        self._raised, self._before = True, float(whole)
        if whole < below <= whole + self._step:  # from here on carefully
            self.found, self._step = below, 1
        else:
            self.found = whole + self._step
            self._step = min(2 * self._step, max(1, whole // 4))
        self.found = self._rest = float(min(self.found, self._most))
        self._scout_from = now + (self._round_trip or 0.0)
        if self.found > _ELSEWHERE * self._refused_at:
            self._patience = _PATIENCE

    def _may_scout(self, now: float) -> bool:
        at_rest = self._rest <= self.found < self._most
        return at_rest and not self._scouting and now >= self._scout_from and not self._held_back(now)

    def _held_back(self, now: float) -> bool:
        """Whether something speaks against more."""
        troubled = now < self._calm_from and self.found >= START
        slow = self._first is not None and self._round_trip is not None and self._round_trip > _SLOWER * self._first
        return troubled or slow

    def _measure(self, seconds: float) -> None:
        self._sum += seconds
        self._count += 1
        if self._count >= _WINDOW:
            self._round_trip = self._sum / self._count
            self._first = self._first or self._round_trip
            self._sum, self._count = 0.0, 0

    def _trip(self, slot: Slot, now: float) -> float:
        """Seconds of a round trip; that of a refusal can be much shorter."""
        return self._round_trip or now - slot.sent

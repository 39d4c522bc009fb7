"""Finds the version where a metric or named examples got worse, with as few cells as the answer needs.

Versions are halved as in ``git bisect``; one that cannot be run is passed over for its neighbour. That the bad end is
bad is believed at first, unless its outcomes are stored: 64 versions then take seven at most, the good end included.

Until a bad version is known, a version is held against the good end on a growing sample, until it is clearly worse or
clearly not much worse. From then on only the examples that got worse tell the two sides apart, so only these are run,
one batch after the other until the side is clear; what passed for good before is held against them, too. Where the
search comes to the bad end without a bad version, that end is run before anything is said of it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from hashlib import sha256
from typing import Literal, NamedTuple

from promptlab.compare.sequential import clear_side, clearly_no_drop
from promptlab.compare.words import word_diff
from promptlab.errors import InvalidFile, NotFound, UsageFault
from promptlab.history.values import Version
from promptlab.lab.values import Bisection, BisectStep, ExampleChange, FieldDiff
from promptlab.lab.wording import plural
from promptlab.models.cache import Cache
from promptlab.models.values import Outcome

FIRST_SAMPLE = 16  # examples on the good end and the first that is held against it
NEXT_SAMPLE = 8
MOST_SAMPLE = 200  # examples after which a version passes for good, until a bad one is known
FIRST_BATCH = 9  # worse examples on a version between: as many as agree at 1 % when all of them do
NEXT_BATCH = 6
Side = Literal["good", "bad", "unclear good", "unclear bad"]


class Seen(NamedTuple):
    """One example on one version; ``value`` is signed so that more is better, None when it is missing."""

    value: float | None
    text: str


class Measured(NamedTuple):
    """What one measurement gave: example to what was seen, and how many cells a model was asked for."""

    seen: Mapping[str, Seen]
    asked: int


Measure = Callable[[Version, Sequence[str]], Awaitable[Measured]]


class KnownCache(Cache):
    """The cache with outcomes of saved runs in front of it. Those never get into the cache's file: a run may come
    from anybody, and the cache serves every workspace."""

    def __init__(self, known: Mapping[str, Outcome]) -> None:
        super().__init__()
        self._known = known

    def get_many(self, keys: Collection[str]) -> dict[str, Outcome]:  # pyright: ignore[reportIncompatibleMethodOverride]
        found = {key: self._known[key] for key in keys if key in self._known}
        return super().get_many(key for key in keys if key not in found) | found


class Bisector:
    """One search.

    Args:
        versions: Oldest first; the first is the good end, the last is said to be bad.
        examples: Ids of the eval set, or of the examples that were named.
        named: Whether the person named them: then what happened on them counts, however few they are.
        stored: Contents of versions that have stored outcomes: looked at first where it saves asking.
        measure: Runs a version on examples.
        trials: Samples of one example.
    """

    def __init__(
        self,
        versions: Sequence[Version],
        examples: Sequence[str],
        *,
        named: bool,
        stored: Collection[str],
        measure: Measure,
        trials: int,
    ) -> None:
        self.versions = versions
        # The same order every time, and no matter how the file is sorted.
        self.examples = sorted(examples, key=lambda example: sha256(example.encode()).digest())
        self.named = named
        self.stored = stored
        self.measure = measure
        self.trials = trials
        self.seen: dict[int, dict[str, Seen]] = {}
        self.asked: dict[int, int] = {}
        self.skipped: set[int] = set()
        self.passed: list[int] = []  # oldest first: what passes for good while no bad version is known
        self.low, self.high = 0, len(versions) - 1
        self.bad: int | None = None  # the version whose worse examples tell the sides apart
        self.sample = 0
        self.worse: list[str] = []

    async def search(self) -> AsyncGenerator[BisectStep, None]:
        """The steps; afterwards ``low`` and ``high`` are the last good and the first bad version.

        Raises:
            UsageFault: The bad end is not clearly worse than the good one.
            PromptlabError: A model cannot be used.
        """
        await self._see(0, self.examples if self.named else self.examples[:FIRST_SAMPLE])
        yield self._step(0, "good")
        if self.versions[self.high].content in self.stored:
            yield await self._bad_end()
        while (at := self._next()) is not None or self.bad is None:
            if at is None:
                yield await self._bad_end()
                continue
            try:
                side = await (self._probe(at) if self.bad is None else self._side(at))
            except (InvalidFile, NotFound) as fault:
                self._not_good(at)
                self.skipped.add(at)
                yield BisectStep(self.versions[at].label, "skipped", 0, 0, self._left(), str(fault))
                continue
            if self._place(at, side):
                yield self._step(at, side)

    def result(self, metric: str, model: str, steps: Sequence[BisectStep], fields: Sequence[FieldDiff]) -> Bisection:
        """What was found, after ``search`` came to its end."""
        cells = sum(len(seen) for seen in self.seen.values()) * self.trials
        good, bad = self.seen[self.low], self.seen[self.high]
        flips = [
            ExampleChange(example, after - before, old.text, new.text, word_diff(old.text, new.text))
            for example in self.examples
            if (old := good.get(example)) and (new := bad.get(example))
            if (before := old.value) is not None and (after := new.value) is not None and after < before
        ]
        return Bisection(
            metric=metric,
            model=model,
            first_bad=self.versions[self.high],
            last_good=self.versions[self.low],
            between=tuple(self.versions[at].label for at in sorted(self.skipped) if self.low < at < self.high),
            steps=tuple(steps),
            looked_at=len(self.seen),
            cells=cells,
            asked=sum(self.asked.values()),
            full=len(self.seen) * len(self.examples) * self.trials,
            fields=tuple(fields),
            flips=tuple(flips),
        )

    def _left(self) -> int:
        return sum(at not in self.skipped for at in range(self.low + 1, self.high + 1))

    def _step(self, at: int, side: Side) -> BisectStep:
        return BisectStep(self.versions[at].label, side, len(self.seen[at]), self.asked.get(at, 0), self._left())

    def _next(self) -> int | None:
        """The version to look at: one that passed for good, once a bad one is known; else the one nearest to the
        middle, and before it one with stored outcomes, as it costs nothing."""
        if self.bad is not None and self.passed:
            return self.passed[-1]
        between = [at for at in range(self.low + 1, self.high) if at not in self.skipped]
        free = [at for at in between if self.versions[at].content in self.stored]
        # An end that is only believed to be bad costs a look of its own if the search gets there.
        middle = (self.low + self.high + (self.bad is None)) / 2
        return min(free or between, key=lambda at: abs(at - middle), default=None)

    def _place(self, at: int, side: Side) -> bool:
        """Take a version's side into account; whether that is news."""
        if side.endswith("good"):
            again = at in self.passed
            self.low = at
            self.passed = [*self.passed, at] if self.bad is None else []
            return not again
        self._not_good(at)
        self.high = at
        return True

    def _not_good(self, at: int) -> None:
        if at in self.passed:
            self.passed.remove(at)
            self.low = self.passed[-1] if self.passed else 0

    async def _see(self, at: int, examples: Sequence[str]) -> dict[str, Seen]:
        """What a version gives on the examples; each is measured once."""
        seen = self.seen.setdefault(at, {})
        missing = [example for example in examples if example not in seen]
        if missing:
            try:
                measured = await self.measure(self.versions[at], missing)
            except (InvalidFile, NotFound):
                if not seen:
                    del self.seen[at]
                raise
            seen.update({example: measured.seen[example] for example in missing if example in measured.seen})
            self.asked[at] = self.asked.get(at, 0) + measured.asked
        return seen

    async def _hold(self, at: int, size: int) -> list[float]:
        """How much better a version is than the good end, on so many examples; 0 also where one is missing."""
        chosen = self.examples[:size]
        good, other = await self._see(0, chosen), await self._see(at, chosen)
        pairs = [[seen[e].value if e in seen else None for seen in (good, other)] for e in chosen]
        return [0.0 if old is None or new is None else new - old for old, new in pairs]

    async def _bad_end(self) -> BisectStep:
        """Run the bad end on a growing sample until it is clear that it is worse."""
        side, changes = 0, list[float]()
        while not side and len(changes) < len(self.examples):
            changes = await self._hold(self.high, self._more(len(changes)))
            side = clear_side(changes)
        if not self._is_worse(changes, side):
            good, bad = self.versions[0].label, self.versions[self.high].label
            worse, better = (sum(sign * change > 0 for change in changes) for sign in (-1, 1))
            seen = f"{worse} of {plural(len(changes), 'example')} got worse, {better} better"
            hint = (
                "" if self.named else " Give other ends, or name the examples that did: `promptlab bisect --example`."
            )
            raise UsageFault(f"{bad} is not clearly worse than {good}: {seen}.{hint}")
        self._learn(self.high, changes)
        return self._step(self.high, "bad")

    def _more(self, size: int) -> int:
        return len(self.examples) if self.named else max(FIRST_SAMPLE, 2 * size)

    def _is_worse(self, changes: Sequence[float], side: int) -> bool:
        return side == -1 or (self.named and sum(changes) < 0)

    def _learn(self, at: int, changes: Sequence[float]) -> None:
        """From now on, what got worse there tells the sides apart."""
        self.bad, self.sample = at, len(changes)
        self.worse = [example for example, change in zip(self.examples, changes, strict=False) if change < 0]

    async def _probe(self, at: int) -> Side:
        """Hold a version against the good end, while no bad one is known."""
        size = self._more(0)
        while True:
            changes = await self._hold(at, size)
            if all(seen.value is None for seen in self.seen[at].values()):
                raise NotFound("none of the examples has a score")
            if self._is_worse(changes, clear_side(changes)):
                self._learn(at, changes)
                return "bad"
            if self.named or clearly_no_drop(changes):
                return "good"
            if size >= min(MOST_SAMPLE, len(self.examples)):
                return "unclear good" if min(changes) < 0 else "good"
            size += NEXT_SAMPLE

    async def _side(self, at: int) -> Side:
        """Whether a version is like the good end or the bad version, on the examples that tell these apart."""
        assert self.bad is not None
        size = FIRST_BATCH
        while True:
            seen = await self._see(at, self.worse[:size])
            nearer = [self._nearer(seen, example) for example in self.worse[:size]]
            if all(seen.get(example, Seen(None, "")).value is None for example in self.worse[:size]):
                raise NotFound("none of the examples has a score")
            if side := clear_side(nearer):
                return "good" if side > 0 else "bad"
            if size >= len(self.worse):
                if self.sample >= len(self.examples):
                    break
                self._learn(self.bad, await self._hold(self.bad, self._more(self.sample)))
            size += NEXT_BATCH
        # Few examples that all say the same are too few for a test, and all that there is.
        doubt = len(set(nearer) - {0}) != 1
        if sum(nearer) > 0:
            return "unclear good" if doubt else "good"
        return "unclear bad" if doubt else "bad"

    def _nearer(self, seen: Mapping[str, Seen], example: str) -> int:
        """+1 when the version is nearer to the good end on the example, -1 when nearer to the bad version."""
        assert self.bad is not None
        value = seen.get(example, Seen(None, "")).value
        good, bad = (self.seen[end][example].value for end in (0, self.bad))
        if value is None or good is None or bad is None:
            return 0
        return (abs(value - bad) > abs(value - good)) - (abs(value - bad) < abs(value - good))

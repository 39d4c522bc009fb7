"""Finds the version where a metric or named examples got worse, with as few cells as the answer needs.

The two ends are run on a growing sample until it is clear that the bad one is worse. Only the examples that got worse
tell the two sides apart, so only these are run on the versions between, one batch after the other until the side is
clear. Versions are halved as in ``git bisect``; one that cannot be run is passed over for its neighbour.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from hashlib import sha256
from typing import Literal, NamedTuple

from promptlab.compare.sequential import clear_side
from promptlab.compare.words import word_diff
from promptlab.errors import InvalidFile, NotFound, UsageFault
from promptlab.history.values import Version
from promptlab.lab.values import Bisection, BisectStep, ExampleChange, FieldDiff
from promptlab.models.cache import Cache
from promptlab.models.values import Outcome

FIRST_SAMPLE = 16  # examples on both ends; doubled until the difference is clear
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
        versions: Oldest first; the first is the good end, the last the bad one.
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
        self.sample = 0
        self.worse: list[str] = []

    async def search(self) -> AsyncGenerator[BisectStep, None]:
        """The steps; afterwards ``low`` and ``high`` are the last good and the first bad version.

        Raises:
            UsageFault: The bad end is not clearly worse than the good one.
            PromptlabError: A model cannot be used.
        """
        self.low, self.high = 0, len(self.versions) - 1
        self.skipped: set[int] = set()
        await self._compare_ends()
        yield self._step(self.low, "good")
        yield self._step(self.high, "bad")
        while (middle := self._next()) is not None:
            try:
                side = await self._side(middle)
            except (InvalidFile, NotFound) as fault:
                self.skipped.add(middle)
                yield BisectStep(self.versions[middle].label, "skipped", 0, 0, self._left(), str(fault))
                continue
            if side.endswith("good"):
                self.low = middle
            else:
                self.high = middle
            yield self._step(middle, side)

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
            looked_at=len(self.seen.keys() - {0, len(self.versions) - 1}),
            cells=cells,
            asked=sum(self.asked.values()),
            full=len(self.seen) * len(self.examples) * self.trials,
            fields=tuple(fields),
            flips=tuple(flips),
        )

    def _left(self) -> int:
        return sum(at not in self.skipped for at in range(self.low + 1, self.high + 1))

    def _step(self, at: int, side: Side) -> BisectStep:
        return BisectStep(self.versions[at].label, side, len(self.seen[at]), self.asked[at], self._left())

    def _next(self) -> int | None:
        """The version nearest to the middle; one with stored outcomes goes before, as it costs nothing."""
        between = [at for at in range(self.low + 1, self.high) if at not in self.skipped]
        free = [at for at in between if self.versions[at].content in self.stored]
        middle = (self.low + self.high) / 2
        return min(free or between, key=lambda at: abs(at - middle), default=None)

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

    async def _compare_ends(self) -> None:
        side = 0
        while not side and self.sample < len(self.examples):
            side = await self._widen()
        good, bad = self.versions[0].label, self.versions[-1].label
        changes = [change for change in map(self._change, self.examples[: self.sample]) if change]
        if self.named and sum(changes) < 0:
            return
        if side != -1 or not self.worse:
            worse = len(self.worse)
            seen = f"{worse} of {self.sample} examples got worse, {len(changes) - worse} better"
            hint = "" if self.named else " Name the examples that did with --example, or give other ends."
            raise UsageFault(f"{bad} is not clearly worse than {good}: {seen}.{hint}")

    async def _widen(self) -> int:
        """Run the ends on more examples; -1 once the bad one is clearly worse, +1 once it is clearly better."""
        size = len(self.examples) if self.named else max(FIRST_SAMPLE, 2 * self.sample)
        chosen = self.examples[:size]
        for at in (0, len(self.versions) - 1):
            await self._see(at, chosen)
        self.sample = len(chosen)
        changes = {example: self._change(example) for example in chosen}
        self.worse = [example for example, change in changes.items() if change < 0]
        return clear_side(changes.values())

    def _change(self, example: str) -> float:
        """How much better the bad end is on the example; 0 also where one of the two is missing."""
        good, bad = (self.seen[at].get(example, Seen(None, "")).value for at in (0, len(self.versions) - 1))
        return 0.0 if good is None or bad is None else bad - good

    async def _side(self, at: int) -> Side:
        """Which end a version is like, on the examples that tell the ends apart."""
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
                await self._widen()
            size += NEXT_BATCH
        # Few examples that all say the same are too few for a test, and all that there is.
        doubt = len(set(nearer) - {0}) != 1
        if sum(nearer) > 0:
            return "unclear good" if doubt else "good"
        return "unclear bad" if doubt else "bad"

    def _nearer(self, seen: Mapping[str, Seen], example: str) -> int:
        """+1 when the version is nearer to the good end on the example, -1 when nearer to the bad one."""
        value = seen.get(example, Seen(None, "")).value
        good, bad = (self.seen[end][example].value for end in (0, len(self.versions) - 1))
        if value is None or good is None or bad is None:
            return 0
        return (abs(value - bad) > abs(value - good)) - (abs(value - bad) < abs(value - good))

"""Who has which sequence of the pool: prompts at work, and beginnings kept for those to come."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass

from promptlab.models.gguf.pool import Pool
from promptlab.models.gguf.prefixes import Prefix, Tokens, common


@dataclass(eq=False)
class Stream:
    """Tokens on their way into a sequence, or in it.

    Attributes:
        number: Of the sequence.
        tokens: All that is to be evaluated.
        source: Whose cells it begins with, or None.
        shared: How many of them.
        cells: Reserved for what it has beside those.
        done: How many tokens are in the sequence; None before it has been given its shared cells.
        pins: Reasons to keep it in memory: it is at work, or others share its cells.
        last_use: When it was last of use, in openings.
    """

    number: int
    tokens: Tokens
    source: Stream | None
    shared: int
    cells: int
    done: int | None = None
    pins: int = 1
    last_use: int = 0

    @property
    def complete(self) -> bool:
        return self.done == len(self.tokens)


class Sequences:
    """Hands out sequences and cells of a pool, and gives up kept beginnings, the least recently used first.

    A beginning is evaluated once, into a sequence of its own; whatever begins with it shares or copies its cells. It
    stays when the last of those is done, since the next prompts will probably begin alike.

    Args:
        pool: The native memory. Belongs to this object from now on.
        slots: Prompts at work at once.
    """

    def __init__(self, pool: Pool, slots: int) -> None:
        self.pool = pool
        self._slots = slots
        self._forget_all()

    def _forget_all(self) -> None:
        self._free = self.pool.layout.total
        self._numbers = list(range(self.pool.layout.sequences))  # prompts at work take the first, beginnings the last
        self._kept: list[Stream] = []
        self._filling: list[Stream] = []
        self._clock = 0

    @property
    def filling(self) -> list[Stream]:
        """Beginnings that are still to be evaluated, in the order of their need."""
        return self._filling

    def clear(self) -> None:
        """Forget everything. Nothing may be at work."""
        self.pool.clear()
        self._forget_all()

    def open(self, prompt: Tokens, budget: int, prefix: Prefix | None) -> Stream | None:
        """A sequence for a prompt and its answer, or None while there is no room.

        It takes over as much as any kept beginning has; what it shares with prompts to come is evaluated apart.

        Args:
            prompt: All its tokens.
            budget: Tokens of the answer.
            prefix: The longest beginning that is worth keeping, or None.
        """
        self._clock += 1
        source, shared = self._closest(prompt)
        if source is not None:
            source.pins += 1  # while room is made
        fits = self._slot_is_free() and self._make_room(
            0 if self.pool.layout.apart else len(prompt) - shared + budget
        )
        for part in _chain(prefix) if fits else ():
            if len(part.tokens) > shared and self._may_keep():
                longer = self._new(-1, part.tokens, source, shared, len(part.tokens) - shared)
                self._kept.append(longer)
                self._filling.append(longer)
                self._unpin(source)
                source, shared = longer, len(part.tokens)
                longer.pins += 1
        stream = self._new(0, prompt, source, shared, len(prompt) - shared + budget) if fits else None
        self._unpin(source)
        return stream

    def begin(self, stream: Stream) -> bool:
        """Give a stream the cells that it shares, once they are there: whether it can go on."""
        if stream.done is None:
            source = stream.source
            if source is not None:
                if source.done is None or source.done < stream.shared:
                    return False
                self.pool.copy(source.number, stream.number, stream.shared)
                if self.pool.layout.apart:  # a copy needs its source no longer
                    self._unpin(source)
                    stream.source = None
            stream.done = stream.shared
        return True

    def release_filled(self) -> None:
        """After a step: a beginning that is in memory now is held there by its users alone."""
        for stream in self._filling:
            if stream.complete:
                self._unpin(stream)
        self._filling = [stream for stream in self._filling if not stream.complete]

    def close(self, stream: Stream, keep: bool = False) -> None:
        """An answer is complete. ``keep`` makes its prompt a beginning for prompts to come."""
        if keep and self._may_keep():
            self.pool.forget(stream.number, beyond=len(stream.tokens))
            rest = stream.cells - (len(stream.tokens) - stream.shared)
            stream.cells -= rest
            self._give_back(rest)
            self._kept.append(stream)
            self._unpin(stream)
        else:
            self._remove(stream)

    def drop_unneeded(self) -> None:
        """Give up beginnings that are not evaluated yet and that nothing at work begins with."""
        for stream in self._filling[::-1]:  # the longer ones come after those that they continue
            if stream.pins == 1:
                self._filling.remove(stream)
                self._kept.remove(stream)
                self._remove(stream)

    def _new(self, place: int, tokens: Tokens, source: Stream | None, shared: int, cells: int) -> Stream:
        if source is not None:
            source.pins += 1
        self._free -= cells
        return Stream(self._numbers.pop(place), tokens, source, shared, cells, last_use=self._clock)

    def _closest(self, prompt: Tokens) -> tuple[Stream | None, int]:
        """The kept beginning that has most in common with a prompt, and how much: never all of it."""
        best, most = None, 0
        for stream in self._kept:
            alike = min(common(stream.tokens, prompt), len(prompt) - 1)
            if alike > most:
                best, most = stream, alike
        if best is not None:
            best.last_use = self._clock
        return best, most

    def _slot_is_free(self) -> bool:
        at_work = self.pool.layout.sequences - len(self._numbers) - len(self._kept)
        return at_work < self._slots

    def _make_room(self, cells: int) -> bool:
        """Give up kept beginnings until there is room for so many cells; whether there is."""
        while self._free < cells and not self.pool.layout.invariant and self._give_up_oldest():
            pass
        return self._free >= cells

    def _may_keep(self) -> bool:
        """Whether there is a sequence for one more beginning, perhaps in place of another; the slots have theirs."""
        most = self.pool.layout.sequences - self._slots
        return len(self._kept) < most or self._give_up_oldest()

    def _give_up_oldest(self) -> bool:
        """Forget the beginning that was of no use for the longest time, if there is one that can be."""
        idle = [stream for stream in self._kept if not stream.pins]
        if idle:
            oldest = min(idle, key=lambda stream: stream.last_use)
            self._kept.remove(oldest)
            self._remove(oldest)
        return bool(idle)

    def _remove(self, stream: Stream) -> None:
        self.pool.forget(stream.number)
        self._give_back(stream.cells)
        insort(self._numbers, stream.number)
        self._unpin(stream.source)

    def _give_back(self, cells: int) -> None:
        if not self.pool.layout.invariant:
            self._free += cells

    def _unpin(self, stream: Stream | None) -> None:
        if stream is not None:
            stream.pins -= 1


def _chain(prefix: Prefix | None) -> Iterator[Prefix]:
    """A prefix and those that it continues, the shortest first."""
    found: list[Prefix] = []
    while prefix is not None:
        found.append(prefix)
        prefix = prefix.parent
    return reversed(found)

"""Many prompts through one context: what shares a beginning has it evaluated once, and many answers grow at once.

Each step of the model takes one row for every answer that is being written and fills up with prompts that wait to
be read. An answer that is complete makes room for the next prompt in that very step. The schedule is a function of
the prompts, the answers and what was kept before, never of the time that anything takes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from promptlab.models.gguf.machine import available_memory
from promptlab.models.gguf.model import GgufFile
from promptlab.models.gguf.pool import Layout, NoMemory, Pool, slow_flash
from promptlab.models.gguf.prefixes import Prefix, Tokens, arrange
from promptlab.models.gguf.sequences import Sequences, Stream

_KEPT = 32  # beginnings in memory at once, where sequences share cells
_KEPT_APART = 8  # and where each takes the room of a whole prompt and answer
_LEAST_APART = 6  # sequences, a third of them kept; with fewer one store is the better way to use little memory
_SPENT_PORTIONS = 4  # of the cells for one filling of the slots, where cells are not used twice before a pause
_MOST_BYTES = 2 << 30  # for what is only wanted: the machine has other uses for its memory
_MOSTLY = 0.7  # of all cells: from here on a row is sooner done with one store than with sequences apart
_STEP = 512  # cells: so that the next call, a little larger, finds what this one keeps


class Writer(Protocol):
    """Writes one answer, token by token."""

    def take(self, logits: npt.NDArray[np.float32], top: int) -> int | None:
        """The next token, or None when the answer is complete.

        Args:
            logits: One number a token of the vocabulary.
            top: Index of the largest.
        """
        ...

    def close(self) -> None:
        """Let go of native memory."""
        ...


@dataclass(eq=False)
class Job:
    """A prompt to answer.

    Attributes:
        prompt: Its tokens, at least one.
        budget: The most tokens of the answer.
        new_writer: Called when its turn comes.
        begun: When that was, in seconds of ``time.perf_counter``.
        problem: Why there is no answer, or "".
    """

    prompt: Tokens
    budget: int
    new_writer: Callable[[], Writer]
    begun: float = 0.0
    problem: str = ""

    @property
    def cells(self) -> int:
        return len(self.prompt) + self.budget


@dataclass(eq=False)
class _Work:
    """The jobs of one call that wait, in order, and the room that suits them.

    Attributes:
        apart: Whether their sequences had better have cells of their own.
    """

    waiting: deque[tuple[Job, Prefix | None]]
    largest: int
    wanted: int
    alone: bool
    apart: bool


@dataclass(eq=False)
class _Slot:
    """A job at work."""

    job: Job
    stream: Stream
    keep: bool
    writer: Writer
    answer: list[int] = field(default_factory=list[int])


@dataclass(frozen=True)
class Mode:
    """How prompts share the machine.

    Attributes:
        slots: Answers written at once.
        share: Evaluate what prompts have in common once, and keep it.
        invariant: Give every prompt the numbers that it would have alone; see ``Pool``.
        afresh: Forget everything before each prompt; for one slot.
    """

    slots: int = 16
    share: bool = True
    invariant: bool = False
    afresh: bool = False


class Scheduler:
    """Answers jobs with one model.

    Args:
        file: The model.
        threads: Threads that compute.
        mode: As above.

    Attributes:
        evaluated: Tokens that the model has worked on so far.
    """

    def __init__(self, file: GgufFile, threads: int, mode: Mode) -> None:
        self._file = file
        self._threads = threads
        self._mode = mode
        self._share = mode.share and file.can_share
        self._works: deque[_Work] = deque()
        self._running: list[_Slot] = []
        self._failed: list[Job] = []
        self._sequences: Sequences | None = None
        self.evaluated = 0
        self._wanted = 0  # when the sequences were made; perhaps more than the machine gave
        self._apart_wanted: bool = False

    def close(self) -> None:
        """Let go of the native memory."""
        for slot in self._running:
            slot.writer.close()
        self._running.clear()
        self._drop_pool()

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._works or self._running or self._failed)

    @property
    def running(self) -> list[Job]:
        """Those at work."""
        return [slot.job for slot in self._running]

    def add(self, jobs: Sequence[Job]) -> None:
        """Take on the jobs of one call. Calls that are open at once take turns at filling slots."""
        available = available_memory()
        fitting: list[Job] = []
        for job in jobs:
            if job.cells * self._file.token_bytes <= available:
                fitting.append(job)
            else:
                job.problem = f"{available // 2**20} MB are free"
                self._failed.append(job)
        if not fitting:
            return
        order = arrange([job.prompt for job in fitting], self._share)
        waiting = deque((fitting[index], prefix) for index, prefix in order)
        largest = max(job.cells for job in fitting)
        self._works.append(
            _Work(waiting, largest, self._cells_for(waiting), alone=len(jobs) == 1, apart=self._apart(waiting))
        )

    def admit(self) -> list[Job]:
        """Put waiting jobs into free slots, and say which."""
        begun: list[Job] = []
        while self._works and len(self._running) < self._mode.slots:
            work = self._works[0]
            job, prefix = work.waiting[0]
            try:
                stream = self._open(job, prefix)
            except NoMemory as fault:
                job.problem = str(fault)
                self._failed.append(job)
            else:
                if stream is None:
                    break
                job.begun = time.perf_counter()
                self._running.append(_Slot(job, stream, work.alone and self._share, job.new_writer()))
                begun.append(job)
            work.waiting.popleft()
            self._works.rotate(-1)
            if not work.waiting:
                self._works.remove(work)
        return begun

    def drop(self, jobs: Collection[Job]) -> None:
        """Give up jobs, at work or waiting, between two steps."""
        self._failed = [job for job in self._failed if job not in jobs]
        for work in self._works:
            work.waiting = deque(one for one in work.waiting if one[0] not in jobs)
        self._works = deque(work for work in self._works if work.waiting)
        for slot in [slot for slot in self._running if slot.job in jobs]:
            self._end(slot, keep=False)
        if self._sequences is not None:
            self._sequences.drop_unneeded()

    def step(self) -> list[Job]:
        """Let every answer that is being written grow by a token; the jobs that are done with it."""
        done, self._failed = self._failed, []
        if not self._running:
            return done
        assert self._sequences is not None
        pool = self._sequences.pool
        if pool.layout.apart:
            # One row a sequence goes together only where no sequence is left out.
            while any(not slot.stream.complete for slot in self._running):
                done += self._evaluate(self._put_prompts())
            done += self._evaluate(self._put_answers())
        else:
            done += self._evaluate([*self._put_answers(), *self._put_prompts()])
        return done

    def _put_answers(self) -> list[_Slot]:
        """A row for the last token of every answer; whose they are."""
        assert self._sequences is not None
        growing = [slot for slot in self._running if slot.answer]
        for slot in growing:
            position = len(slot.stream.tokens) + len(slot.answer) - 1
            token = np.array(slot.answer[-1:], np.int32)
            self.evaluated += 1
            self._sequences.pool.put(token, position, slot.stream.number, sample=True)
        return growing

    def _put_prompts(self) -> list[_Slot]:
        """As much of prompts, and of what they share, as the step has room for; whose prompt is complete with it."""
        assert self._sequences is not None
        # All copies come before any row: what is put now is in memory only after the step.
        shared = [stream for stream in self._sequences.filling if self._sequences.begin(stream)]
        own = [slot for slot in self._running if not slot.stream.complete and self._sequences.begin(slot.stream)]
        for stream in shared:
            self._put_part(stream, sample=False)
        return [slot for slot in own if self._put_part(slot.stream, sample=True)]

    def _put_part(self, stream: Stream, sample: bool) -> bool:
        """As much of a prompt as the step has room for: whether that was the last of it."""
        assert self._sequences is not None
        assert stream.done is not None
        pool = self._sequences.pool
        part = stream.tokens[stream.done : stream.done + pool.room]
        if len(part):
            last = stream.done + len(part) == len(stream.tokens)
            pool.put(part, stream.done, stream.number, sample and last)
            stream.done += len(part)
            self.evaluated += len(part)
        return stream.complete

    def _evaluate(self, sampled: Sequence[_Slot]) -> list[Job]:
        """One step of the model; the jobs that are done with it."""
        assert self._sequences is not None
        logits = self._sequences.pool.decode()
        self._sequences.release_filled()
        tops = cast("list[int]", logits.argmax(axis=1).tolist())
        return [slot.job for index, slot in enumerate(sampled) if self._is_done(slot, logits[index], tops[index])]

    def _is_done(self, slot: _Slot, logits: npt.NDArray[np.float32], top: int) -> bool:
        token = slot.writer.take(logits, top)
        if token is not None:
            slot.answer.append(token)
            return False
        self._end(slot, slot.keep)
        return True

    def _end(self, slot: _Slot, keep: bool) -> None:
        assert self._sequences is not None
        slot.writer.close()
        self._sequences.close(slot.stream, keep)
        self._running.remove(slot)

    def _open(self, job: Job, prefix: Prefix | None) -> Stream | None:
        """A sequence for a job; None while it must wait for others.

        Raises:
            NoMemory: It cannot be had at all.
        """
        idle = not self._running
        if idle:  # what is at work cannot be moved
            self._fit_pool(job.cells)
        elif self._too_small(job):
            return None  # it came later than the others: when they are done the pool is made anew
        assert self._sequences is not None
        if idle and self._mode.afresh:
            self._sequences.clear()
        stream = self._sequences.open(job.prompt, job.budget, prefix)
        if stream is None and idle:
            self._sequences.clear()
            stream = self._sequences.open(job.prompt, job.budget, prefix)
            assert stream is not None
        return stream

    def _too_small(self, job: Job) -> bool:
        """Whether a sequence of the pool, where each has cells of its own, cannot hold the job."""
        layout = self._sequences.pool.layout if self._sequences is not None else None
        return layout is not None and layout.apart and job.cells > layout.cells

    def _fit_pool(self, least: int) -> None:
        """Make room for so many cells, better for all that is wanted, while nothing is at work.

        Raises:
            NoMemory: There is no room for the least.
        """
        largest = max(work.largest for work in self._works)
        wanted = max(work.wanted for work in self._works)
        apart: bool = any(work.apart for work in self._works)
        if self._sequences is not None:
            layout = self._sequences.pool.layout
            enough = layout.cells >= (largest if layout.apart else max(least, min(wanted, self._wanted)))
            indifferent = all(work.alone for work in self._works)
            if enough and (indifferent or apart == self._apart_wanted):
                return
        self._drop_pool()
        self._wanted, self._apart_wanted = wanted, apart
        for layout in self._layouts(largest if apart else None, wanted, least):
            try:
                pool = Pool(self._file.native, layout, threads=self._threads, reason=self._file.log.reason)
            except NoMemory:
                if layout.cells == least:
                    raise
            else:
                slots = layout.sequences * 2 // 3 if layout.apart else self._mode.slots
                self._sequences = Sequences(pool, min(slots, self._mode.slots))
                return

    def _layouts(self, apart: int | None, wanted: int, least: int) -> Iterator[Layout]:
        """What to try, the best first; the last one has room for the least alone.

        Args:
            apart: Cells of each sequence, where they had better be apart.
            wanted: Cells for all of them together, else.
            least: Cells that there must be.
        """
        most = min(available_memory() // 2, _MOST_BYTES) // self._file.token_bytes
        if apart is not None:
            cells = _in_steps(apart)
            sequences = min(self._mode.slots + _KEPT_APART, most // cells)
            if sequences >= _LEAST_APART:
                yield Layout(sequences, cells, apart=True)
        size = max(least, min(_in_steps(wanted), most))
        while True:
            yield Layout(self._mode.slots + _KEPT, size, invariant=self._mode.invariant)
            if size == least:
                return
            size = max(least, size // 2)

    def _drop_pool(self) -> None:
        if self._sequences is not None:
            self._sequences.pool.close()
            self._sequences = None

    def _apart(self, jobs: Sequence[tuple[Job, Prefix | None]]) -> bool:
        """Whether a row had better look at its own cells alone, though each sequence then copies what it shares.

        It passes over the cells of all others otherwise, which costs little where most cells belong to all.
        """
        if self._mode.slots == 1 or self._mode.invariant:
            return False
        shared = sum(len(prefix.tokens) for _, prefix in jobs if prefix)
        return slow_flash() or shared < _MOSTLY * sum(job.cells for job, _ in jobs)

    def _cells_for(self, jobs: Sequence[tuple[Job, Prefix | None]]) -> int:
        """Cells for the slots full of the largest jobs, for what those share, and as much again to keep it."""
        own = sorted((job.cells - (len(prefix.tokens) if prefix else 0) for job, prefix in jobs), reverse=True)
        at_once = sum(own[: self._mode.slots])
        if self._mode.invariant:
            at_once = min(sum(own), at_once * _SPENT_PORTIONS)
        shared: dict[int, int] = {}
        for _, prefix in jobs:
            while prefix is not None and id(prefix) not in shared:
                shared[id(prefix)] = len(prefix.tokens) - (len(prefix.parent.tokens) if prefix.parent else 0)
                prefix = prefix.parent
        largest = max(job.cells for job, _ in jobs)
        return max(largest, at_once + 2 * min(sum(shared.values()), 2 * self._file.context))


def _in_steps(cells: int) -> int:
    return -(-cells // _STEP) * _STEP

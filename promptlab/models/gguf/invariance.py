"""Whether a file, on this machine, gives every prompt the same numbers whatever stands beside it."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from promptlab.models.gguf.model import GgufFile
from promptlab.models.gguf.prefixes import Tokens
from promptlab.models.gguf.scheduler import Job, Mode, Scheduler

_ANSWER = 10
_SHARED = 40
_LENGTHS = (1, 2, 3, 5, 9, 17, 30, 61)  # of what each prompt has of its own: within a step, and longer than one


def is_invariant(file: GgufFile, threads: int) -> bool:
    """Try it: fixed prompts one by one with nothing shared, and all at once with a shared beginning.

    Every number that the model gives at every step is compared, bit by bit. A trial, not a proof: it has found every
    quantisation that is known not to hold.
    """
    alone = _numbers(file, threads, Mode(slots=1, share=False, invariant=True))
    few = _numbers(file, threads, Mode(slots=3, share=True, invariant=True))
    many = _numbers(file, threads, Mode(slots=16, share=True, invariant=True))
    return alone == few == many


def _numbers(file: GgufFile, threads: int, mode: Mode) -> list[bytes]:
    scheduler = Scheduler(file, threads, mode)
    try:
        writers = [_Recorder(_ANSWER + index) for index in range(len(_LENGTHS))]
        scheduler.add(
            [
                Job(prompt, writer.budget, lambda writer=writer: writer)
                for prompt, writer in zip(_prompts(file), writers, strict=True)
            ]
        )
        while scheduler.busy:
            scheduler.admit()
            scheduler.step()
        return [writer.digest.digest() for writer in writers]
    finally:
        scheduler.close()


def _prompts(file: GgufFile) -> list[Tokens]:
    """Random tokens: closer calls than any text asks for."""
    random = np.random.default_rng(1)
    room = file.context - _ANSWER - len(_LENGTHS)
    shared = random.integers(0, file.vocabulary.size, min(_SHARED, room // 2), np.int32)
    own = [random.integers(0, file.vocabulary.size, length, np.int32) for length in _LENGTHS]
    return [np.concatenate([shared, part])[:room] for part in own]


class _Recorder:
    """Takes the most probable token and remembers all the numbers."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.digest = hashlib.sha256()
        self._tokens = 0

    def take(self, logits: npt.NDArray[np.float32], top: int) -> int | None:
        self.digest.update(logits.tobytes())
        self._tokens += 1
        return top if self._tokens < self.budget else None

    def close(self) -> None:
        pass

"""The process that measures a model: ``python -m promptlab.models.gguf.measure``.

Reads one ``Load`` and writes a frame for everything that it has measured, so that what is known stays known whenever
this process ends.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from promptlab.models.gguf.native import end_with_parent, take_pipes
from promptlab.models.gguf.prefixes import Tokens
from promptlab.models.gguf.wire import Load, receive
from promptlab.models.speed import BATCHES, Measured, Unmeasured

if TYPE_CHECKING:
    from promptlab.models.gguf.model import GgufFile

_PROMPT = 512  # tokens of a prompt that is timed
_PROMPTS = 4
_SHORT = 32  # tokens of a prompt whose answer is timed
_ANSWER = 48


def main() -> None:
    end_with_parent()
    requests, answers = take_pipes()
    load = receive(requests)
    assert isinstance(load, Load)
    for message in _measures(load):
        answers.write(msgspec.json.encode(message) + b"\n")
        answers.flush()
    os._exit(0)  # native destructors have nothing to do that the system does not


def _measures(load: Load) -> Iterator[Measured | Unmeasured]:
    begin = time.perf_counter()
    try:
        from promptlab.models.gguf.model import CannotLoad, GgufFile
    except (ImportError, OSError, RuntimeError) as fault:
        yield Unmeasured(f"the local engine cannot start: {fault}.")
        return
    begin = time.perf_counter()
    try:
        file = GgufFile(load.path, load.context, load.plain)
    except CannotLoad as fault:
        yield Unmeasured(str(fault))
        return
    yield Measured("load", time.perf_counter() - begin, _memory())
    yield Measured("prompt", _prompt_rate(file, load.threads), _memory())
    for batch in BATCHES:
        yield Measured("answer", _answer_rate(file, load.threads, batch), _memory(), batch)


def _prompt_rate(file: GgufFile, threads: int) -> float:
    """Tokens of a prompt that are evaluated in a second: the best of some, the memory being there already."""
    length = min(_PROMPT, file.context - 1)
    prompts = [_tokens(file, length, number) for number in range(_PROMPTS)]
    times = [one[-1] for one in _answer(file, threads, prompts, 1, at_once=1)]
    return length / min(after - before for before, after in pairwise(times))


def _answer_rate(file: GgufFile, threads: int, batch: int) -> float:
    """Tokens a second of so many answers that grow side by side; reading their prompts is not counted."""
    short = min(_SHORT, file.context // 2)
    budget = min(_ANSWER, file.context - short)
    times = _answer(file, threads, [_tokens(file, short, number) for number in range(batch)], budget, batch)
    begin = max(one[0] for one in times)  # all of them have been read
    counted = sum(moment > begin for one in times for moment in one)
    return counted / (max(one[-1] for one in times) - begin)


def _answer(file: GgufFile, threads: int, prompts: list[Tokens], budget: int, at_once: int) -> list[list[float]]:
    """When each token of each answer came."""
    from promptlab.models.gguf.scheduler import Job, Mode, Scheduler

    scheduler = Scheduler(file, threads, Mode(slots=at_once, share=False))
    try:
        writers = [_Stopwatch(budget) for _ in prompts]
        scheduler.add(
            [
                Job(prompt, budget, lambda writer=writer: writer)
                for prompt, writer in zip(prompts, writers, strict=True)
            ]
        )
        while scheduler.busy:
            scheduler.admit()
            scheduler.step()
        return [writer.times for writer in writers]
    finally:
        scheduler.close()


def _tokens(file: GgufFile, length: int, seed: int) -> Tokens:
    return np.random.default_rng(seed).integers(0, file.vocabulary.size, length, np.int32)


class _Stopwatch:
    """Takes the most probable token, whatever it is, and remembers when."""

    def __init__(self, budget: int) -> None:
        self.times: list[float] = []
        self._budget = budget

    def take(self, logits: npt.NDArray[np.float32], top: int) -> int | None:
        self.times.append(time.perf_counter())
        return top if len(self.times) < self._budget else None

    def close(self) -> None:
        pass


def _memory() -> int:
    """The most bytes that this process has held at once."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()

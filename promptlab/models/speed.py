"""How fast a model in a file is on this machine."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, structs

BATCHES = (1, 2, 4, 8, 16)
"""Answers that are written at once, when it is measured."""


class Measured(Struct, frozen=True, tag=True):
    """One thing that was measured.

    Attributes:
        what: ``load``: seconds; ``prompt`` and ``answer``: tokens a second.
        memory: The most bytes that the model's process held until then.
        batch: Answers that were written at once, for ``answer``.
    """

    what: Literal["load", "prompt", "answer"]
    value: float
    memory: int
    batch: int = 0


class Unmeasured(Struct, frozen=True, tag=True):
    """Why nothing can be measured: the part of a sentence that follows the file's path."""

    reason: str


class Speed(Struct, frozen=True):
    """How fast one file is on this machine, as far as it was measured.

    Attributes:
        path, size, modified: Which file: where it lies, its bytes, and its time of change in nanoseconds.
        time: When it was measured, in seconds since 1970.
        threads: That computed.
        load: Seconds that reading the file takes; None while that is not measured.
        prompt: Tokens of prompts a second.
        answers: Tokens a second in all, by the number of answers that are written at once.
        memory: The most bytes that the process held.
    """

    path: str
    size: int
    modified: int
    time: int
    threads: int
    load: float | None = None
    prompt: float | None = None
    answers: dict[int, float] = {}
    memory: int = 0

    def with_measured(self, one: Measured) -> Speed:
        """The same, and one thing more."""
        memory = max(self.memory, one.memory)
        match one.what:
            case "load":
                return structs.replace(self, load=one.value, memory=memory)
            case "prompt":
                return structs.replace(self, prompt=one.value, memory=memory)
            case "answer":
                return structs.replace(self, answers={**self.answers, one.batch: one.value}, memory=memory)

    def after(self, earlier: Speed) -> Speed:
        """The same, completed by what an earlier measurement of the same file knew."""
        if (self.size, self.modified, self.threads) != (earlier.size, earlier.modified, earlier.threads):
            return self
        return structs.replace(
            self,
            load=earlier.load if self.load is None else self.load,
            prompt=earlier.prompt if self.prompt is None else self.prompt,
            answers={**earlier.answers, **self.answers},
            memory=max(earlier.memory, self.memory),
        )

    @property
    def complete(self) -> bool:
        return self.answers.keys() >= set(BATCHES)

    @property
    def share(self) -> float:
        """How much of the work of measuring is done, about: more answers at once take longer."""
        done = (self.load is not None) + 4 * (self.prompt is not None) + sum(2 + batch for batch in self.answers)
        return done / (5 + sum(2 + batch for batch in BATCHES))

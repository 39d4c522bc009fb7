"""What a request needs of the model: one prompt to write an answer to, or several to weigh choices with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from promptlab.models.gguf.answer import AnswerWriter
from promptlab.models.gguf.choosing import Choices
from promptlab.models.gguf.prefixes import Tokens
from promptlab.models.gguf.scheduler import Job
from promptlab.models.values import Outcome, Usage


class Task(Protocol):
    """Jobs that together answer a request."""

    @property
    def jobs(self) -> list[Job]: ...

    def text(self) -> str:
        """The answer so far."""
        ...

    def outcome(self) -> Outcome:
        """What came out, without key, latency and fingerprint. All jobs are done, and none of them has a problem."""
        ...


class Writing:
    """Writes the text of an answer.

    Args:
        prompt: Its tokens, at least one.
        budget: The most tokens of the answer.
        new_writer: Called when its turn comes.
    """

    def __init__(self, prompt: Tokens, budget: int, new_writer: Callable[[], AnswerWriter]) -> None:
        self._new_writer = new_writer
        self._writer: AnswerWriter | None = None
        self.jobs = [Job(prompt, budget, self._begin)]

    def _begin(self) -> AnswerWriter:
        self._writer = self._new_writer()
        return self._writer

    def text(self) -> str:
        return self._writer.text.so_far() if self._writer else ""

    def outcome(self) -> Outcome:
        assert self._writer is not None
        text = self._writer.text
        return Outcome(
            key="",
            text=text.text(),
            finish="stop" if text.stopped else "length",
            usage=Usage(prompt=len(self.jobs[0].prompt), completion=text.tokens),
            logprobs=tuple(self._writer.logprobs),
        )


class Weighing:
    """Asks how probable each of some choices is: a prompt for every place where choices part.

    All of those begin alike, so the prompt itself is evaluated once.

    Args:
        prompt: Its tokens, at least one.
        choices: The tree of them.
    """

    def __init__(self, prompt: Tokens, choices: Choices) -> None:
        self._prompt = prompt
        self._choices = choices
        self.jobs = [
            Job(np.append(prompt, np.array(place, np.int32)), 0, lambda place=place: _Measuring(choices, place))
            for place in choices.places
        ]

    def text(self) -> str:
        return ""

    def outcome(self) -> Outcome:
        found = self._choices.probabilities()
        best = max(found.of, key=lambda choice: found.of[choice])
        return Outcome(key="", text=best, usage=Usage(prompt=len(self._prompt)), choices=found)


class _Measuring:
    """Takes the numbers at one place, and writes nothing."""

    def __init__(self, choices: Choices, place: tuple[int, ...]) -> None:
        self._choices = choices
        self._place = place

    def take(self, logits: npt.NDArray[np.float32], top: int) -> int | None:
        self._choices.measure(self._place, logits)
        return None

    def close(self) -> None:
        pass

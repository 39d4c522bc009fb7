"""How probable each of some choices is, from the numbers of a model at every place where they part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from promptlab.models.gguf.model import Refused
from promptlab.models.gguf.probabilities import logprobs
from promptlab.models.gguf.vocabulary import Vocabulary
from promptlab.models.values import ChoiceProbabilities, Constraint


@dataclass
class _Fork:
    """A place where at least one choice goes on.

    Attributes:
        tokens: Those that go on from here.
        logprobs: Natural logarithms of their probabilities, once measured.
    """

    tokens: list[int] = field(default_factory=list[int])
    logprobs: dict[int, float] = field(default_factory=dict[int, float])

    @property
    def rest(self) -> float:
        """Logarithm of the probability that the model goes on with none of them."""
        left = 1.0 - math.fsum(map(math.exp, self.logprobs.values()))
        return math.log(left) if left > 0 else -math.inf


class Choices:
    """The tree of the tokens that spell some choices.

    Args:
        spelled: Each choice and its tokens, none of them empty.
    """

    def __init__(self, spelled: Sequence[tuple[str, Sequence[int]]]) -> None:
        self._spelled = {choice: tuple(tokens) for choice, tokens in spelled}
        self._forks: dict[tuple[int, ...], _Fork] = {}
        for tokens in self._spelled.values():
            for place, token in enumerate(tokens):
                fork = self._forks.setdefault(tokens[:place], _Fork())
                if token not in fork.tokens:
                    fork.tokens.append(token)

    @property
    def places(self) -> list[tuple[int, ...]]:
        """What to ask the model behind: the prompt and these tokens. Each once, the first one empty."""
        return list(self._forks)

    def measure(self, place: tuple[int, ...], logits: npt.NDArray[np.float32]) -> None:
        """Take the numbers of the model at a place."""
        fork = self._forks[place]
        found = logprobs(logits, fork.tokens)
        fork.logprobs = dict(zip(fork.tokens, found, strict=True))

    def probabilities(self) -> ChoiceProbabilities:
        """What came out, once every place is measured."""
        logs = {choice: self._log(tokens) for choice, tokens in self._spelled.items()}
        highest = max(logs.values())
        shares = {choice: math.exp(log - highest) for choice, log in logs.items()}
        total = math.fsum(shares.values())
        of = {choice: share / total for choice, share in shares.items()}
        return ChoiceProbabilities(of, min(1.0, math.exp(highest) * total))

    def _log(self, tokens: tuple[int, ...]) -> float:
        steps = [self._forks[tokens[:place]].logprobs[token] for place, token in enumerate(tokens)]
        if tokens in self._forks:  # another choice goes on from here
            steps.append(self._forks[tokens].rest)
        return math.fsum(steps)


def spelled_choices(vocabulary: Vocabulary, constraint: Constraint | None) -> Choices:
    """The choices of a request as tokens.

    Raises:
        Refused: There are none, or one of them cannot be spelled.
    """
    if constraint is None or not constraint.choices:
        raise Refused("rejected", "Probabilities of choices are asked for, and the request names no choices.")
    try:
        return Choices([(choice, vocabulary.spell(choice)) for choice in constraint.choices])
    except ValueError as fault:
        raise Refused("rejected", f"The choices cannot be weighed: {fault}.") from None

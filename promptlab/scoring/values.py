"""Scores: what a metric says of one outcome."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from promptlab.workspace.values import Example


class Reply(Struct, frozen=True, omit_defaults=True, gc=False):
    """What one model said when a judge was asked one question, tries without a grade included in its figures.

    Like a score it is nothing for the collector of cycles: going through those of ten thousand answers holds up the
    screen.

    Attributes:
        model: The judging model's name.
        about: ``AB`` or ``BA`` for the two orders of a pair (A is the baseline's answer), the claim of a ``claims``
            judge, ``turned`` where answer and reference are exchanged, else "".
        text: The reply.
        value: What it says, as a grade; of a pair 1 where the candidate wins, 0.5 for a tie, 0 where it loses.
        missing: Why there is no value.
        mass: Where the value is the mean of the grades weighed by the model's probabilities: the share of all its
            answers that would have begun with a grade. None where it is the grade that it gave.
        calls: How often the model was asked, answers from the cache included.
        cached: Calls that the cache answered.
        cost: In the currency of the model's price, None without one.
    """

    model: str
    about: str = ""
    text: str = ""
    value: float | None = None
    missing: str = ""
    mass: float | None = None
    calls: int = 1
    cached: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None

    @property
    def expected(self) -> bool:
        """Whether the value is a mean over probabilities."""
        return self.mass is not None


class Score(Struct, frozen=True, omit_defaults=True, gc=False):
    """A number, or missing with a reason: exactly one of ``value`` and ``missing`` is set. An error is never 0.

    Attributes:
        replies: What judges said, where judges made the score.
    """

    metric: str
    value: float | None = None
    missing: str = ""
    detail: str = ""
    replies: tuple[Reply, ...] = ()


class MetricInfo(Struct, frozen=True):
    """What a metric of the catalogue is.

    Attributes:
        direction: Whether more is better, less is better, or neither (``info``: shown, never decides).
        kind: ``binary`` scores are 0 or 1. ``set``: the metric is one of the whole column, such as F1, and no mean;
            the score of one answer says only whether it is right. ``preference``: 1 where the answer is preferred to
            the baseline's, 0.5 for a tie, 0 where the baseline's is; the baseline itself has no score.
        unit: "" for shares and grades, else such as "s", "chars", "USD".
        needs: What an example must have: "expected", "reference" …, or "" for nothing.
        version: Part of a score's identity; raised when the definition changes.
        summary: One line for help texts.
    """

    id: str
    direction: Literal["max", "min", "info"]
    kind: Literal["binary", "numeric", "set", "preference"]
    low: float | None
    high: float | None
    unit: str
    needs: str
    version: int
    summary: str


class JudgeItem(Struct, frozen=True):
    """One answer to be judged.

    Attributes:
        id: Comes back with the score; any text.
        answer: What the candidate said; only answers without a fault are judged.
        against: What the baseline said, for a judge of pairs.
        instructions: The messages that the candidate was sent, as one text.
    """

    id: str
    example: Example
    answer: str
    against: str | None = None
    instructions: str = ""

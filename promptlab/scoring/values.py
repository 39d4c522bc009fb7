"""Scores: what a metric says of one outcome."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from promptlab.workspace.values import Example


class Score(Struct, frozen=True, omit_defaults=True):
    """A number, or missing with a reason: exactly one of ``value`` and ``missing`` is set. An error is never 0."""

    metric: str
    value: float | None = None
    missing: str = ""
    detail: str = ""


class MetricInfo(Struct, frozen=True):
    """What a metric of the catalogue is.

    Attributes:
        direction: Whether more is better, less is better, or neither (``info``: shown, never decides).
        kind: ``binary`` scores are 0 or 1. ``set``: the metric is one of the whole column, such as F1, and no mean;
            the score of one answer says only whether it is right.
        unit: "" for shares and grades, else such as "s", "chars", "USD".
        needs: What an example must have: "expected", "reference" …, or "" for nothing.
        version: Part of a score's identity; raised when the definition changes.
        summary: One line for help texts.
    """

    id: str
    direction: Literal["max", "min", "info"]
    kind: Literal["binary", "numeric", "set"]
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
    """

    id: str
    example: Example
    answer: str

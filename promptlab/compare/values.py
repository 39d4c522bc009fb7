"""Two columns of scores → verdict; two texts → word diff."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Interval(Struct, frozen=True):
    """A mean with its uncertainty.

    Attributes:
        level: Confidence level, such as 0.95.
        missing: How many examples had no value.
        method: Name of the method, such as "Agresti–Coull, t" or "t, 12 clusters".
    """

    mean: float
    low: float
    high: float
    n: int
    missing: int
    level: float
    method: str


class ExampleDelta(Struct, frozen=True):
    """One example on both sides; ``delta`` is signed so that positive is better, whatever the direction."""

    example: str
    baseline: float | None
    candidate: float | None
    delta: float | None


class Verdict(Struct, frozen=True):
    """What two paired columns of scores say.

    Attributes:
        status: INVALID when more than 5 % of the examples lack a value on a side, or fewer than 2 are paired, or all
            of them are in one cluster. Numbers that cannot be given then are not a number.
        effect: Mean paired difference, candidate − baseline, in the metric's unit and sign.
        low: Lower end of the interval of the effect at ``1 - alpha``.
        p: Two-sided p value of the test that belongs to the same family as the interval.
        n: Paired examples.
        better, worse, same: Examples by sign of the difference, signed so that better is better.
        mde: Smallest effect that this n could have seen (power 0.8), or None when not computable or impossibly large.
        needed: Examples that would settle an effect of ``min_effect``, or None.
        unpaired: Example ids that only one side has, or that lack a value.
        method: Test and interval in words: "McNemar mid-p, Bonett–Price interval".
        scale: Whether ``effect``, ``low``, ``high`` and ``mde`` are differences, or factors: the geometric mean of
            candidate ÷ baseline.
        sentence: The whole verdict in one plain sentence.
        notes: Further plain sentences: unpaired rows, few clusters, other eval set content …
    """

    status: Literal["BETTER", "WORSE", "EQUIVALENT", "INCONCLUSIVE", "INVALID"]
    metric: str
    effect: float
    low: float
    high: float
    alpha: float
    p: float
    n: int
    better: int
    worse: int
    same: int
    mde: float | None
    needed: int | None
    method: str
    sentence: str
    unpaired: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    deltas: tuple[ExampleDelta, ...] = ()
    scale: Literal["difference", "ratio"] = "difference"


class GuardrailVerdict(Struct, frozen=True):
    """Whether a metric that must not get worse did.

    Attributes:
        status: HELD when the interval excludes a loss beyond the limit, BROKEN when it holds nothing but such a loss,
            UNCLEAR in between, INVALID for the reasons of a verdict or a ratio of values that are not positive.
        effect: Mean paired difference, candidate − baseline; for a ratio the geometric mean of candidate ÷ baseline.
        bound: The worst that the data allow, one-sided at ``1 - alpha``, on the scale of ``effect``.
        limit: Where ``bound`` must not reach, on the scale of ``effect``.
        p: One-sided p of the hypothesis that the loss reaches the limit; HELD is p < alpha.
    """

    status: Literal["HELD", "BROKEN", "UNCLEAR", "INVALID"]
    metric: str
    effect: float
    bound: float
    limit: float
    p: float
    n: int
    sentence: str


class DiffSpan(Struct, frozen=True):
    """A stretch of text. "same" and "removed" joined give the old text, "same" and "added" the new one."""

    op: Literal["same", "removed", "added"]
    text: str

"""Metrics that must not get worse: non-inferiority, and the correction for testing several of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from promptlab.compare import paired, sentences
from promptlab.compare.anytime import Betting, Range, largest
from promptlab.compare.sentences import Measure
from promptlab.compare.values import GuardrailVerdict
from promptlab.compare.verdict import Column, Estimated, Pairs, invalid, pair
from promptlab.errors import UsageFault
from promptlab.workspace.values import Decision, Guardrail


def check_guardrail(
    baseline: Column,
    candidate: Column,
    guard: Guardrail,
    direction: Literal["max", "min", "info"],
    kind: Literal["binary", "numeric"],
    decision: Decision,
    clusters: Mapping[str, str] | None = None,
    trials: int = 1,
    unit: str = "",
    anytime: Anytime | None = None,
) -> GuardrailVerdict:
    """Say whether the candidate stays within what the guardrail allows.

    With ``margin`` the mean paired difference must not be worse by that much; with ``ratio`` the geometric mean of
    candidate ÷ baseline must not be worse by that factor (mean paired difference of logarithms). HELD means that
    the one-sided interval at ``1 - alpha`` excludes such a loss; several guardrails are corrected with :func:`holm`.

    Args:
        baseline: Scores of the column that is compared with, by example id.
        candidate: Scores of the column in question.
        guard: The metric and what is allowed.
        direction: Which way of the metric is better.
        kind: ``binary`` for metrics whose single scores are 0 or 1, averaged over trials or not.
        decision: ``alpha``.
        clusters: Example id to cluster, or None.
        trials: Samples per example behind each value.
        unit: Of the metric, for the sentence.
        anytime: For a run that could stop at any moment: what single values lie between.

    Raises:
        UsageFault: The metric has no better and worse.
    """
    if direction == "info":
        raise UsageFault(f"The metric “{guard.metric}” has no better or worse, so it cannot be a guardrail.")
    pairs = pair(baseline, candidate, direction)
    why = invalid(pairs, clusters)
    if not why and guard.ratio is not None:
        why = _not_positive(pairs)
    if why:
        nan = math.nan
        return GuardrailVerdict("INVALID", guard.metric, nan, nan, nan, nan, len(pairs.ids), f"INVALID: {why}")
    estimate: Bounding
    if anytime is not None:
        if anytime.bounds is None or guard.ratio is not None:
            return _not_at_any_moment(guard.metric, len(pairs.ids))
        estimate = Betting(pairs.differences, pairs.groups(clusters), anytime.bounds.span, largest(clusters))
        allowed = guard.margin or 0.0
    elif guard.ratio is None:
        estimate = pairs.estimate(kind, clusters, trials)
        allowed = guard.margin or 0.0
    else:
        logs = [math.log(new / old) for old, new in pairs.values()]
        estimate = paired.numeric(logs, pairs.groups(clusters), bounded=False)
        # A factor of 1.2 and one of 1/1.2 say the same: how much worse is too much.
        allowed = abs(math.log(guard.ratio))
    scale = _Scale(guard.ratio is not None, Measure(kind == "binary", unit))
    return _judge(guard.metric, estimate, allowed, direction, decision.alpha, len(pairs.ids), scale)


class Anytime(NamedTuple):
    """The guardrail is of a run that could stop at any moment; ``bounds`` are None for a metric without ends."""

    bounds: Range | None


class Bounding(Estimated, Protocol):
    """An estimate that can say how far a difference is from a bound, on either side."""

    def p_below(self, bound: float) -> float: ...
    def p_above(self, bound: float) -> float: ...


def _not_at_any_moment(metric: str, n: int) -> GuardrailVerdict:
    why = "the run could stop at any moment, and this limit has a test only for a run that asks everything"
    return GuardrailVerdict("UNCLEAR", metric, math.nan, math.nan, math.nan, 1.0, n, f"UNCLEAR: {metric}: {why}.")


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Holm 1979): adjusted p values, in the order given, for one common alpha."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def _not_positive(pairs: Pairs) -> str:
    bad = sum(1 for old, new in pairs.values() if old <= 0 or new <= 0)
    if not bad:
        return ""
    return f"A ratio needs values above 0, which {bad} of {len(pairs.ids)} examples have not; use `margin`."


class _Scale(NamedTuple):
    """From the scale of an estimate, a difference or the logarithm of a ratio, to what is shown and said."""

    ratio: bool
    measure: Measure

    def shown(self, value: float) -> float:
        return math.exp(value) if self.ratio else value

    def said(self, value: float) -> str:
        if self.ratio:
            return f"× {sentences.three_digits(math.exp(value))}"
        return f"{self.measure.signed(value)}{self.measure.suffix}"


_SAYS = {
    "HELD": "the data exclude a loss beyond the limit",
    "BROKEN": "the loss is beyond the limit",
    "UNCLEAR": "the data do not exclude a loss beyond the limit",
}


def _judge(
    metric: str, estimate: Bounding, allowed: float, direction: str, alpha: float, n: int, scale: _Scale
) -> GuardrailVerdict:
    low, high = estimate.interval(1 - 2 * alpha)
    if direction == "max":
        bound, limit, p = low, -allowed, estimate.p_below(-allowed)
        held, broken = low > limit, high < limit
    else:
        bound, limit, p = high, allowed, estimate.p_above(allowed)
        held, broken = high < limit, low > limit
    # Without spread the interval is a point; on a handful of examples that proves nothing.
    certain = estimate.se > 0 or estimate.smallest_p < alpha
    status = "UNCLEAR" if not certain else "HELD" if held else "BROKEN" if broken else "UNCLEAR"
    sentence = (
        f"{status}: {metric} changes by {scale.said(estimate.effect)}, at worst by {scale.said(bound)} "
        f"({sentences.percent(1 - alpha)} one-sided, limit {scale.said(limit)}, n = {n}): {_SAYS[status]}."
    )
    return GuardrailVerdict(
        status=status,
        metric=metric,
        effect=scale.shown(estimate.effect),
        bound=scale.shown(bound),
        limit=scale.shown(limit),
        p=p,
        n=n,
        sentence=sentence,
    )

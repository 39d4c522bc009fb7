"""Two columns of scores, paired by example → one verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from msgspec import structs

from promptlab.compare import paired, sentences
from promptlab.compare.paired import FEW_CLUSTERS, Estimate
from promptlab.compare.sentences import Measure
from promptlab.compare.student import NORMAL
from promptlab.compare.values import ExampleDelta, Verdict
from promptlab.errors import UsageFault
from promptlab.workspace.values import Decision

Column = Mapping[str, float | None]
"""Example id to score, averaged over trials; None where it is missing."""

MISSING_LIMIT = 0.05
POWER = 0.8


def decide(
    baseline: Column,
    candidate: Column,
    metric: str,
    direction: Literal["max", "min", "info"],
    kind: Literal["binary", "numeric", "preference"],
    decision: Decision,
    clusters: Mapping[str, str] | None = None,
    trials: int = 1,
    unit: str = "",
    ratio: bool = False,
) -> Verdict:
    """Say whether the candidate is better than the baseline, and how sure that is.

    Independent yes-or-no scores of one trial go to McNemar's mid-p test and the Bonett–Price interval, everything
    else to the sign-flip permutation test and a t interval (over clusters where there are any).

    BETTER and WORSE need both: the interval of the effect clear of 0, and p < alpha. EQUIVALENT is two one-sided
    tests: the interval at 1 − 2·alpha within ± ``min_effect``. INVALID comes before all of them.

    Args:
        baseline: Scores of the column that is compared with.
        candidate: Scores of the column in question.
        metric: Its name, for the sentence.
        direction: Which way is better.
        kind: ``binary`` for metrics whose single scores are 0 or 1, averaged over trials or not. ``preference`` for
            1, 0.5 and 0 (a win, a tie, a loss) against a baseline of 0.5: the test is then the sign test.
        decision: ``alpha`` and ``min_effect``.
        clusters: Example id to cluster; an example that is not in it stands alone. None where all do.
        trials: Samples per example behind each value.
        unit: Of the metric, for the sentence.
        ratio: The metric is an amount such as seconds: candidate ÷ baseline counts, by the differences of logarithms,
            and ``min_effect`` is a share of the baseline. Only where every value is above 0.

    Raises:
        UsageFault: The metric has no better and worse.
    """
    if direction == "info":
        raise UsageFault(
            f"The metric “{metric}” is shown for information: it has no better or worse, so it cannot decide. "
            "Name another one as `primary` in [decision]."
        )
    pairs = pair(baseline, candidate, direction)
    why = invalid(pairs, clusters)
    verdict = undecided(metric, decision, pairs, why)
    if not pairs.can_estimate(clusters):
        return verdict
    if ratio and all(old > 0 and new > 0 for old, new in pairs.values()):
        return _as_ratio(verdict, pairs, why, clusters, decision, direction)
    estimate = pairs.estimate(kind, clusters, trials)
    return conclude(verdict, estimate, why, pairs, clusters, decision, direction, measure_of(kind, unit))


def _as_ratio(
    verdict: Verdict, pairs: Pairs, why: str, clusters: Mapping[str, str] | None, decision: Decision, direction: str
) -> Verdict:
    """The verdict on candidate ÷ baseline: concluded on logarithms, and given as factors."""
    logs = [math.log(new / old) for old, new in pairs.values()]
    estimate = paired.numeric(logs, pairs.groups(clusters), bounded=False)
    decision = structs.replace(decision, min_effect=math.log1p(decision.min_effect))
    measure = Measure(points=False, unit="", ratio=True)
    found = conclude(verdict, estimate, why, pairs, clusters, decision, direction, measure)
    return structs.replace(
        found,
        effect=math.exp(found.effect),
        low=math.exp(found.low),
        high=math.exp(found.high),
        mde=math.exp(found.mde) if found.mde is not None and found.mde < 700 else None,
        method=f"{found.method} of the logarithms",
        scale="ratio",
    )


def measure_of(kind: Literal["binary", "numeric", "preference"], unit: str) -> Measure:
    """How differences of a metric of this kind are said."""
    return Measure(kind != "numeric", unit, even=kind == "preference")


class Estimated(Protocol):
    """What a verdict is made of; ``paired.Estimate`` says what each of them is."""

    @property
    def effect(self) -> float: ...
    @property
    def se(self) -> float: ...
    @property
    def p(self) -> float: ...
    @property
    def units(self) -> int: ...
    @property
    def smallest_p(self) -> float: ...
    @property
    def limit(self) -> float: ...
    @property
    def test(self) -> str: ...
    @property
    def interval_name(self) -> str: ...
    def interval(self, level: float) -> tuple[float, float]: ...


def conclude(
    verdict: Verdict,
    estimate: Estimated,
    why: str,
    pairs: Pairs,
    clusters: Mapping[str, str] | None,
    decision: Decision,
    direction: str,
    measure: Measure,
) -> Verdict:
    """A verdict with the numbers of an estimate, and the status and sentence that follow from them.

    Args:
        verdict: From :func:`undecided`.
        estimate: Of the effect.
        why: What makes it INVALID, or "".
        pairs: What was compared.
        clusters: Example id to cluster, or None.
        decision: ``alpha`` and ``min_effect``.
        direction: Which way is better.
        measure: How differences are said.
    """
    low, high = estimate.interval(1 - decision.alpha)
    status = "INVALID" if why else _status(estimate, decision, direction)
    mde, needed = _power(estimate, decision, verdict.n)
    verdict = structs.replace(
        verdict,
        status=status,
        effect=estimate.effect,
        low=low,
        high=high,
        p=estimate.p,
        mde=mde,
        needed=needed,
        method=f"{estimate.test}, {estimate.interval_name}",
        notes=tuple(_notes(status, estimate, decision, pairs, clusters, measure)),
    )
    return verdict if why else structs.replace(verdict, sentence=_sentence(verdict, estimate, decision, measure))


class Pairs(NamedTuple):
    """Two columns side by side, in the order of the baseline's examples.

    Attributes:
        ids, differences: Of the examples that both sides have; candidate − baseline.
        unpaired: Ids that a side lacks, or has no value for.
        total: Examples that either side knows.
        lacking: How many of them the baseline and the candidate have no value for.
    """

    ids: tuple[str, ...]
    differences: tuple[float, ...]
    unpaired: tuple[str, ...]
    total: int
    lacking: tuple[int, int]
    better: int
    worse: int
    deltas: tuple[ExampleDelta, ...]

    def values(self) -> Iterator[tuple[float, float]]:
        """Baseline and candidate of each pair."""
        for delta in self.deltas:
            if delta.baseline is not None and delta.candidate is not None:
                yield delta.baseline, delta.candidate

    def groups(self, clusters: Mapping[str, str] | None) -> list[str] | None:
        """The cluster of each pair, or None when every pair stands alone."""
        if clusters is None:
            return None
        found = [clusters.get(example, f"\0{example}") for example in self.ids]
        return found if len(set(found)) < len(found) else None

    def can_estimate(self, clusters: Mapping[str, str] | None) -> bool:
        """At least two pairs, of at least two clusters."""
        groups = self.groups(clusters)
        return len(self.ids) >= 2 and (groups is None or len(set(groups)) >= 2)

    def estimate(self, kind: str, clusters: Mapping[str, str] | None, trials: int) -> Estimate:
        """The effect by the method that fits these scores."""
        groups = self.groups(clusters)
        step = 0.5 if kind == "preference" else 1.0
        whole = kind != "numeric" and trials == 1 and all(d in (-step, 0, step) for d in self.differences)
        if whole and groups is None:
            return paired.preference(self.differences) if kind == "preference" else paired.binary(self.differences)
        return paired.numeric(self.differences, groups, bounded=kind != "numeric")


def pair(baseline: Column, candidate: Column, direction: str) -> Pairs:
    """Join two columns by example id; nothing is dropped without being listed."""
    sign = -1 if direction == "min" else 1
    ids: list[str] = []
    differences: list[float] = []
    unpaired: list[str] = []
    deltas: list[ExampleDelta] = []
    lacking = [0, 0]
    for example in dict.fromkeys((*baseline, *candidate)):
        old, new = _value(baseline, example), _value(candidate, example)
        lacking[0] += old is None
        lacking[1] += new is None
        if old is None or new is None:
            unpaired.append(example)
            deltas.append(ExampleDelta(example, old, new, None))
            continue
        # Means over trials may differ by rounding; that is no difference.
        difference = 0.0 if math.isclose(old, new, rel_tol=1e-12, abs_tol=1e-15) else new - old
        ids.append(example)
        differences.append(difference)
        deltas.append(ExampleDelta(example, old, new, sign * difference + 0.0))
    return Pairs(
        ids=tuple(ids),
        differences=tuple(differences),
        unpaired=tuple(unpaired),
        total=len(deltas),
        lacking=(lacking[0], lacking[1]),
        better=sum(1 for difference in differences if sign * difference > 0),
        worse=sum(1 for difference in differences if sign * difference < 0),
        deltas=tuple(deltas),
    )


def _value(column: Column, example: str) -> float | None:
    value = column.get(example)
    return value if value is not None and math.isfinite(value) else None


def invalid(pairs: Pairs, clusters: Mapping[str, str] | None) -> str:
    """Why these pairs can carry no verdict, as a sentence, or ""."""
    for side, lacking in zip(("baseline", "candidate"), pairs.lacking, strict=True):
        if lacking > MISSING_LIMIT * pairs.total:
            share = sentences.percent(round(lacking / pairs.total, 3))
            return (
                f"{lacking} of {sentences.count(pairs.total, 'example')} ({share}) have no score in the {side}, "
                f"more than {sentences.percent(MISSING_LIMIT)}: what is left may not be a fair sample."
            )
    if len(pairs.ids) < 2:
        return (
            f"{sentences.count(len(pairs.ids), 'example')} with a score on both sides; a comparison needs at least 2."
        )
    if not pairs.can_estimate(clusters):
        return "All examples are in one group, so nothing is known of the spread between groups; use at least 2."
    return ""


def _status(
    estimate: Estimated, decision: Decision, direction: str
) -> Literal["BETTER", "WORSE", "EQUIVALENT", "INCONCLUSIVE"]:
    low, high = estimate.interval(1 - decision.alpha)
    if estimate.p < decision.alpha and (low > 0 or high < 0):
        return "BETTER" if (low > 0) == (direction == "max") else "WORSE"
    margin = decision.min_effect
    near_low, near_high = estimate.interval(1 - 2 * decision.alpha)
    # Equal scores on a handful of examples prove nothing: the test must at least have been able to speak.
    if -margin < near_low and near_high < margin and estimate.smallest_p < decision.alpha:
        return "EQUIVALENT"
    return "INCONCLUSIVE"


def _power(estimate: Estimated, decision: Decision, n: int) -> tuple[float | None, int | None]:
    """The effect that this n would have shown four times in five, and the n that would so show ``min_effect``.

    δ = (z_{1−α/2} + z_{power})·SE (Miller 2024, section 5); SE shrinks with √n, clusters of the same size assumed.
    """
    if not estimate.se > 0:
        return None, None
    mde = (NORMAL.inv_cdf(1 - decision.alpha / 2) + NORMAL.inv_cdf(POWER)) * estimate.se
    needed = math.ceil(n * (mde / decision.min_effect) ** 2 - 1e-9) if decision.min_effect > 0 else None
    return (mde if mde <= estimate.limit else None), needed


def _sentence(verdict: Verdict, estimate: Estimated, decision: Decision, measure: Measure) -> str:
    facts = (
        f"n = {verdict.n}, {verdict.better} better, {verdict.worse} worse, "
        f"{sentences.p_text(estimate.test, verdict.p)}"
    )
    level, low, high = 1 - decision.alpha, verdict.low, verdict.high
    if verdict.status == "EQUIVALENT":
        level = 1 - 2 * decision.alpha
        low, high = estimate.interval(level)
    interval = f"{sentences.percent(level)} interval {measure.signed(low)} to {measure.signed(high)}"
    doubt = "which may be chance"
    if not verdict.better and not verdict.worse:
        said = f"{verdict.metric} is {measure.same} on every example"
        doubt = "which leaves room for a small difference"
    elif verdict.effect == 0:
        said = f"{verdict.metric} is {measure.same} on average"
    else:
        said = f"{verdict.metric} is {measure.apart(verdict.effect)}"
    if verdict.status in ("BETTER", "WORSE"):
        return f"{verdict.status}: {said} ({interval}, {facts})."
    margin = measure.plain(decision.min_effect)
    if verdict.status == "EQUIVALENT":
        return f"EQUIVALENT: {said}, and any true difference is smaller than {margin} ({interval}, {facts})."
    sentence = f"INCONCLUSIVE: {said}, {doubt} ({interval}, {facts})."
    if verdict.mde is not None:
        sentence += f" A difference of {measure.plain(verdict.mde)} would probably have shown."
    if verdict.needed is not None and verdict.needed > verdict.n:
        sentence += f" To see one of {margin} takes about {sentences.count(verdict.needed, 'example')}."
    return sentence


def _notes(
    status: str,
    estimate: Estimated,
    decision: Decision,
    pairs: Pairs,
    clusters: Mapping[str, str] | None,
    measure: Measure,
) -> Sequence[str]:
    notes: list[str] = []
    if pairs.unpaired:
        left_out = sentences.count(len(pairs.unpaired), "example")
        notes.append(f"Left out, without a score on both sides: {left_out}: {sentences.listed(pairs.unpaired)}.")
    low, high = estimate.interval(1 - decision.alpha)
    clear = low > 0 or high < 0
    alpha = f"{decision.alpha:g}"
    if estimate.smallest_p >= decision.alpha:
        units = sentences.count(estimate.units, "example" if pairs.groups(clusters) is None else "group")
        notes.append(f"With {units} no result can reach p < {alpha}: use more.")
    elif clear != (estimate.p < decision.alpha):
        says = "leaves out 0 but p is not below" if clear else "includes 0 though p is below"
        notes.append(f"The interval {says} {alpha}: too close to call.")
    if pairs.groups(clusters) is not None and estimate.units < FEW_CLUSTERS:
        notes.append(f"Only {estimate.units} groups: intervals from fewer than {FEW_CLUSTERS} are rough.")
    if status in ("BETTER", "WORSE") and decision.min_effect > 0:
        nearest_end = min(abs(low), abs(high))
        margin = measure.mattering(decision.min_effect)
        if nearest_end > decision.min_effect:
            notes.append(f"The difference is at least {measure.plain(nearest_end)}, more than {margin}.")
        elif max(abs(low), abs(high)) < decision.min_effect:
            notes.append(f"The difference is real but smaller than {margin}.")
    if estimate.se == 0 and estimate.effect:
        notes.append("Every example differs by the same amount, so the interval has no width; judge it by p.")
    return notes


def undecided(metric: str, decision: Decision, pairs: Pairs, why: str) -> Verdict:
    """A verdict with what is known before any estimate; INVALID, and no other number in it."""
    return Verdict(
        status="INVALID",
        metric=metric,
        effect=math.nan,
        low=math.nan,
        high=math.nan,
        alpha=decision.alpha,
        p=math.nan,
        n=len(pairs.ids),
        better=pairs.better,
        worse=pairs.worse,
        same=len(pairs.ids) - pairs.better - pairs.worse,
        mde=None,
        needed=None,
        method="",
        sentence=f"INVALID: {why}",
        unpaired=pairs.unpaired,
        deltas=pairs.deltas,
    )

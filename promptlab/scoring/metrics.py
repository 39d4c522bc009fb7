"""The computed metrics of one outcome.

White space around an answer never counts: chat models end their lines. A metric that cannot be computed gives a
missing score with the reason, and so does every metric of an outcome that has a fault; neither is ever a 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from promptlab.models.values import Outcome
from promptlab.scoring.catalogue import OUTSIDE, computed
from promptlab.scoring.metric import NOTHING, Beside, Case, Missing
from promptlab.scoring.values import Score
from promptlab.workspace.values import Example, MetricSpec, Output


def score(
    specs: Sequence[MetricSpec],
    example: Example,
    outcome: Outcome,
    output: Output | None,
    beside: Beside = NOTHING,
) -> tuple[Score, ...]:
    """Score one outcome with every computed metric; what judges, people and own code say is left out.

    Args:
        specs: Valid entries of an eval set.
        example: The example that was asked.
        outcome: What came back. Latency and cost of a cached outcome are those of the time it was made.
        output: The prompt's output contract, for ``choice`` and ``json_schema``.
        beside: What else is known, for the metrics that need it.

    Raises:
        UsageFault: A metric is not in the catalogue.
    """
    return tuple(
        _score_one(spec, Case.of(spec, example, outcome, output, beside)) for spec in specs if spec.id not in OUTSIDE
    )


def _score_one(spec: MetricSpec, case: Case) -> Score:
    if case.outcome.fault is not None:
        return Score(case.name, missing=f"error: {case.outcome.fault.message}")
    try:
        return computed(spec.id).compute(case)
    except Missing as reason:
        return Score(case.name, missing=str(reason))

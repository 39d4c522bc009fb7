"""How probable the candidate itself holds the right choice."""

from __future__ import annotations

from typing import cast

from promptlab.models.values import ChoiceProbabilities
from promptlab.scoring.metric import Case, Missing
from promptlab.scoring.values import MetricInfo, Score
from promptlab.workspace import sheet as check

CHOICE_PROB = "choice_prob"
INFO = MetricInfo(
    CHOICE_PROB, "max", "numeric", 0.0, 1.0, "", "expected", 1, "probability of the expected one of the choices"
)
OPTIONS = {"choices": check.words}
_LITTLE = 0.5


def choices_of(case: Case) -> tuple[str, ...]:
    """The choices that are weighed: the option's, else those of the prompt's `[output]`.

    Raises:
        Missing: There are none, or the expected answer is none of them.
    """
    declared = cast("list[str] | None", case.options.get("choices"))
    found = declared or (case.output.choices if case.output is not None else None)
    if not found:
        raise Missing("no choices are declared: give the metric `choices`, or the prompt's [output]")
    if not set(case.alternatives) & set(found):
        raise Missing("the example's `expected` is none of the choices")
    return tuple(found)


def choice_prob(case: Case, weighed: ChoiceProbabilities) -> Score:
    """p(expected) ÷ Σ p(choices), of the tokens that spell them (Miller 2024, arXiv 2411.00640, section 3.2)."""
    right = sum(weighed.of.get(text, 0.0) for text in set(case.alternatives))
    low = weighed.mass < _LITTLE
    return case.share(right, f"only {weighed.mass:.1%} of what the model would say is a choice" if low else "")

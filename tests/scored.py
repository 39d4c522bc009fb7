"""One metric of one answer, for the tests of the catalogue."""

from __future__ import annotations

from promptlab.models.values import Outcome
from promptlab.scoring.metric import NOTHING, Beside
from promptlab.scoring.metrics import score
from promptlab.scoring.values import Score
from promptlab.workspace.values import Example, MetricSpec


def of(
    id: str,
    text: str,
    example: Example | None = None,
    outcome: Outcome | None = None,
    beside: Beside = NOTHING,
    **options: object,
) -> Score:
    spec, example = MetricSpec(id, id, options), example or Example("e")
    (found,) = score([spec], example, outcome or Outcome("k", text), None, beside)
    return found


def value(id: str, text: str, example: Example | None = None, **options: object) -> float:
    found = of(id, text, example, **options)
    assert found.value is not None, found.missing
    return found.value


def expecting(expected: object) -> Example:
    return Example("e", expected=expected)


def referring(reference: str) -> Example:
    return Example("e", reference=reference)

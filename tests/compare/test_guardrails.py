"""Guardrails: what must not get worse, and Holm's correction."""

from __future__ import annotations

import math
import random

import pytest
from statsmodels.stats.multitest import multipletests

from promptlab.compare.guardrails import check_guardrail, holm
from promptlab.compare.values import GuardrailVerdict
from promptlab.errors import UsageFault
from promptlab.workspace.values import Decision, Guardrail

DECISION = Decision()
Scores = dict[str, float | None]


def latency(factor: float, guard: Guardrail, n: int = 60) -> GuardrailVerdict:
    dice = random.Random(3)
    old: Scores = {str(i): math.exp(dice.gauss(0.5, 0.4)) for i in range(n)}
    new: Scores = {key: (value or 0) * factor * math.exp(dice.gauss(0, 0.2)) for key, value in old.items()}
    return check_guardrail(old, new, guard, "min", "numeric", DECISION, unit="s")


@pytest.mark.parametrize(("factor", "status"), [(0.9, "HELD"), (1.0, "HELD"), (1.2, "UNCLEAR"), (1.5, "BROKEN")])
def test_a_ratio_of_latencies(factor: float, status: str) -> None:
    verdict = latency(factor, Guardrail("latency", ratio=1.2))
    assert verdict.status == status
    assert (verdict.p < DECISION.alpha) == (status == "HELD")
    assert (verdict.bound < 1.2) == (status == "HELD")
    assert verdict.limit == pytest.approx(1.2)
    assert verdict.effect == pytest.approx(factor, rel=0.08)


def test_the_sentence_of_a_ratio() -> None:
    assert latency(1.5, Guardrail("latency", ratio=1.2)).sentence == (
        "BROKEN: latency changes by × 1.49, at worst by × 1.56 (95 % one-sided, limit × 1.20, n = 60): "
        "the loss is beyond the limit."
    )


def shares(lost: int, gained: int, n: int) -> tuple[Scores, Scores]:
    old: Scores = {str(i): 1.0 if i < lost else 0.0 if i < lost + gained else 1.0 for i in range(n)}
    new: Scores = {str(i): 0.0 if i < lost else 1.0 for i in range(n)}
    return old, new


def test_a_margin_in_points() -> None:
    verdict = check_guardrail(*shares(3, 5, 120), Guardrail("polite", margin=0.05), "max", "binary", DECISION)
    assert verdict.sentence == (
        "HELD: polite changes by +1.7 points, at worst by -2.6 points (95 % one-sided, limit -5.0 points, n = 120): "
        "the data exclude a loss beyond the limit."
    )


def test_a_ratio_of_a_metric_where_more_is_better_is_read_downwards() -> None:
    old: Scores = {str(i): 4.0 + i % 2 for i in range(30)}
    new: Scores = {key: (value or 0) * (0.7 + 0.01 * (int(key) % 3)) for key, value in old.items()}
    for ratio in (1.25, 0.8):
        verdict = check_guardrail(old, new, Guardrail("grade", ratio=ratio), "max", "numeric", DECISION)
        assert (verdict.status, round(verdict.limit, 3)) == ("BROKEN", 0.8)


def test_what_cannot_be_checked() -> None:
    guard = Guardrail("latency", ratio=1.2)
    zero = check_guardrail({"a": 0.0, "b": 1.0}, {"a": 1.0, "b": 1.0}, guard, "min", "numeric", DECISION)
    assert zero.sentence == "INVALID: A ratio needs values above 0, which 1 of 2 examples have not; use `margin`."
    assert check_guardrail({}, {}, guard, "min", "numeric", DECISION).status == "INVALID"
    with pytest.raises(UsageFault, match="cannot be a guardrail"):
        check_guardrail({}, {}, guard, "info", "numeric", DECISION)
    few = check_guardrail({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 1.0}, guard, "min", "numeric", DECISION)
    assert few.status == "UNCLEAR"


def test_holm_agrees_with_statsmodels() -> None:
    for values in ([0.01, 0.04, 0.03, 0.005], [0.5], [], [0.2, 0.2, 0.9, 1.0]):
        oracle = multipletests(values, method="holm")[1].tolist() if values else []
        assert holm(values) == pytest.approx(oracle)

"""What scoring an answer costs beside reading it, and that no reply of a judge is dear to read.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_scoring.py
"""

from __future__ import annotations

import json

import pytest
from benchmarks.clock import least, ratio

from promptlab.models.values import Outcome
from promptlab.scoring.catalogue import COMPUTED
from promptlab.scoring.grades import read_grade
from promptlab.scoring.metrics import score
from promptlab.workspace.values import Example, Judge, MetricSpec

pytestmark = pytest.mark.benchmark
SCALE, WORDS = Judge(scale=(1, 5)), Judge(choices={"yes": 1.0, "no": 0.0})
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "team": {"enum": ["billing", "other"]}},
    "required": ["id", "team"],
}
OPTIONS: dict[str, dict[str, object]] = {"regex": {"pattern": r"\bdue\b"}, "json_schema": {"schema": SCHEMA}}


def test_every_metric_of_a_thousand_outcomes() -> None:
    specs = [MetricSpec(id, id, OPTIONS.get(id, {})) for id in COMPUTED]
    example, outcome = Example("e", expected="3"), Outcome("k", '{"id": 3, "team": "other"}', latency=0.1)
    found = ratio(
        f"{len(specs)} metrics of 1,000 outcomes",
        lambda: [score(specs, example, outcome, None) for _ in range(1000)],
        "json.loads once a metric",
        lambda: [json.loads(outcome.text) for _ in range(1000 * len(specs))],
    )
    assert found < 20


@pytest.mark.parametrize("unit", ["score ", "**", "9", "1 of ", "( - ", " "])
@pytest.mark.parametrize("judge", [SCALE, WORDS], ids=["scale", "words"])
def test_reading_a_grade_grows_with_the_reply_and_no_faster(judge: Judge, unit: str) -> None:
    short, long = ("score " + unit * (size // len(unit)) for size in (25_000, 100_000))
    quick, slow = least(lambda: read_grade(judge, short), lambda: read_grade(judge, long))
    print(f"\n  {unit!r}: 100 kB {1000 * slow:.2f} ms = {slow / quick:.1f} × 25 kB ({1000 * quick:.2f} ms)", end="")
    assert slow < 10 * quick or slow < 0.001, "four times the text: a square would take sixteen times as long"

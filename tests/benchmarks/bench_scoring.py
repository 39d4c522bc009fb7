"""What scoring an answer costs beside reading it, and that no reply of a judge is dear to read.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_scoring.py
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

import pytest
from benchmarks.clock import least, ratio

from promptlab.lab.rescoring import rescored
from promptlab.lab.table import RunTable
from promptlab.lab.values import CellScored
from promptlab.models.values import Outcome
from promptlab.runs.values import Variant
from promptlab.scoring.catalogue import COMPUTED
from promptlab.scoring.grades import read_grade
from promptlab.scoring.metrics import score
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.values import Decision, Example, Judge, MetricSpec, Params

pytestmark = pytest.mark.benchmark
SCALE, WORDS = Judge(scale=(1, 5)), Judge(choices={"yes": 1.0, "no": 0.0})
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "team": {"enum": ["billing", "other"]}},
    "required": ["id", "team"],
}
OPTIONS: dict[str, dict[str, object]] = {
    "regex": {"pattern": r"\bdue\b"},
    "json_schema": {"schema": SCHEMA},
    "tool_call": {"tools": {"route": SCHEMA}},
}


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


def stored(outcomes: int) -> RunTable:
    """A run of two columns, without scores."""
    texts = "The parcel of order {} was sent on Monday. Please wait for two more days, then write again."
    message = b'[[messages]]\nrole = "user"\ncontent = "{{ ticket }}"\n'
    prompt = parse_prompt(message, "reply", "reply.toml")
    examples = [Example(f"e{at}", expected=str(at), reference=texts.format(at)) for at in range(outcomes // 2)]
    variants = [Variant(column, "reply", "reply", "v1", prompt.content, "m", column, Params()) for column in "ab"]
    table = RunTable(
        subject="reply",
        evalset="replies",
        evalset_content="0" * 12,
        examples=examples,
        variants=variants,
        baseline="a",
        trials=1,
        metrics=(),
        decision=Decision(),
        prompts=dict.fromkeys("ab", prompt),
        judges={},
        currency="",
    )
    for variant in variants:
        for at, example in enumerate(examples):
            outcome = Outcome(f"{variant.column}{at}", texts.format(at), latency=0.1)
            table.add(CellScored(variant.column, example.id, 0, outcome, ()))
    return table


async def longest_pause(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that a loop with a beat every 5 ms stood still at most while a thread works, and how long that took."""
    task = asyncio.create_task(asyncio.to_thread(work))
    start = last = time.perf_counter()
    longest = 0.0
    while not task.done():
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        longest, last = max(longest, now - last - 0.005), now
    await task
    return longest, time.perf_counter() - start


def test_scoring_ten_thousand_stored_outcomes_anew_leaves_the_loop_free() -> None:
    """As ``Lab.score`` does it, beside the loop that draws the screen; judged by CPU time, and by the share of it."""
    ids = "exact exact_norm contains token_f1 json_valid length rouge_l refusal pii repetition"
    metrics = [MetricSpec(id, id) for id in ids.split()]
    table = stored(10_000)
    before = time.process_time()
    pause, took = asyncio.run(longest_pause(lambda: rescored(table, metrics, {}, {})))
    cpu = time.process_time() - before
    print(f"\n  {cpu:.2f} s of CPU; the loop stood still for {1000 * pause:.0f} ms at most")
    assert cpu < 2
    assert pause < took / 10

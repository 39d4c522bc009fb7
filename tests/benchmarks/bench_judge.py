"""That the packaged model gives a grade whenever it is asked for one: 200 calls of each kind of judge.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_judge.py
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from gguf_support import NANO

from promptlab.models.registry import open_model
from promptlab.models.values import Model
from promptlab.scoring.judge import judge_outcomes
from promptlab.scoring.values import JudgeItem
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.values import Example, Judge, Message, Params, Prompt

pytestmark = pytest.mark.benchmark
JUDGES = {
    "scale": Judge(scale=(1, 5), criterion="It is polite."),
    "wide scale": Judge(scale=(0, 100), criterion="It is polite."),
    "choices": Judge(choices={"yes": 1.0, "no": 0.0}, criterion="It is polite."),
    "expected": Judge(scale=(1, 5), criterion="It is polite.", expected=True),
    "pairs": Judge(kind="pairwise", criterion="It is polite."),
}


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    opened = open_model(ModelEntry("nano", gguf=str(NANO)), NANO.parent)
    yield opened
    await opened.close()


@pytest.mark.parametrize("kind", JUDGES)
async def test_no_reply_is_without_a_grade(model: Model, kind: str) -> None:
    pairs = kind == "pairs"
    shown = "A: {{ answer_a }} B: {{ answer_b }}" if pairs else "{{ answer }}"
    messages = (Message("user", "{{ criterion }} Ticket: {{ ticket }} " + shown),)
    judge = Prompt("j", "0" * 12, "j.toml", messages, Params(temperature=0.8, max_tokens=8), judge=JUDGES[kind])
    items = [
        JudgeItem(str(n), Example(str(n), {"ticket": f"Order {n} is late."}), f"Sorry for {n}!", f"No. {n}.")
        for n in range(100 if pairs else 200)
    ]
    start = time.perf_counter()
    found = [one async for one in judge_outcomes(judge, "m", [model], items, retries=0)]
    replies = [reply for one in found for reply in one.score.replies]
    weighed = sum(reply.expected for reply in replies)
    print(f"\n  {kind}: {len(replies)} calls in {time.perf_counter() - start:.1f} s, {weighed} weighed", end="")
    assert len(replies) == 200
    assert [reply.missing for reply in replies if reply.missing] == []
    assert kind == "expected" or not any(reply.expected for reply in replies)

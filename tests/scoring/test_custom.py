"""Metrics of the workspace's own code: a real process, and everything that can go wrong in it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from promptlab.scoring.catalogue import describe, validate
from promptlab.scoring.custom import CustomMetric
from promptlab.scoring.values import Score
from promptlab.workspace.values import Example, MetricSpec


def spec(**options: object) -> MetricSpec:
    return MetricSpec("python", "own", {"python": "metrics/own.py:score", **options})


async def scores(tmp_path: Path, source: str, *answers: str, **options: object) -> list[Score]:
    metric = CustomMetric(spec(**options), source.encode(), tmp_path)
    try:
        return [await metric.score(Example("e1", {"word": "please"}, expected="yes"), answer) for answer in answers]
    finally:
        await metric.close()


async def test_it_sees_example_and_answer_and_one_process_scores_all(tmp_path: Path) -> None:
    source = """
import os
seen = []
def score(example, output):
    print("noise that must not reach the channel")
    os.write(1, b"more noise")
    seen.append(output)
    return (example["vars"]["word"] in output) + len(seen) / 10
"""
    found = await scores(tmp_path, source, "please", "now", "please \u2028 then")
    assert [score.value for score in found] == pytest.approx([1.1, 0.2, 1.3])


async def test_no_key_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    source = "import os\ndef score(example, output):\n    return len([n for n in os.environ if 'KEY' in n])\n"
    assert (await scores(tmp_path, source, "x"))[0].value == 0


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ("return 1 / 0", "ZeroDivisionError: division by zero"),
        ("return None", "the function returned None"),
        ("return float('nan')", "the function returned nan, which is no score"),
        ("return 'high'", "ValueError: could not convert string to float: 'high'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import os; os._exit(1)", "its process ended: perhaps it used more memory than `memory` allows"),
        ("return len(bytearray(900 << 20))", "MemoryError"),
        ("return 7", "the function returned 7, which is outside `low` and `high`"),
    ],
)
async def test_whatever_goes_wrong_is_missing_with_the_reason(tmp_path: Path, body: str, missing: str) -> None:
    source = f"def score(example, output):\n    {body}\n"
    (found,) = await scores(tmp_path, source, "x", low=0, high=5, memory=256)
    assert found == Score("own", missing=missing)


async def test_what_takes_too_long_is_ended_and_after_three_nothing_more_is_tried(tmp_path: Path) -> None:
    source = "def score(example, output):\n    while output == 'slow': pass\n    return 1\n"
    begun = time.monotonic()
    found = await scores(tmp_path, source, "slow", "fine", "slow", "slow", "slow", "fine", timeout=0.2)
    assert [score.value for score in found] == [None, 1.0, None, None, None, None]
    assert found[0].missing == "it took longer than 0.2 s"
    assert found[5].missing == (
        "not tried: metrics/own.py failed 3 times in a row, the last time: it took longer than 0.2 s"
    )
    assert time.monotonic() - begun < 20


async def test_a_file_that_does_not_load(tmp_path: Path) -> None:
    found = await scores(tmp_path, "def score(:", "x", "y")
    assert found[0].missing.startswith("metrics/own.py does not load: SyntaxError")
    assert found[1].missing.startswith("not tried: metrics/own.py failed 3 times")
    assert (await scores(tmp_path, "x = 1", "x"))[0].missing == "metrics/own.py has no function score"


def test_what_an_entry_may_say() -> None:
    assert validate(spec(), "e.toml") == []
    info = describe(spec(binary=True, direction="min"))
    assert (info.kind, info.low, info.high, info.direction) == ("binary", 0.0, 1.0, "min")
    info = describe(spec(low=1, high=5, unit="stars"))
    assert (info.kind, info.low, info.high, info.unit) == ("numeric", 1.0, 5.0, "stars")
    for wrong in ("/etc/own.py:score", "../own.py:score", "own.py", "own.sh:score", 3):
        (problem,) = validate(spec(python=wrong), "e.toml")
        assert "Expected a file of this workspace and a function in it" in problem.message
    assert "`low` is not below `high`" in validate(spec(low=2, high=1), "e.toml")[0].message
    assert "A yes-or-no metric is 0 or 1" in validate(spec(binary=True, high=1), "e.toml")[0].message
    assert "python" in validate(MetricSpec("python", "own"), "e.toml")[0].message

"""What the packaged models are held to: the steps of the triage ladder, and opposite questions answered apart.

Prompts, tickets and counting are those of ``tools/demo_model/evaluate.py``, whose longer run fills the models' card.
Run it with: pytest -s -m benchmark tests/benchmarks/bench_demo_models.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from promptlab import demo

pytest.importorskip("llama_cpp", reason="the local engine is not installed")

pytestmark = [pytest.mark.benchmark, pytest.mark.local]

TOOLS = Path(__file__).parents[2] / "tools" / "demo_model"
ITEMS = 100
TICKETS = "import examples, json\nfor row in examples.support(200, 2031):\n    print(json.dumps(row))"
"""Prints 200 tickets as those of the eval set ``support``, none of which it has."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """{model: {row: share}}, n = ITEMS each, greedy, one thread for ladders and one for questions."""
    folder = tmp_path_factory.mktemp("demo")

    def measure(name: str, part: str) -> dict[str, float]:
        found, file = folder / f"{name}-{part}.json", str(demo.models_folder() / f"{name}.gguf")
        sizes = ["--ladder", str(ITEMS), "--threads", "1", "--only", part, "--json", str(found)]
        subprocess.run([sys.executable, "-B", str(TOOLS / "evaluate.py"), file, *sizes], check=True, cwd=TOOLS)
        result: dict[str, Any] = json.loads(found.read_text())[file]
        return {f"{row['ladder']}: {row['prompt']}": row["exact"] for row in result.get("ladders", [])} | {
            row["name"]: row["both"] for row in result.get("sensitivity", [])
        }

    with ThreadPoolExecutor() as pool:
        parts = {name: [pool.submit(measure, name, part) for part in "BF"] for name in ("mini", "nano")}
        return {name: {**ladders.result(), **asked.result()} for name, (ladders, asked) in parts.items()}


@pytest.mark.parametrize(("before", "after"), [("triage@v1", "triage@v3"), ("triage@v3", "triage@v4")])
def test_the_product_sees_each_step_of_the_ladder(before: str, after: str, tmp_path: Path) -> None:
    """From vague to labels and format, and on to rules: BETTER over 200 tickets, kinds of tickets as clusters."""
    copy = tmp_path / "demo"
    demo.create(copy)
    rows = subprocess.check_output([sys.executable, "-B", "-c", TICKETS], cwd=TOOLS)
    (copy / "evalsets" / "others.jsonl").write_bytes(rows)
    support = (copy / "evalsets" / "support.toml").read_text()
    (copy / "evalsets" / "others.toml").write_text(support.replace('"support.jsonl"', '"others.jsonl"'))
    run = ["run", before, after, "-e", "others", "-m", "mini", "--no-commit", "--yes", "--json"]
    shown = subprocess.check_output([sys.executable, "-m", "promptlab", *run], cwd=copy)
    _, column = json.loads(shown)["run"]["columns"]
    verdict = column["verdict"]
    assert (verdict["n"], verdict["status"]) == (200, "BETTER"), verdict["sentence"]


def test_the_ladder_climbs(measured: dict[str, dict[str, float]]) -> None:
    mini, nano = measured["mini"], measured["nano"]
    vague, formatted, ruled = (mini[f"topic: {step}"] for step in ("v1 vague", "v3 +format", "v4 +rules"))
    assert formatted > vague + 0.1
    assert ruled > formatted + 0.05
    assert mini["topic: v6 few-shot incl. policy"] > mini["topic: v5 few-shot, no rules"] + 0.03
    assert mini["order: v3 +missing rule"] > mini["order: v2 +format"] + 0.15
    assert mean(nano.values()) < mean(mini.values()) - 0.15, "the smaller model is weaker"


def test_opposite_prompts_get_opposite_answers(measured: dict[str, dict[str, float]]) -> None:
    mini = measured["mini"]
    floors = {
        "family rule (seen phrasings)": 0.9,
        "family rule (held-out phrasings)": 0.75,
        "label names (seen phrasings)": 0.9,
        "label names (held-out phrasings)": 0.8,
        "judge yes/no question": 0.9,
        "judge rubric j4 vs j5": 0.8,
        "judge A/B swapped": 0.85,
    }
    assert {name: mini[name] for name, floor in floors.items() if mini[name] <= floor} == {}

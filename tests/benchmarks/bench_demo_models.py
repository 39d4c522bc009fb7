"""What the packaged models are held to: the steps of the triage ladder, and opposite questions answered apart.

Prompts, tickets and counting are those of ``tools/demo_model/evaluate.py``, whose longer run fills the models' card.
Run it with: pytest -s -m benchmark tests/benchmarks/bench_demo_models.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from promptlab import demo

pytest.importorskip("llama_cpp", reason="the local engine is not installed")

pytestmark = [pytest.mark.benchmark, pytest.mark.local]

TOOLS = Path(__file__).parents[2] / "tools" / "demo_model"
ITEMS = 80


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """{file: {row: share}} of both models, n = ITEMS each, greedy, one thread."""
    found = tmp_path_factory.mktemp("demo") / "results.json"
    files = [str(demo.models_folder() / f"{name}.gguf") for name in ("mini", "nano")]
    sizes = ["--ladder", str(ITEMS), "--threads", "1", "--only", "BF", "--json", str(found)]
    subprocess.run([sys.executable, "-B", str(TOOLS / "evaluate.py"), *files, *sizes], check=True, cwd=TOOLS)
    results: dict[str, dict[str, Any]] = json.loads(found.read_text())
    return {
        Path(file).stem: {f"{row['ladder']}: {row['prompt']}": row["exact"] for row in result["ladders"]}
        | {row["name"]: row["both"] for row in result["sensitivity"]}
        for file, result in results.items()
    }


def test_the_ladder_climbs(measured: dict[str, dict[str, float]]) -> None:
    mini, nano = measured["mini"], measured["nano"]
    vague, formatted, ruled = (mini[f"topic: {step}"] for step in ("v1 vague", "v3 +format", "v4 +rules"))
    assert formatted > vague + 0.1
    assert ruled >= formatted - 0.03
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
        "judge rubric j4 vs j5": 0.7,
        "judge A/B swapped": 0.85,
    }
    assert {name: mini[name] for name, floor in floors.items() if mini[name] <= floor} == {}

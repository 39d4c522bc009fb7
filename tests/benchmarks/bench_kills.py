"""What the suite kills a few times, killed as often as it takes to meet every moment: nothing lost, nothing twice.

Run with: pytest -s -m benchmark tests/benchmarks/bench_kills.py
Saves of a run are killed 200 times in tests/history/bench_kills.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.test_kill import killed_at_random as killed_program
from gguf_support import NANO, ask, collect
from runs.test_execute_deaths import CELLS
from runs.test_execute_deaths import killed_at_random as killed_child

from promptlab.models.gguf.process import GgufModel

pytest.importorskip("llama_cpp", reason="the local engine is not installed")

pytestmark = [pytest.mark.benchmark, pytest.mark.local]


async def test_the_engine_is_killed_twenty_times(tmp_path: Path) -> None:
    model = GgufModel(NANO, "nano", log=tmp_path / "gguf.log")
    try:
        await collect(model.generate([ask()]))
        children = await killed_child(tmp_path, model, 20)
        assert children > 10  # a kill that came before a child was ready met none
    finally:
        await model.close()
    print(f"\n20 kills of {children} children: {20 * CELLS} of {20 * CELLS} cells answered once")


def test_the_program_is_killed_five_times(tmp_path: Path) -> None:
    killed_program(tmp_path / "demo", 5)
    print("\n5 kills of the program: each cell answered once, one tag, and all of the person's unchanged")

"""What a run costs beside its models: plan, cache, journal and events of 10,000 cells that are answered at once.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_runs.py
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from runs.scripted import ScriptedModel, make_column, make_evalset, make_prompt

from promptlab.models.cache import Cache
from promptlab.runs.execute import execute
from promptlab.runs.journal import open_journal
from promptlab.runs.plan import make_plan
from promptlab.runs.stored import read_outcomes
from promptlab.runs.values import CellDone, Ended, Plan

CELLS = 10_000

T = TypeVar("T")


def measured(name: str, work: Callable[[], T]) -> tuple[T, float, float]:
    """The result, wall seconds and CPU seconds over all threads; prints one line."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"  {name:36} {wall:7.3f} s   CPU {cpu / CELLS * 1000:7.4f} ms a cell")
    return result, wall, cpu


def bare_loop(plan: Plan, path: Path) -> None:
    """The least that keeping every answer costs: JSON of the standard library, and one write a cell."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for cell in plan.cells:
        assert cell.request is not None
        answer = cell.request.messages[-1].content[::-1]
        line = {"column": cell.column, "example": cell.example, "trial": 0, "key": cell.key, "text": answer}
        os.write(file, json.dumps(line).encode() + b"\n")
    os.close(file)


def run(plan: Plan, root: Path) -> Ended:
    async def main() -> Ended:
        journal = await asyncio.to_thread(open_journal, root / "state", plan)
        cache = Cache(root / "cache")
        done, ended = 0, None
        async for event in execute(plan, {"mini": ScriptedModel()}, cache, journal, stop=asyncio.Event()):
            done += isinstance(event, CellDone)
            ended = event if isinstance(event, Ended) else ended
        cache.close()
        assert ended is not None
        assert done == CELLS
        return ended

    return asyncio.run(main())


@pytest.mark.benchmark
def test_ten_thousand_cells(tmp_path: Path) -> None:
    evalset = make_evalset(CELLS // 2)
    columns = [make_column(make_prompt(f"{word} {{{{ ticket }}}} " + "padding " * 60)) for word in "AB"]
    print(f"\n{CELLS} cells, answers of about 500 characters, the model answers at once")
    plan, _, planned = measured("plan", lambda: make_plan(evalset, evalset.examples, columns))
    _, _, bare = measured("bare loop: json.dumps and os.write", lambda: bare_loop(plan, tmp_path / "bare.jsonl"))
    first, _, ran = measured("run: journal, cache, events", lambda: run(plan, tmp_path))
    again, wall, _ = measured("again: all from the cache", lambda: run(plan, tmp_path))
    stored, read, _ = measured("read the journal", lambda: read_outcomes(tmp_path / "state", first.run))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  largest memory of the process        {peak:7.0f} MB")
    assert (again.progress.cached, len(stored.lines)) == (CELLS, CELLS)
    # Ratios hold on a slow and busy machine too; the bars of 0.6 ms a cell and 1.5 s are for the figures above.
    assert planned + ran < 30 * bare
    assert wall < 1.5 or wall < 30 * bare
    assert read < 5 * bare

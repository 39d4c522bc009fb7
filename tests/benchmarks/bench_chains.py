"""What a chain costs beside its calls: 64 examples through four steps, against the same calls as four flat batches.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_chains.py
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from runs.chained import Grades

from promptlab.demo.example import workspace_folder
from promptlab.models.cache import Cache
from promptlab.models.registry import open_model
from promptlab.models.values import Model, Outcome, Request, Watch
from promptlab.runs.execute import execute
from promptlab.runs.journal import open_journal
from promptlab.runs.means import Means
from promptlab.runs.plan import ColumnSpec, make_plan
from promptlab.runs.values import CellDone, Plan
from promptlab.workspace.folder import Workspace
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.settings_values import ModelEntry

pytestmark = [pytest.mark.benchmark, pytest.mark.local]
EXAMPLES = 64
MOST = 1.3
ROUNDS = 3

CHAIN = """inputs = ["ticket"]
[[steps]]
name = "team"
prompt = "triage"
inputs = { ticket = "{{ ticket }}" }
[[steps]]
name = "draft"
prompt = "reply"
when = "team.text != ''"
inputs = { ticket = "{{ ticket }}" }
[[steps]]
name = "number"
prompt = "order"
inputs = { ticket = "{{ draft.text }}" }
[[steps]]
name = "again"
prompt = "triage"
inputs = { ticket = "{{ draft.text }} {{ number.text }}" }
"""


class Recorded:
    """The model, with what it was asked: a list of requests for each batch."""

    def __init__(self, model: Model) -> None:
        self.name, self.identity, self.capabilities = model.name, model.identity, model.capabilities
        self.batches: list[list[Request]] = []
        self._model = model

    def generate(self, requests: Sequence[Request], watch: Watch | None = None) -> AsyncIterator[Outcome]:
        self.batches.append(list(requests))
        return self._model.generate(requests, watch)

    async def close(self) -> None:
        await self._model.close()


async def _chain(plan: Plan, model: Model, folder: Path, *, fresh: bool = True) -> tuple[float, float]:
    """Seconds of the run, and of this process's computing."""
    begin, computed = time.perf_counter(), time.process_time()
    journal = await asyncio.to_thread(open_journal, folder, plan)
    done: list[CellDone] = []
    cache = Cache(folder / "cache", fresh=fresh)
    events = execute(plan, Means({"mini": model}, cache, journal, asyncio.Event(), grades=Grades()))
    async for event in events:
        if isinstance(event, CellDone):
            done.append(event)
    seconds = time.perf_counter() - begin
    assert len(done) == EXAMPLES
    assert all(event.outcome.fault is None for event in done)
    return seconds, time.process_time() - computed


async def _flat(model: Model, batches: list[list[Request]]) -> tuple[float, float]:
    begin, computed = time.perf_counter(), time.process_time()
    for batch in batches:
        count = 0
        async for outcome in model.generate(batch):
            count += outcome.fault is None
        assert count == EXAMPLES
    return time.perf_counter() - begin, time.process_time() - computed


def _plan(model: Model, text: str = CHAIN) -> Plan:
    workspace = Workspace.open(workspace_folder())
    chain = parse_prompt(text.encode(), "chain", "prompts/chain.toml", workspace.working_copy)
    evalset = workspace.load_evalset("replies")
    examples = (*evalset.examples, *workspace.load_evalset("support").examples)[:EXAMPLES]
    column = ColumnSpec("chain", chain, "*", "mini", model.identity, chain.params, model.capabilities)
    plan = make_plan(evalset, examples, (column,))
    assert len({cell.key for cell in plan.cells}) == EXAMPLES
    return plan


@pytest.fixture
async def model() -> AsyncIterator[Recorded]:
    one = Recorded(open_model(ModelEntry("mini", gguf="demo:mini"), workspace_folder()))
    yield one
    await one.close()


async def test_a_chain_costs_what_its_calls_cost(model: Recorded, tmp_path: Path) -> None:
    plan = _plan(model)
    await _chain(plan, model, tmp_path / "warm")
    batches = list(model.batches)
    assert [len(batch) for batch in batches] == [EXAMPLES] * 4, "one batch a wave"
    ratios: list[float] = []
    for round in range(ROUNDS):
        flat, flat_cpu = await _flat(model, batches)
        seconds, cpu = await _chain(plan, model, tmp_path / str(round))
        ratios.append(seconds / flat)
        beside = f"this process computed {1000 * cpu:.0f} ms and {1000 * flat_cpu:.0f} ms"
        print(f"\n  4 × {EXAMPLES}: chain {seconds:.2f} s = {ratios[-1]:.2f} × flat ({flat:.2f} s); {beside}", end="")
    assert min(ratios) <= MOST


async def test_editing_the_last_step_costs_that_step(model: Recorded, tmp_path: Path) -> None:
    whole, _ = await _chain(_plan(model), model, tmp_path, fresh=False)
    model.batches.clear()
    edited = _plan(model, CHAIN.replace("{{ draft.text }} {{ number.text }}", "{{ number.text }} {{ draft.text }}"))
    seconds, _ = await _chain(edited, model, tmp_path, fresh=False)
    print(f"\n  edited: {seconds:.2f} s after {whole:.2f} s", end="")
    assert [len(batch) for batch in model.batches] == [EXAMPLES]
    assert seconds < whole

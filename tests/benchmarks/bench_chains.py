"""What a chain costs beside its calls: 64 examples through four steps, against the same calls as four flat batches.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_chains.py
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from runs.chained import Grades

from promptlab.demo.example import workspace_folder
from promptlab.models.cache import Cache
from promptlab.models.registry import open_model
from promptlab.models.values import Model, Request
from promptlab.runs.execute import execute
from promptlab.runs.journal import open_journal
from promptlab.runs.means import Means
from promptlab.runs.plan import ColumnSpec, make_plan
from promptlab.runs.values import CellDone, Plan
from promptlab.workspace.folder import Workspace
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.values import ModelEntry

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


async def _chain(plan: Plan, model: Model, folder: Path) -> tuple[float, list[list[Request]]]:
    """Seconds of the run, and what each step asked."""
    begin = time.perf_counter()
    journal = await asyncio.to_thread(open_journal, folder, plan)
    steps: dict[str, list[Request]] = {}
    done: list[CellDone] = []
    events = execute(
        plan,
        Means({"mini": model}, Cache(folder / "cache", fresh=True), journal, asyncio.Event(), grades=Grades()),
    )
    async for event in events:
        if isinstance(event, CellDone):
            done.append(event)
    seconds = time.perf_counter() - begin
    for event in done:
        assert event.outcome.fault is None
        assert event.trace is not None
        for step, part in zip(plan.chains["a"].steps, event.trace.steps, strict=True):
            (call,) = part.calls
            params = step.does.prompt.params  # type: ignore[union-attr] # each step asks one prompt
            steps.setdefault(step.name, []).append(Request(call.outcome.key, part.messages(0), params))
    return seconds, list(steps.values())


async def _flat(model: Model, batches: list[list[Request]]) -> float:
    begin = time.perf_counter()
    for batch in batches:
        count = 0
        async for outcome in model.generate(batch):
            count += outcome.fault is None
        assert count == EXAMPLES
    return time.perf_counter() - begin


async def test_a_chain_costs_what_its_calls_cost(tmp_path: Path) -> None:
    workspace = Workspace.open(workspace_folder())
    chain = parse_prompt(CHAIN.encode(), "chain", "prompts/chain.toml", workspace.working_copy)
    evalset = workspace.load_evalset("replies")
    more = workspace.load_evalset("support")
    examples = (*evalset.examples, *more.examples)[:EXAMPLES]
    model = open_model(ModelEntry("mini", gguf="demo:mini"), workspace.root)
    column = ColumnSpec("chain", chain, "*", "mini", model.identity, chain.params, model.capabilities)
    plan = make_plan(evalset, examples, (column,))
    assert len({cell.key for cell in plan.cells}) == EXAMPLES
    _, batches = await _chain(plan, model, tmp_path / "warm")
    ratios: list[float] = []
    for round in range(ROUNDS):
        flat = await _flat(model, batches)
        seconds, _ = await _chain(plan, model, tmp_path / str(round))
        ratios.append(seconds / flat)
        print(f"\n  4 × {EXAMPLES} calls: chain {seconds:.2f} s = {ratios[-1]:.2f} × flat ({flat:.2f} s)", end="")
    await model.close()
    assert min(ratios) <= MOST

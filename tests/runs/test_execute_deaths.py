"""Runs whose local model dies in the midst of them: nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from gguf_support import NANO, ask, collect
from runs.scripted import make_evalset, make_prompt

from promptlab.models.cache import Cache
from promptlab.models.gguf.process import GgufModel
from promptlab.models.values import Outcome
from promptlab.runs.execute import execute
from promptlab.runs.journal import open_journal
from promptlab.runs.means import Means
from promptlab.runs.plan import ColumnSpec, make_plan
from promptlab.runs.stored import read_outcomes
from promptlab.runs.values import CellDone, Ended, ModelDied, Plan
from promptlab.workspace.values import Params

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="the local engine is not installed"),
]

KILLS = 4  # benchmarks/bench_kills.py kills twenty times
CELLS = 18  # more than are at work at once
SEED = 20261122


@pytest.fixture
async def nano(tmp_path: Path) -> AsyncIterator[GgufModel]:
    model = GgufModel(NANO, "nano", log=tmp_path / "gguf.log")
    await collect(model.generate([ask()]))  # on a machine with an instruction that it does not run, that is known now
    yield model
    await model.close()


def plan_of(number: int, model: GgufModel, tokens: int = 12) -> Plan:
    """A run that no other has a cell of."""
    evalset = make_evalset(CELLS)
    prompt = make_prompt(f"Run {number}. Write a polite reply to this ticket. {{{{ ticket }}}}")
    column = ColumnSpec("triage", prompt, "*", "nano", model.identity, Params(max_tokens=tokens), model.capabilities)
    return make_plan(evalset, evalset.examples, [column])


async def killed_run(
    folder: Path, plan: Plan, model: GgufModel, after: int, delay: float
) -> tuple[str, Counter[str]]:
    """Kill the child so many seconds after so many outcomes; how the run ended, and how often each example came."""
    came: Counter[str] = Counter()
    reached = asyncio.Event()

    async def kill() -> None:
        await reached.wait()
        await asyncio.sleep(delay)
        child = model._child
        if child is not None:
            os.kill(child.process.pid, signal.SIGKILL)
            await child.process.wait()  # a death after the end must not meet the next run's first request

    killer = asyncio.create_task(kill())
    journal = await asyncio.to_thread(open_journal, folder / "state", plan)
    cache = Cache(folder / "cache")
    end = ""
    if not after:
        reached.set()
    async for event in execute(plan, Means({"nano": model}, cache, journal, stop=asyncio.Event())):
        if isinstance(event, CellDone):
            assert event.outcome.fault is None
            came[event.example] += 1
            if came.total() == after:
                reached.set()
        elif isinstance(event, Ended):
            end = event.state
    cache.close()
    await killer
    stored = read_outcomes(folder / "state", journal.run)
    assert sorted(line.example for line in stored.lines.values()) == sorted(came)
    lines = (journal.folder / "outcomes.jsonl").read_bytes().splitlines()
    assert len(lines) == CELLS
    return end, came


async def test_a_child_that_died_while_nothing_was_asked_is_no_requests_fault(
    nano: GgufModel, tmp_path: Path
) -> None:
    assert nano.pid is not None
    os.kill(nano.pid, signal.SIGKILL)
    await asyncio.sleep(0.1)
    end, came = await killed_run(tmp_path, plan_of(0, nano), nano, CELLS // 2, 0.0)
    assert (end, len(came)) == ("complete", CELLS)


@pytest.mark.parametrize(
    ("fatal", "reason"),
    [
        (signal.SIGABRT, "SIGABRT"),
        (signal.SIGSEGV, "SIGSEGV"),
        (signal.SIGKILL, "SIGKILL: killed, often for want of memory"),
    ],
    ids=["abort", "segfault", "kill -9 or want of memory"],
)
async def test_each_death_is_one_event_then_one_more_try_then_a_reason(
    nano: GgufModel, tmp_path: Path, fatal: signal.Signals, reason: str
) -> None:
    first = nano.pid
    assert first is not None
    assert Path(f"/proc/{first}/oom_score_adj").read_text() == "500\n"  # the kernel takes it before the program
    journal = await asyncio.to_thread(open_journal, tmp_path / "state", plan := plan_of(0, nano, tokens=200))
    cache = Cache(tmp_path / "cache")

    async def kill_twice() -> None:
        while not nano._calls.begun:
            await asyncio.sleep(0.001)
        os.kill(first, fatal)
        while nano.pid in (first, None) or not nano._calls.sent:
            await asyncio.sleep(0)  # never a moment too late, however busy the machine: the one suspect is alone now
        assert nano.pid is not None
        os.kill(nano.pid, fatal)

    killer = asyncio.create_task(kill_twice())
    deaths: list[str] = []
    outcomes: dict[str, Outcome] = {}
    async for event in execute(plan, Means({"nano": nano}, cache, journal, stop=asyncio.Event())):
        if isinstance(event, ModelDied):
            deaths.append(event.reason)
        elif isinstance(event, CellDone):
            assert event.example not in outcomes
            outcomes[event.example] = event.outcome
    cache.close()
    assert killer.done()
    assert deaths == [reason, reason]
    assert len(outcomes) == CELLS
    (fault,) = (one.fault for one in outcomes.values() if one.fault)
    assert fault.kind == "crashed"
    assert fault.message.startswith(f"nano: the model's process died 2 times on this request ({reason}). What it")


async def killed_at_random(folder: Path, model: GgufModel, kills: int) -> int:
    """Kill the child at so many random moments, each in a run of its own; how many children there were."""
    random = Random(SEED)
    pids: set[int | None] = set()
    for number in range(kills):
        plan = plan_of(number, model)
        pids.add(model.pid)
        after, delay = random.randrange(CELLS), random.uniform(0, 0.01)
        end, came = await killed_run(folder, plan, model, after, delay)
        assert end == "complete", (number, after, delay)
        assert set(came.values()) == {1}, (number, after, delay)
        assert len(came) == CELLS, (number, after, delay)
    return len(pids)


async def test_kills_at_random_moments_lose_and_double_nothing(nano: GgufModel, tmp_path: Path) -> None:
    assert await killed_at_random(tmp_path, nano, KILLS) > 1  # a kill that came before a child was ready met none

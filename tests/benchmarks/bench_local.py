"""What the local engine does to the program and the machine around it, on the packaged nano.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_local.py
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import subprocess
import sys
import time
from asyncio.events import Handle
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import jsonschema
import places
import pytest
from benchmarks.contenders import Spent, Watch
from gguf_support import NANO, ask, collect
from runs.scripted import make_evalset, make_prompt
from runs.ticker import longest_gap
from tui.sitting import sitting

from promptlab.models.cache import Cache
from promptlab.models.gguf.machine import default_threads
from promptlab.models.gguf.process import GgufModel
from promptlab.models.values import Constraint, Outcome, Request
from promptlab.runs.execute import execute
from promptlab.runs.journal import open_journal
from promptlab.runs.means import Means
from promptlab.runs.plan import ColumnSpec, make_plan
from promptlab.workspace.values import Params

pytest.importorskip("llama_cpp", reason="the local engine is not installed")

pytestmark = [pytest.mark.benchmark, pytest.mark.local]

CUT = 16
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "topic": {"enum": ["billing", "shipping", "technical", "account", "other"]},
        "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
        "refund": {"type": "boolean"},
        "summary": {"type": "string", "maxLength": 24},
        "tags": {"type": "array", "items": {"enum": ["new", "angry", "vip"]}, "maxItems": 2},
    },
    "required": ["topic", "urgency", "refund", "summary", "tags"],
    "additionalProperties": False,
}


def asked(number: int, tokens: int, constraint: Constraint | None = None) -> Request:
    text = f"Write a polite reply to this ticket.\n\nMy parcel is {number} days late."
    return ask(
        text, key=str(number), params=Params(temperature=0.8, max_tokens=tokens), seed=number, constraint=constraint
    )


async def timed(model: GgufModel, requests: Sequence[Request]) -> tuple[dict[str, Outcome], Spent]:
    """Outcomes, and what they took."""
    watch = Watch(model.pid, own=False)
    found = await collect(model.generate(requests))
    return found, watch.stop(sum(outcome.usage.completion for outcome in found.values()))


async def test_two_hundred_answers_to_a_schema(tmp_path: Path) -> None:
    model = GgufModel(NANO, "nano", log=tmp_path / "gguf.log")
    try:
        await timed(model, [asked(0, 4)])
        held = Constraint(json_schema=SCHEMA)
        found, _ = await timed(model, [asked(number, 200, held) for number in range(200)])
        each = other = float("inf")
        for _ in range(3):  # answers that are cut off, so that both ways write as many tokens
            _, spent = await timed(model, [asked(number, CUT, held) for number in range(200)])
            each = min(each, 1e6 * spent.cpu / spent.tokens)
            _, spent = await timed(model, [asked(number, CUT) for number in range(200)])
            other = min(other, 1e6 * spent.cpu / spent.tokens)
    finally:
        await model.close()
    validator = jsonschema.Draft202012Validator(SCHEMA)
    valid = [one for one in found.values() if not one.fault and validator.is_valid(json.loads(one.text))]
    print(f"\n  held to a schema: {len(valid)} of 200 valid", end="")
    print(f"; {each:.0f} µs of CPU a token, {each - other:.0f} more than without ({other:.0f})", end="")
    assert len(valid) == 200


def resident(pid: int | str) -> float:
    """Megabytes in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


async def test_fifty_runs_leave_the_memory_as_it_is(tmp_path: Path) -> None:
    model = GgufModel(NANO, "nano", log=tmp_path / "gguf.log")
    cache = Cache(tmp_path / "cache")
    program: list[float] = []
    child: list[float] = []
    try:
        for number in range(50):
            evalset = make_evalset(32)
            prompt = make_prompt(f"Run {number}. Reply to this ticket. {{{{ ticket }}}}")
            column = ColumnSpec(
                "triage", prompt, "*", "nano", model.identity, Params(max_tokens=24), model.capabilities
            )
            plan = make_plan(evalset, evalset.examples, [column])
            journal = await asyncio.to_thread(open_journal, tmp_path / "state", plan)
            async for _ in execute(plan, Means({"nano": model}, cache, journal, stop=asyncio.Event())):
                pass
            gc.collect()
            program.append(resident("self"))
            child.append(resident(model.pid or ""))
    finally:
        await model.close()
        cache.close()
    for name, sizes in (("the program", program), ("its child", child)):
        first, last = max(sizes[5:15]), max(sizes[-10:])  # what is kept for the next run has been taken by then
        print(f"\n  memory of {name}: {first:.1f} MB in runs 6 to 15, {last:.1f} MB in the last ten", end="")
        assert last < 1.05 * first


@contextmanager
def busy_core() -> Iterator[None]:
    """Another program that never rests."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


async def pace(model: GgufModel, requests: Sequence[Request]) -> float:
    """Tokens a second."""
    _, spent = await timed(model, requests)
    return spent.tokens / spent.wall


async def test_one_other_busy_core_costs_at_most_half(tmp_path: Path) -> None:
    """``PROMPTLAB_BENCH_GGUF`` names a larger file, so that more than one thread computes."""
    path = Path(os.environ.get("PROMPTLAB_BENCH_GGUF") or NANO)
    threads = default_threads(path.stat().st_size)
    model = GgufModel(path, "nano", context=512, log=tmp_path / "gguf.log")
    alone: list[float] = []
    beside: list[float] = []
    try:
        await timed(model, [asked(0, 4)])
        for number in range(3):
            requests = [asked(100 * number + one, 24) for one in range(32)]
            alone.append(await pace(model, requests))
            with busy_core():
                beside.append(await pace(model, [asked(100 * number + one, 24) for one in range(50, 82)]))
    finally:
        await model.close()
    share = max(beside) / max(alone)
    print(
        f"\n  {path.name}, {threads} threads, load {os.getloadavg()[0]:.1f}: beside a busy core {share:.0%}", end=""
    )
    assert share > 0.5


class Step(NamedTuple):
    """Seconds that the loop was not free for anything else, and how many of them it computed."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{1000 * self.wall:.1f} ms ({1000 * self.cpu:.1f} of CPU)"


@contextmanager
def steps_timed() -> Iterator[dict[str, Step]]:
    """The longest step of each kind of task or callback of the loop."""
    longest: dict[str, Step] = defaultdict(lambda: Step(0.0, 0.0))
    original = Handle._run

    def run(handle: Handle) -> None:
        callback = handle._callback
        task = getattr(callback, "__self__", None)
        name = (
            task.get_coro().__qualname__ if isinstance(task, asyncio.Task) else getattr(callback, "__qualname__", "")
        )
        wall, cpu = time.perf_counter(), time.thread_time()
        original(handle)
        longest[name] = max(longest[name], Step(time.perf_counter() - wall, time.thread_time() - cpu))

    Handle._run = run
    try:
        yield longest
    finally:
        Handle._run = original


def shop(folder: Path, tickets: int) -> Path:
    """A workspace whose prompt keeps nano at work for some seconds, each another one: no answer is known before."""
    places.workspace(folder)
    settings = folder / "promptlab.toml"
    settings.write_text(settings.read_text().replace('models = ["api"]', 'models = ["nano"]'))
    examples = "".join(
        f'[[examples]]\nid = "t{n}"\nvars = {{ ticket = "My parcel is {n} days late." }}\nexpected = "shipping"\n'
        for n in range(tickets)
    )
    (folder / "evalsets" / "tickets.toml").write_text(f'description = "Late"\n[[metrics]]\nid = "exact"\n{examples}')
    content = f"Write reply {folder.name} to this: {{{{ ticket }}}}"
    prompt = f'[params]\nmax_tokens = 60\n[[messages]]\nrole = "user"\ncontent = "{content}"\n'
    (folder / "prompts" / "triage.toml").write_text(prompt)
    places.git(folder, "commit", "-qam", "Reply")
    return folder


ENGINE = ("GgufModel.", "Child.", "_UnixReadPipeTransport", "_UnixWritePipeTransport", "_read", "_drain")
"""Names of what runs on the loop for the engine: its model, the pipes to its child, the task that takes answers."""


async def decoding(folder: Path) -> tuple[float, dict[str, Step], float]:
    """One run in the program: its longest gap between two ticks, longest steps, and the gap while it only waits."""
    async with sitting(shop(folder, 150)) as here:
        await here.sees("triage.toml")
        await asyncio.sleep(0.3)
        gc.collect()
        gc.freeze()  # what the test runner has on its heap is no part of the program
        ticker = asyncio.create_task(longest_gap())
        await asyncio.sleep(1.0)
        ticker.cancel()
        idle = await ticker
        await here.press("R")
        await here.sees("baseline")
        with steps_timed() as steps:
            ticker = asyncio.create_task(longest_gap())
            await here.press("enter")
            while not here.status.startswith("done: "):  # without looking at the screen, which is dear
                await asyncio.sleep(0.05)
            ticker.cancel()
            gap = await ticker
        gc.unfreeze()
    return gap, dict(steps), idle


async def test_the_terminal_program_never_waits_for_the_engine(tmp_path: Path) -> None:
    longest = float("inf")
    for number in range(3):
        gap, steps, idle = await decoding(tmp_path / str(number))
        engine = {name: spent for name, spent in steps.items() if name.startswith(ENGINE)}
        assert engine, sorted(steps)
        name = max(engine, key=lambda name: engine[name])
        others = sorted(((spent, name) for name, spent in steps.items() if name not in engine), reverse=True)[:2]
        longest = min(longest, engine[name].wall)
        print(f"\n  longest step for the engine {engine[name]}, {name}", end="")
        print("; for the rest " + ", ".join(f"{spent}, {name}" for spent, name in others), end="")
        print(f"; longest gap of a 1 ms ticker {1000 * gap:.1f} ms, before the run {1000 * idle:.1f} ms", end="")
    assert longest < 0.020  # the best of three: other processes hold up this one now and then

"""Whole runs of chains: waves, the cache by step, and going on inside a chain after a kill."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from runs.chained import TICKET, FunctionModel, Grades, P, answered, chain, step
from runs.scripted import make_column, make_evalset

from promptlab.models.cache import Cache
from promptlab.models.values import Fault, Outcome, Request, Watch, Written
from promptlab.runs.chains.calls import Calls, calls_of
from promptlab.runs.chains.under_way import UnderWay
from promptlab.runs.chains.waves import Wanted, walk, walks_of
from promptlab.runs.chains.work import Counted, Lookup, NotEmbedded
from promptlab.runs.execute import execute
from promptlab.runs.journal import open_journal
from promptlab.runs.means import Means
from promptlab.runs.plan import make_plan
from promptlab.runs.progress import Meter, Tally
from promptlab.runs.stored import list_runs, read_outcomes
from promptlab.runs.values import UNLIMITED, Budget, CellDone, CellId, CellText, Ended, Plan, Progress, StepProgress
from promptlab.workspace.values import Prompt, Retrieve

FOUR = (
    step("route", f"prompt = {P('Route {{ ticket }}')}", TICKET)
    + step("draft", f"prompt = {P('Draft {{ ticket }} {{ team }}')}", TICKET + ", team = '{{ route.text }}'")
    + step("check", f"prompt = {P('Check {{ draft }}')}", "draft = '{{ draft.text }}'")
    + step("last", f"prompt = {P('Last {{ draft }} {{ check }}')}",
           "draft = '{{ draft.text }}', check = '{{ check.text }}'")
)  # fmt: skip


def plan_of(found: Prompt, examples: int, trials: int = 1) -> Plan:
    evalset = make_evalset(examples)
    return make_plan(evalset, evalset.examples, [make_column(found)], trials=trials)


def echo(request: Request) -> str:
    return f"<{request.key[:8]}>"


async def run(
    plan: Plan, folder: Path, model: FunctionModel, *, use_cache: bool = True, budget: Budget = UNLIMITED
) -> tuple[dict[CellId, CellDone], Ended]:
    cache = Cache(folder / "cache", fresh=not use_cache)
    journal = open_journal(folder / "state", plan)
    done: dict[CellId, CellDone] = {}
    ended: Ended | None = None
    meter, stop = Meter(budget), asyncio.Event()
    events = execute(plan, Means({"mini": model}, cache, journal, stop, grades=Grades(), meter=meter))
    async for event in events:
        match event:
            case CellDone():
                done[event.column, event.example, event.trial] = event
            case Ended():
                ended = event
            case _:
                pass
    cache.close()
    assert ended is not None
    return done, ended


async def test_what_a_limit_stopped_says_what_unfinished_chains_have_used(tmp_path: Path) -> None:
    model = FunctionModel(echo)
    done, ended = await run(plan_of(chain(FOUR), 12), tmp_path, model, budget=Budget(tokens=1))
    used = f"{model.given / 4:.4g} USD and {12 * model.given} tokens"  # each answer of this model costs 0.25
    assert not done
    assert ended.reason == f"Stopped by the limit of tokens, 1: {used} used, 0 of 12 cells done."
    _, ended = await run(plan_of(chain(FOUR), 12), tmp_path, model)
    assert ended.state == "complete"


def test_the_time_left_is_that_of_the_calls_that_are_left() -> None:
    vote = step("label", f"vote = {{ n = 5, prompt = {P('Label {{ ticket }}', 1.0)} }}", TICKET)
    plan = plan_of(chain(vote + step("last", f"prompt = {P('Last {{ l }}')}", "l = '{{ label.text }}'")), 4)
    calls, now = Calls(plan.cells, plan.chains), 100.0
    tally = Tally(4, {}, lambda: now)
    tally.begin_model("mini")
    assert calls.left == 24
    for seconds, count in ((0, 2), (2, 6)):  # the clock starts with the first ones
        now += seconds
        tally.answered(0, count, 0.0)
        for _ in range(count):
            calls.came(plan.cells[0] if calls.left > 20 else plan.cells[1])
    assert calls.left == 16
    assert tally.progress(calls.left).eta == pytest.approx(16 / 3)
    assert tally.progress(calls.left).rate == 0.0, "no cell is done"
    for _ in range(9):
        calls.came(plan.cells[0])
    assert calls.left == 15, "one that asks more than expected keeps one to come"
    for cell in plan.cells:
        calls.end((cell.column, cell.example, cell.trial))
    assert calls.left == 0


@pytest.mark.parametrize(("limit", "calls"), [(1, 3), (2, 4), (5, 4)])
def test_a_critique_counts_as_one_revision_and_a_second_look_where_there_is_one(limit: int, calls: int) -> None:
    asks = f"critic = {P('C {{ answer }}')}, revise = {P('R {{ answer }} {{ critique }}')}, accept = 'ok'"
    critique = step("c", f"critique = {{ step = 'a', {asks}, limit = {limit} }}")
    assert calls_of(chain(step("a", f"prompt = {P('A {{ ticket }}')}", TICKET) + critique)) == calls


async def test_a_wave_is_one_batch(tmp_path: Path) -> None:
    model = FunctionModel(echo)
    done, ended = await run(plan_of(chain(FOUR), 12, trials=2), tmp_path, model)
    assert ended.state == "complete"
    assert len(done) == 24
    # Both trials of an example ask the same at temperature 0, but each with a seed and a key of its own.
    assert model.batches == [24, 24, 24, 24]
    first = done["a", "e00000", 0]
    assert first.trace is not None
    assert [one.step for one in first.trace.steps] == ["route", "draft", "check", "last"]
    assert first.outcome.text == first.trace.steps[-1].text
    assert first.outcome.cost == 1.0
    assert ended.progress.cost == {"USD": 24.0}


class Halting(FunctionModel):
    """Writes one text before it answers, and stops in the middle of each batch until it is told to go on."""

    def __init__(self) -> None:
        super().__init__(echo)
        self.capabilities = structs.replace(self.capabilities, streaming=True)
        self.go_on = asyncio.Event()

    async def generate(self, requests: Sequence[Request], watch: Watch | None = None) -> AsyncIterator[Outcome]:
        assert watch is not None, "a model with streaming is watched"
        watch(Written(((requests[-1].key, "so far"),), tokens=3))
        for place, request in enumerate(requests):
            if place == len(requests) // 2:
                await self.go_on.wait()
                self.go_on.clear()
            yield answered(request, self.answer)


async def test_a_run_says_which_step_is_asked_and_how_far_it_is(tmp_path: Path) -> None:
    model, plan = Halting(), plan_of(chain(FOUR), 12)
    journal, stop = open_journal(tmp_path / "state", plan), asyncio.Event()
    events = execute(plan, Means({"mini": model}, Cache(tmp_path / "cache"), journal, stop, grades=Grades()))
    seen: list[StepProgress] = []
    texts: list[str] = []
    async with asyncio.timeout(60):
        async for event in events:
            if isinstance(event, Progress) and event.steps and event.steps[0].done == 6:
                seen.append(event.steps[0])
                model.go_on.set()
            if isinstance(event, CellText):
                assert (event.column, event.example, event.text) == ("a", "e00011", "so far")
                texts.append(event.step)
            if isinstance(event, Ended):
                assert event.progress.steps == (), "nothing is waited for"
    assert list(dict.fromkeys(seen)) == [StepProgress(name, 6, 12) for name in ("route", "draft", "check", "last")]
    # A text that nobody took in time gives way to what came after it.
    assert texts
    assert texts == [name for name in ("route", "draft", "check", "last") if name in texts]


class Embedding(Grades):
    """Never has the vectors of a search, and is stopped while it makes them for the third time."""

    def __init__(self) -> None:
        self.times = 0

    def passages(self, rule: Retrieve, query: str) -> list[dict[str, object]]:
        raise NotEmbedded(rule, query)

    async def embed(self, lookups: Sequence[Lookup], stop: asyncio.Event, told: Counted) -> bool:
        self.times += 1
        told(self.times, 3)
        if self.times == 3:
            stop.set()
        return self.times < 3


async def test_a_run_can_be_stopped_while_vectors_are_made(tmp_path: Path) -> None:
    found = step("look", "retrieve = { corpus = 'docs', query = '{{ ticket }}', method = 'embedding', model = 'v' }")
    plan, grades, stop, model = plan_of(chain(found), 4), Embedding(), asyncio.Event(), FunctionModel(echo)
    under_way, seen = UnderWay(), list[tuple[StepProgress, ...]]()

    def told(progress: StepProgress) -> None:
        under_way.look_up(progress)
        seen.append(under_way.steps)

    async def answers(wanted: Wanted) -> AsyncGenerator[Sequence[Outcome], None]:
        yield [answered(request, echo) for request, _, _ in wanted.values()]

    async with asyncio.timeout(20):
        walks = walks_of(plan, plan.cells, model, grades)
        assert [some async for some in walk(walks, answers, grades, stop, told)] == []
    assert grades.times == 3
    assert seen == [(StepProgress("look", 1, 3),), (StepProgress("look", 2, 3),), ()], "until all vectors are there"


async def test_editing_the_last_step_asks_only_that_step_again(tmp_path: Path) -> None:
    model = FunctionModel(echo)
    await run(plan_of(chain(FOUR), 12), tmp_path, model)
    assert len(model.asked) == 48
    changed = plan_of(chain(FOUR.replace("Last {{", "At last {{")), 12)
    done, ended = await run(changed, tmp_path, model)
    assert len(model.asked) == 48 + 12
    assert all(request.messages[0].content.startswith("At last") for request in model.asked[48:])
    assert ended.progress.cost == {"USD": 3.0}, "what the cache knew costs nothing"
    trace = done["a", "e00000", 0].trace
    assert trace is not None
    assert [call.outcome.cached for call in trace.calls] == [True, True, True, False]
    await run(changed, tmp_path, model)
    assert len(model.asked) == 60, "all of it is known"
    await run(changed, tmp_path, model, use_cache=False)
    assert len(model.asked) == 108


async def test_a_question_has_one_answer_in_a_run(tmp_path: Path) -> None:
    """Two steps that ask the same, one after the other: a model that never says the same twice is asked once."""
    same = f"prompt = {P('Same {{ ticket }}', 0.7)}"
    twice = (
        step("first", same, TICKET)
        + step("between", f"prompt = {P('Then {{ first }}')}", "first = '{{ first.text }}'")
        + step("again", same, TICKET, "when = \"between.text != ''\"")
        + step("last", "extract = { from = '{{ first.text }} {{ again.text }}', last_line = true }")
    )
    model = FunctionModel(lambda request: f"{len(model.asked)}")
    done, ended = await run(plan_of(chain(twice), 3), tmp_path, model, use_cache=False)
    assert len(model.asked) == 6
    assert ended.progress.cost == {"USD": 1.5}, "0.25 each"
    for one in done.values():
        first, again = one.outcome.text.split()
        assert first == again


async def test_a_fault_is_asked_again_and_nothing_else(tmp_path: Path) -> None:
    broken = True
    bad: list[str] = []

    def answer(request: Request) -> str | Fault:
        if broken and request.messages[0].content.startswith("Check") and not bad:
            bad.append(request.key)
        return Fault("timeout", "Too late.") if broken and request.key in bad else echo(request)

    model = FunctionModel(answer)
    plan = plan_of(chain(FOUR), 6)
    done, ended = await run(plan, tmp_path, model)
    (failed,) = [one for one in done.values() if one.outcome.fault]
    assert failed.outcome.fault is not None
    assert failed.outcome.fault.message == "Step `check`: Too late."
    assert failed.trace is not None
    assert failed.trace.failed is not None
    assert failed.trace.failed.step == "check"
    assert [one.state for one in failed.trace.steps] == ["done", "done", "failed", "failed"]
    assert ended.progress.failed == 1
    broken = False
    asked = len(model.asked)
    done, _ = await run(plan, tmp_path, model)
    assert not any(one.outcome.fault for one in done.values())
    assert len(model.asked) - asked == 2


# -- any chain, killed anywhere -------------------------------------------------------------------


@st.composite
def chains(draw: st.DrawFn) -> Prompt:
    """A valid chain of up to 12 steps: each but the last is used by a later one."""
    count = draw(st.integers(1, 12))
    needs: list[set[int]] = [set() for _ in range(count)]
    for index in range(count - 1):
        for user in draw(st.sets(st.integers(index + 1, count - 1), min_size=1, max_size=3)):
            needs[user].add(index)
    kinds: list[str] = []
    text = "".join(_any_step(draw, index, sorted(needs[index]), kinds) for index in range(count))
    return chain(text)


def _any_step(draw: st.DrawFn, index: int, needs: list[int], kinds: list[str]) -> str:
    used = "".join(f" {{{{ s{other}.text | default('-') }}}}" for other in needs)
    body = f"{{{{ ticket }}}}{used}"
    given = f"x = '''{body}'''"
    asked = next((other for other in needs if kinds[other] == "prompt"), None)
    possible = ["prompt", "vote", "extract", "best_of", "foreach", "retrieve"]
    possible += ["critique", "fallback"] if needs else []
    possible += ["reask"] if asked is not None else []
    kind = draw(st.sampled_from(possible))
    kinds.append(kind)
    when = ""
    if needs and draw(st.booleans()):
        when = f"when = \"(s{needs[0]}.text | default('') | length) % 3 != 0\""
    prompt = P(f"{index} {{{{ x }}}}", 0.5)
    match kind:
        case "vote":
            return step(f"s{index}", f"vote = {{ prompt = {prompt}, n = 3 }}", given, when)
        case "best_of":
            return step(
                f"s{index}", f"best_of = {{ prompt = {prompt}, n = 2, metric = {{ id = 'length' }} }}", given, when
            )
        case "extract":
            return step(f"s{index}", f"extract = {{ from = '''{body}''', regex = '.+' }}", "", when)
        case "retrieve":
            return step(f"s{index}", f"retrieve = {{ corpus = 'docs', query = '''{body}''', k = 3 }}", "", when)
        case "critique":
            asks = (
                f"critic = {P(f'Critic {index} {{{{ x }}}} {{{{ answer }}}}')}, revise = {prompt}, accept = '[0-7]>$'"
            )
            return step(f"s{index}", f"critique = {{ step = 's{needs[0]}', {asks}, limit = 2 }}", given, when)
        case "fallback":
            rule = f"regex = '[0-7]>$', on_fail = 'fallback', fallback = '''{body}'''"
            return step(f"s{index}", f"validate = {{ step = 's{needs[0]}', {rule} }}", "", when)
        case "reask":
            rule = f"regex = '[0-7]>$', on_fail = 'reask', reask = '''{body} {{{{ reason }}}}'''"
            return step(f"s{index}", f"validate = {{ step = 's{asked}', {rule} }}", "", when)
        case "foreach":
            more = f"{when}\nforeach = \"['a', 'b']\""
            return step(f"s{index}", f"prompt = {P(f'{index} {{{{ x }}}} {{{{ item }}}}')}", given, more)
        case _:
            return step(f"s{index}", f"prompt = {prompt}", given, when)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(found=chains(), share=st.floats(0, 1), seed=st.integers(0, 10**6))
def test_any_chain_killed_anywhere_comes_to_the_same(found: Prompt, share: float, seed: int) -> None:
    """What a kill leaves is a journal cut at any byte: going on gives what an unbroken run gives."""

    def answer(request: Request) -> str | Fault:
        return Fault("timeout", "Too late.") if hash((request.key, seed)) % 97 == 0 else echo(request)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = plan_of(found, 2)
        whole, _ = asyncio.run(run(plan, folder / "whole", FunctionModel(answer), use_cache=False))
        (finished,) = list_runs(folder / "whole" / "state")
        shutil.copytree(folder / "whole", folder / "cut")
        place = folder / "cut" / "state" / "runs" / finished.id
        lines = (place / "outcomes.jsonl").read_bytes()
        (place / "outcomes.jsonl").write_bytes(lines[: int(share * len(lines))])
        (place / "state").write_text("running 1 nowhere 0\n")
        known = {key for key, _ in _answers(folder / "cut", finished.id).items()}
        model = FunctionModel(answer)
        again, _ = asyncio.run(run(plan, folder / "cut", model, use_cache=False))
        assert not known & {request.key for request in model.asked}, "an answer in the journal was asked for again"
        assert {place: done.outcome.text for place, done in again.items()} == {
            place: done.outcome.text for place, done in whole.items()
        }
        assert [done.outcome.fault for _, done in sorted(again.items())] == [
            done.outcome.fault for _, done in sorted(whole.items())
        ]
        assert {place: _shape(done) for place, done in again.items()} == {
            place: _shape(done) for place, done in whole.items()
        }


def _answers(folder: Path, id: str) -> dict[str, object]:
    return dict(read_outcomes(folder / "state", id).answers)


def _shape(done: CellDone) -> object:
    assert done.trace is not None
    return [
        (one.step, one.state, one.text, one.note, one.problem, [(c.label, c.outcome.key) for c in one.calls])
        for one in done.trace.steps
    ]


CHILD = """
import asyncio, pathlib, sys, time
from runs.chained import FunctionModel
from runs.test_chain_runs import FOUR, chain, echo, plan_of, run

def answer(request):
    time.sleep(0.002)
    return echo(request)

folder = pathlib.Path(sys.argv[1])
asyncio.run(run(plan_of(chain(FOUR), 20), folder, FunctionModel(answer, log=folder / "asked"), use_cache=False))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_for_real_inside_a_chain_and_started_again(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{Path(__file__).parents[1]}:{Path(__file__).parents[2]}"}
    draw = random.Random(os.getpid())
    for attempt in range(3):
        before = _asked(tmp_path)
        known = {key for one in list_runs(tmp_path / "state") for key in _answers(tmp_path, one.id)}
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], env=environment)
        if attempt < 2:
            wanted = len(before) + draw.randint(5, 25)
            while len(_asked(tmp_path)) < wanted:
                assert child.poll() is None
                time.sleep(0.005)
            child.send_signal(signal.SIGKILL)
        child.wait(60)
        assert not known & set(_asked(tmp_path)[len(before) :]), "a journalled answer was asked for again"
    assert child.returncode == 0
    (stored,) = list_runs(tmp_path / "state")
    assert stored.state == "complete"
    fresh = FunctionModel(echo)
    whole, _ = await_run(plan_of(chain(FOUR), 20), tmp_path / "other", fresh)
    lines = read_outcomes(tmp_path / "state", stored.id).lines
    assert {place: line.outcome.text for place, line in lines.items()} == {
        place: done.outcome.text for place, done in whole.items()
    }
    assert max(Counter(_asked(tmp_path)).values()) <= 3, "asked again only what was in flight at a kill"


def await_run(plan: Plan, folder: Path, model: FunctionModel) -> tuple[dict[CellId, CellDone], Ended]:
    return asyncio.run(run(plan, folder, model))


def _asked(folder: Path) -> list[str]:
    path = folder / "asked"
    return path.read_text().split() if path.exists() else []

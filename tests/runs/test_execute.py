from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest
from runs.scripted import ScriptedModel, make_column, make_evalset, make_prompt, small_plan
from runs.ticker import longest_gap

from promptlab.models.cache import Cache
from promptlab.models.values import Fault, Model, Outcome, Request
from promptlab.runs.execute import execute
from promptlab.runs.journal import Journal, open_journal
from promptlab.runs.means import Means
from promptlab.runs.plan import make_plan
from promptlab.runs.progress import failed_share
from promptlab.runs.stored import list_runs, read_outcomes, run_folder
from promptlab.runs.values import (
    CellDone,
    CellText,
    Ended,
    JournalLine,
    ModelLoading,
    Plan,
    Progress,
    RunEvent,
    Started,
)
from promptlab.workspace.values import Example


class Lab:
    """A journal root and a cache, as a workspace has them."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "state"
        self.cache = Cache(folder / "cache")
        self.stop = asyncio.Event()

    def start(
        self,
        plan: Plan,
        *models: Model,
        use_cache: bool = True,
        currencies: Mapping[str, str] | None = None,
        journal: Journal | None = None,
    ) -> AsyncGenerator[RunEvent, None]:
        by_name = {model.name: model for model in models}
        journal = journal or open_journal(self.root, plan)
        cache = self.cache if use_cache else Cache(self.cache.path.parent, fresh=True)
        return execute(plan, Means(by_name, cache, journal, self.stop, currencies=currencies or {}))

    async def run(self, plan: Plan, *models: Model, use_cache: bool = True) -> list[RunEvent]:
        return [event async for event in self.start(plan, *models, use_cache=use_cache)]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def cells(events: list[RunEvent]) -> dict[tuple[str, str, int], Outcome]:
    done = [event for event in events if isinstance(event, CellDone)]
    found = {(one.column, one.example, one.trial): one.outcome for one in done}
    assert len(found) == len(done), "a cell was told twice"
    return found


def ended(events: list[RunEvent]) -> Ended:
    assert isinstance(events[-1], Ended)
    assert sum(isinstance(event, Ended) for event in events) == 1
    return events[-1]


def started(events: list[RunEvent]) -> Started:
    assert isinstance(events[0], Started)
    return events[0]


async def test_every_cell_gets_its_outcome(lab: Lab) -> None:
    plan = small_plan(10, ["mini", "nano"], trials=2)
    mini, nano = ScriptedModel("mini", cost=0.5), ScriptedModel("nano")
    events = await lab.run(plan, mini, nano)
    assert started(events) == Started(ended(events).run, plan, 0)
    assert [event.model for event in events if isinstance(event, ModelLoading)] == ["mini", "nano"]
    outcomes = cells(events)
    assert set(outcomes) == {(cell.column, cell.example, cell.trial) for cell in plan.cells}
    for cell in plan.cells:
        assert cell.request is not None
        assert outcomes[cell.column, cell.example, cell.trial].text == cell.request.messages[-1].content[::-1]
    end = ended(events)
    assert (end.state, end.reason) == ("complete", "")
    assert (end.progress.total, end.progress.done, end.progress.cached, end.progress.failed) == (40, 40, 0, 0)
    assert end.progress.eta == 0.0
    assert end.progress.cost == pytest.approx({"USD": 10.0})
    assert len(mini.asked) == len(nano.asked) == 20
    assert list_runs(lab.root)[0].state == "complete"
    stored = {place: line.outcome for place, line in read_outcomes(lab.root, end.run).lines.items()}
    assert stored == outcomes


async def test_an_outcome_is_in_the_journal_before_it_is_told(lab: Lab) -> None:
    plan = small_plan(30)
    journal = open_journal(lab.root, plan)
    path = run_folder(lab.root, journal.run) / "outcomes.jsonl"
    told = 0
    async for event in lab.start(plan, ScriptedModel(delay=0.002, at_once=3), journal=journal):
        if isinstance(event, CellDone):
            told += 1
            assert event.outcome.key.encode() in path.read_bytes()
    assert told == 30


async def test_the_same_run_again_asks_no_model(lab: Lab) -> None:
    plan = small_plan(10)
    first = await lab.run(plan, ScriptedModel(cost=1.0))
    model = ScriptedModel(cost=1.0)
    second = await lab.run(plan, model)
    assert model.asked == []
    assert not any(isinstance(event, ModelLoading) for event in second)
    end = ended(second)
    assert end.run != ended(first).run
    assert (end.progress.cached, end.progress.cost) == (10, {})
    assert {place: one.text for place, one in cells(second).items()} == {
        place: one.text for place, one in cells(first).items()
    }
    assert all(one.cached for one in cells(second).values())


async def test_without_the_cache_models_are_asked_and_the_cache_is_renewed(lab: Lab) -> None:
    plan = small_plan(5)
    lab.cache.put_many([Outcome(cell.key, "stale") for cell in plan.cells])
    model = ScriptedModel()
    assert "stale" not in {one.text for one in cells(await lab.run(plan, model, use_cache=False)).values()}
    assert len(model.asked) == 5
    again = await lab.run(plan, ScriptedModel())
    assert "stale" not in {one.text for one in cells(again).values()}


async def test_texts_are_told_while_they_are_written(lab: Lab) -> None:
    plan = small_plan(12)
    model = ScriptedModel(delay=0.15, at_once=6, streaming=True)
    events = await lab.run(plan, model)
    outcomes = cells(events)
    texts = [event for event in events if isinstance(event, CellText)]
    # Texts that nobody took in time give way to outcomes: those of the second six can meet outcomes of the first.
    assert 6 <= len({(one.column, one.example, one.trial) for one in texts}) <= 12
    for place, one in enumerate(events):
        if isinstance(one, CellText):
            assert one.text
            assert outcomes[one.column, one.example, one.trial].text.startswith(one.text)
            assert (one.column, one.example, one.trial) not in cells(events[:place])
    rates = [event.token_rate for event in events if isinstance(event, Progress)]
    assert max(rates) > 0
    assert {outcome.text for outcome in cells(await lab.run(plan, ScriptedModel())).values()} == {
        outcome.text for outcome in outcomes.values()
    }


class Prepared(ScriptedModel):
    """Notes what another model had still to do when it was told to make ready."""

    def __init__(self, name: str, other: ScriptedModel) -> None:
        super().__init__(name)
        self.other = other
        self.told: list[int] = []

    def prepare(self) -> None:
        self.told.append(len(self.other.asked))


async def test_the_next_model_is_made_ready_while_the_one_before_finishes(lab: Lab) -> None:
    plan = small_plan(40, ["mini", "nano"])
    first = ScriptedModel(at_once=4, delay=0.001)
    second = Prepared("nano", first)
    await lab.run(plan, first, second)
    assert len(second.told) == 1
    assert 24 <= second.told[0] < 40
    again = Prepared("nano", first)
    await lab.run(plan, first, again)  # all is known
    assert again.told == []


async def test_a_cancelled_run_keeps_what_arrived_and_goes_on_later(lab: Lab) -> None:
    plan = small_plan(60)
    model = ScriptedModel(delay=0.01, at_once=4, cost=1.0)
    events: list[RunEvent] = []
    async for event in lab.start(plan, model):
        events.append(event)
        if len(cells(events)) == 12:
            lab.stop.set()
    end = ended(events)
    done = len(cells(events))
    assert end.state == "cancelled"
    assert end.reason == f"Stopped after {done} of 60 cells."
    assert 12 <= done < 60
    assert model.closed
    assert [run.state for run in list_runs(lab.root)] == ["partial"]

    lab.stop.clear()
    second = ScriptedModel(cost=1.0)
    resumed = await lab.run(plan, second)
    assert started(resumed).run == end.run
    assert started(resumed).resumed == done
    assert ended(resumed).state == "complete"
    assert ended(resumed).progress.cost == {"USD": 60.0}
    assert len(cells(resumed)) == 60
    assert len(second.asked) == 60 - done


async def test_a_run_that_is_stopped_before_it_starts_asks_nothing(lab: Lab) -> None:
    lab.stop.set()
    model = ScriptedModel()
    end = ended(await lab.run(small_plan(5), model))
    assert (end.state, end.reason) == ("cancelled", "Stopped after 0 of 5 cells.")
    assert model.asked == []


async def test_a_reader_that_leaves_stops_the_model_and_frees_the_run(lab: Lab) -> None:
    plan = small_plan(60)
    model = ScriptedModel(delay=0.01, at_once=4)
    stream = lab.start(plan, model)
    async with aclosing(stream):
        async for event in stream:
            if isinstance(event, CellDone):
                break
    assert model.closed
    kept = len(read_outcomes(lab.root, list_runs(lab.root)[0].id).lines)
    assert 1 <= kept < 60
    assert list_runs(lab.root)[0].state == "partial"
    assert len(asyncio.all_tasks()) == 1


async def test_a_cancelled_task_frees_the_run_too(lab: Lab) -> None:
    plan = small_plan(60)
    model = ScriptedModel(delay=0.01, at_once=4)
    task = asyncio.create_task(lab.run(plan, model))
    await asyncio.sleep(0.08)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert model.closed
    assert list_runs(lab.root)[0].state == "partial"


async def test_outcomes_are_kept_however_slowly_events_are_taken(lab: Lab) -> None:
    plan = small_plan(40)
    journal = open_journal(lab.root, plan)
    stream = lab.start(plan, ScriptedModel(delay=0.001), journal=journal)
    async with aclosing(stream):
        await anext(stream)
        await asyncio.sleep(0.3)
        assert len(read_outcomes(lab.root, journal.run).lines) == 40


async def test_cells_with_one_key_are_asked_once_and_paid_once(lab: Lab) -> None:
    evalset = make_evalset(3)
    twins = [Example(f"{one.id}-again", one.vars) for one in evalset.examples]
    columns = [make_column(make_prompt(content="a" * 12)), make_column(make_prompt(content="b" * 12))]
    plan = make_plan(evalset, [*evalset.examples, *twins], columns)
    model = ScriptedModel(cost=1.0)
    events = await lab.run(plan, model)
    assert len(cells(events)) == 12
    assert len(model.asked) == len(set(model.asked)) == 3
    end = ended(events)
    assert (end.progress.cached, end.progress.cost) == (9, {"USD": 3.0})
    assert all(one.cost == 1.0 for one in cells(events).values())


async def test_an_answer_in_the_journal_serves_the_cells_that_share_its_key(lab: Lab) -> None:
    evalset = make_evalset(1)
    plan = make_plan(evalset, [*evalset.examples, Example("twin", evalset.examples[0].vars)], [make_column()])
    whole = await lab.run(plan, ScriptedModel(cost=1.0))
    path = run_folder(lab.root, ended(whole).run) / "outcomes.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    (path.parent / "state").write_text("partial\n")
    model = ScriptedModel(cost=1.0)
    events = await lab.run(plan, model, use_cache=False)
    assert started(events).resumed == 1
    assert model.asked == []
    assert ended(events).state == "complete"
    assert ended(events).progress.cost == {"USD": 1.0}


async def test_faults_are_outcomes_and_are_asked_again_when_the_run_goes_on(lab: Lab) -> None:
    plan = small_plan(10)
    broken = {cell.key for cell in plan.cells[:3]}
    slow = Fault("timeout", "mini gave no answer within 120 s.")
    odd = Fault("malformed", "mini sent something that is no answer.")

    def fault(request: Request) -> Fault | None:
        if request.key not in broken:
            return None
        return odd if request.key == plan.cells[0].key else slow

    events = await lab.run(plan, ScriptedModel(fault=fault))
    end = ended(events)
    assert end.state == "complete"
    assert end.reason == f"3 of 10 cells failed (most often, 2 times): {slow.message}"
    assert failed_share(end.progress) == pytest.approx(0.3)
    assert cells(events)["a", "e00001", 0].fault == slow
    (run_folder(lab.root, end.run) / "state").write_text("partial\n")
    model = ScriptedModel()
    again = await lab.run(plan, model, use_cache=False)
    assert set(model.asked) == broken
    assert (started(again).run, started(again).resumed) == (end.run, 7)
    assert ended(again).progress.failed == 0


async def test_a_fault_is_never_cached(lab: Lab) -> None:
    plan = small_plan(4)
    await lab.run(plan, ScriptedModel(fault=lambda request: Fault("server", "500.")))
    model = ScriptedModel()
    assert ended(await lab.run(plan, model)).progress.failed == 0
    assert len(model.asked) == 4


async def test_one_model_that_is_gone_does_not_stop_the_others(lab: Lab) -> None:
    plan = small_plan(20, ["gone", "mini", "broken"])
    refused = Fault("unavailable", "http://127.0.0.1:1: connection refused.")
    gone = ScriptedModel("gone", at_once=2, fault=lambda request: refused)
    broken = ScriptedModel("broken", broken="models/broken.gguf is not a GGUF file.")
    events = await lab.run(plan, gone, ScriptedModel("mini"), broken)
    outcomes = cells(events)
    assert len(gone.asked) == 2
    assert gone.closed
    for variant in plan.variants:
        column = [one for place, one in outcomes.items() if place[0] == variant.column]
        assert len(column) == 20
        messages = {one.fault.message if one.fault else "" for one in column}
        assert messages == {
            {"gone": refused.message, "mini": "", "broken": "models/broken.gguf is not a GGUF file."}[variant.model]
        }
        assert all(not one.text and one.finish == "error" for one in column if one.fault)
    assert ended(events).state == "complete"
    assert ended(events).reason.startswith("40 of 60 cells failed (most often, 20 times): ")


async def test_a_fault_of_one_model_is_not_shared_with_another_of_the_same_identity(lab: Lab) -> None:
    evalset = make_evalset(4)
    columns = [
        msgspec.structs.replace(make_column(make_prompt(content=letter * 12), model), identity="one")
        for letter, model in (("a", "first"), ("b", "second"))
    ]
    plan = make_plan(evalset, evalset.examples, columns)
    bad = ScriptedModel("first", fault=lambda request: Fault("auth", "The key in FIRST_KEY was refused."))
    good = ScriptedModel("second")
    outcomes = cells(await lab.run(plan, bad, good))
    assert [bool(one.fault) for place, one in sorted(outcomes.items())] == [True] * 4 + [False] * 4
    assert len(good.asked) == 4


async def test_a_model_that_forgets_requests(lab: Lab) -> None:
    events = await lab.run(small_plan(10), ScriptedModel(forget=3))
    assert ended(events).reason == "3 of 10 cells failed: mini gave no answer to this request."
    assert len(cells(events)) == 10


async def test_a_bug_in_a_model_is_not_hidden_and_nothing_is_lost(lab: Lab) -> None:
    plan = small_plan(10)
    with pytest.raises(ZeroDivisionError):
        await lab.run(plan, ScriptedModel(error=ZeroDivisionError("bug")))
    (run,) = list_runs(lab.root)
    assert run.state == "partial"
    assert len(read_outcomes(lab.root, run.id).lines) == 1
    model = ScriptedModel()
    await lab.run(plan, model)
    assert len(model.asked) == 9


async def test_an_example_that_a_prompt_cannot_be_filled_with(lab: Lab) -> None:
    evalset = make_evalset(3)
    examples = (*evalset.examples, Example("bare", {}), Example("bare2", {}))
    events = await lab.run(make_plan(evalset, examples, [make_column()]), ScriptedModel())
    fault = cells(events)["a", "bare", 0].fault
    assert fault is not None
    assert fault.kind == "template"
    assert "ticket" in fault.message
    assert (ended(events).state, ended(events).progress.failed) == ("complete", 2)


async def test_half_an_emoji_from_a_model_is_kept_as_far_as_it_can_be(lab: Lab) -> None:
    class Cut(ScriptedModel):
        def _answer(self, request: Request) -> Outcome:
            if request.key == plan.cells[0].key:
                return Outcome(request.key, finish="error", fault=Fault("server", "Oops \udd8a"))
            return Outcome(request.key, "smile \ud83e")

    plan = small_plan(2)
    events = await lab.run(plan, Cut())
    outcomes = cells(events)
    assert outcomes["a", "e00001", 0].text == "smile ?"
    fault = outcomes["a", "e00000", 0].fault
    assert fault is not None
    assert fault.message == "Oops ?"
    assert ended(events).state == "complete"


async def test_a_full_disk_ends_the_run_with_a_sentence(lab: Lab) -> None:
    plan = small_plan(30)
    journal = open_journal(lab.root, plan)
    events: list[RunEvent] = []
    path = run_folder(lab.root, journal.run) / "outcomes.jsonl"
    model = ScriptedModel(delay=0.005, at_once=2)
    async for event in lab.start(plan, model, journal=journal):
        events.append(event)
        if len(cells(events)) == 6:
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, journal._file)
            os.close(full)
    end = ended(events)
    assert end.state == "partial"
    assert end.reason == f"{path}: the disk is full. Free some space and run the same command again; nothing is lost."
    kept = len(cells(events))
    assert 6 <= kept < 30
    assert model.closed
    again = ScriptedModel()
    resumed = await lab.run(plan, again, use_cache=False)
    assert started(resumed).resumed == kept
    assert len(again.asked) == 30 - kept
    # The answers that the journal could not take are in the cache.
    assert len(lab.cache.get_many([cell.key for cell in plan.cells])) == 30


async def test_a_journal_that_cannot_be_read(lab: Lab) -> None:
    plan = small_plan(3)
    journal = open_journal(lab.root, plan)
    (run_folder(lab.root, journal.run) / "outcomes.jsonl").unlink()
    (run_folder(lab.root, journal.run) / "outcomes.jsonl").mkdir()
    events = [event async for event in lab.start(plan, ScriptedModel(), journal=journal)]
    assert ended(events).state == "partial"
    assert "outcomes.jsonl: cannot be used: is a directory." in ended(events).reason


async def test_progress_comes_at_most_ten_times_a_second_and_never_late(lab: Lab) -> None:
    plan = small_plan(80)
    events: list[tuple[float, RunEvent]] = []
    begin = time.monotonic()
    model = ScriptedModel(delay=0.05, at_once=4, cost=0.25)
    async for event in lab.start(plan, model, currencies={"mini": "EUR"}):
        events.append((time.monotonic() - begin, event))
    told = [(at, event) for at, event in events if isinstance(event, Progress)]
    elapsed = events[-1][0]
    assert 0.5 * elapsed / 0.1 <= len(told) <= elapsed / 0.1 + 1
    done = 0
    for _, event in events:
        if isinstance(event, CellDone):
            done += 1
        if isinstance(event, Progress):
            assert event.done == done
            assert event.cost == pytest.approx({"EUR": 0.25 * done} if done else {})
            assert event.model == "mini"
    last = told[-1][1]
    assert last.rate == pytest.approx(80 / elapsed, rel=0.3)
    assert last.eta == pytest.approx((80 - last.done) / last.rate)


async def test_no_task_waits_for_a_large_run(lab: Lab) -> None:
    """10,000 cells, answered at once and then all from the cache: a 1 ms ticker runs beside it all the time."""
    evalset = make_evalset(5_000)
    columns = [make_column(make_prompt(f"{word} {{{{ ticket }}}} " + "padding " * 40)) for word in "AB"]
    plan = make_plan(evalset, evalset.examples, columns)
    gc.collect()
    gc.freeze()  # What the test runner has on its heap is no part of the program.
    for use_cache in (False, True):
        # One of three: other processes hold up this one now and then.
        tries = [await _held_up(lab, plan, use_cache)]
        while tries[-1] >= 0.5 and len(tries) < 3:
            tries.append(await _held_up(lab, plan, use_cache))
        assert min(tries) < 0.5


async def _held_up(lab: Lab, plan: Plan, use_cache: bool) -> float:
    """The longest that the ticker waited, as a share of the run."""
    journal = await asyncio.to_thread(open_journal, lab.root, plan)
    ticker = asyncio.create_task(longest_gap())
    await asyncio.sleep(0.01)
    count, begin = 0, time.monotonic()
    async for event in lab.start(plan, ScriptedModel(), journal=journal, use_cache=use_cache):
        count += isinstance(event, CellDone)
    elapsed = time.monotonic() - begin
    ticker.cancel()
    assert count == 10_000
    return await ticker / elapsed


CHILD = """
import asyncio, pathlib, sys
from runs.scripted import ScriptedModel, small_plan
from promptlab.models.cache import Cache
from promptlab.runs.means import Means
from promptlab.runs.execute import execute
from promptlab.runs.journal import open_journal
from promptlab.runs.values import CellDone

async def main(folder):
    plan = small_plan(80, ["mini", "nano"])
    models = {name: ScriptedModel(name, delay=0.004, at_once=3, log=folder / "asked") for name in ("mini", "nano")}
    journal = open_journal(folder / "state", plan)
    async for event in execute(plan, Means(models, Cache(folder / "cache", fresh=True), journal, asyncio.Event())):
        if isinstance(event, CellDone):
            print(event.outcome.key, flush=True)

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


def test_killed_at_five_random_moments_and_started_again(tmp_path: Path) -> None:
    plan = small_plan(80, ["mini", "nano"])
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    draw = random.Random(os.getpid())
    told: set[str] = set()
    for attempt in range(6):
        known = {line.outcome.key for run in list_runs(tmp_path / "state") for line in _lines(tmp_path, run.id)}
        assert told <= known, "what was told is in the journal"
        asked_before = len(_asked(tmp_path))
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
        )
        with child:
            assert child.stdout is not None
            wait = draw.randint(len(known) + 1, len(known) + 30) if attempt < 5 else 10_000
            for count, line in enumerate(child.stdout, start=1):
                told.add(line.strip())
                if count >= wait:
                    break
            time.sleep(draw.random() * 0.02 if attempt < 5 else 0)
            if attempt < 5:
                child.send_signal(signal.SIGKILL)
                child.stdout.read()
        assert not known & set(_asked(tmp_path)[asked_before:]), "a journalled cell was asked again"
    assert child.returncode == 0
    (run,) = list_runs(tmp_path / "state")
    assert run.state == "complete"
    assert {line.outcome.key for line in _lines(tmp_path, run.id)} == {cell.key for cell in plan.cells}
    assert len(_lines(tmp_path, run.id)) == 160
    # Only what was in flight at a kill, three at most, was asked a second time.
    again = [key for key, times in Counter(_asked(tmp_path)).items() if times > 1]
    assert len(again) <= 5 * 3 * 2


def _lines(folder: Path, run: str) -> list[JournalLine]:
    return list(read_outcomes(folder / "state", run).lines.values())


def _asked(folder: Path) -> list[str]:
    path = folder / "asked"
    return path.read_text().split() if path.exists() else []

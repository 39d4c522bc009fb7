"""Endpoints side by side, columns in turn, limits of what may be spent, and what the person is told on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from loopback import LoopbackServer, completion, echo, status
from msgspec import structs
from runs.scripted import ScriptedModel, make_column, make_evalset, make_prompt

from promptlab.models.cache import Cache
from promptlab.models.endpoint import Endpoint
from promptlab.models.values import Capabilities, Model, Outcome, Request, Usage, Watch
from promptlab.runs.asking import Fingerprints, in_order
from promptlab.runs.execute import execute
from promptlab.runs.journal import open_journal
from promptlab.runs.means import Means
from promptlab.runs.plan import make_plan
from promptlab.runs.progress import Meter
from promptlab.runs.values import UNLIMITED, Budget, CellDone, Ended, ModelLoading, Noticed, Plan, RunEvent
from promptlab.workspace.settings_values import ModelEntry, Price


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(echo) as running:
        yield running


def endpoint(server: LoopbackServer, name: str = "gpt") -> Endpoint:
    return Endpoint(ModelEntry(name=name, model=name, base_url=server.base_url, price=Price(1000, 1000)))


def plan_of(*models: Model, prompts: int = 1, examples: int = 20) -> Plan:
    evalset = make_evalset(examples)
    texts = [f"{letter}: {{{{ ticket }}}}" for letter in "ABCD"[:prompts]]
    columns = [
        structs.replace(make_column(make_prompt(text), model.name), identity=model.identity)
        for text in texts
        for model in models
    ]
    return make_plan(evalset, evalset.examples, columns)


async def run(plan: Plan, folder: Path, *models: Model, budget: Budget | None = None) -> list[RunEvent]:
    cache = Cache(folder / "cache")
    meter = Meter(budget or UNLIMITED)
    journal = open_journal(folder / "state", plan)
    by_name = {model.name: model for model in models}
    events = execute(plan, Means(by_name, cache, journal, stop=asyncio.Event(), meter=meter))
    found = [event async for event in events]
    for model in models:
        await model.close()
    return found


def ended(events: list[RunEvent]) -> Ended:
    assert isinstance(events[-1], Ended)
    return events[-1]


async def test_endpoints_are_asked_side_by_side_and_local_models_in_turn(tmp_path: Path) -> None:
    with LoopbackServer(latency=0.3) as slow, LoopbackServer() as quick:
        models = [endpoint(slow, "slow"), endpoint(quick, "quick"), ScriptedModel("one"), ScriptedModel("two")]
        events = await run(plan_of(*models, examples=3), tmp_path, *models)
    assert [event.model for event in events if isinstance(event, ModelLoading)] == ["one", "slow", "quick", "two"]
    done = [event.column for event in events if isinstance(event, CellDone)]
    assert set(done[-3:]) == {"a"}, "who is slow holds nobody up"
    assert ended(events).state == "complete"


def test_an_endpoint_is_asked_for_its_columns_in_turn_and_a_local_model_one_after_the_other() -> None:
    elsewhere = ScriptedModel()
    elsewhere.capabilities = Capabilities(elsewhere=True)
    columns = [[0, 1], [3, 4, 5], [7]]
    assert list(in_order(columns, elsewhere)) == [0, 3, 7, 1, 4, 5]
    assert list(in_order(columns, ScriptedModel())) == [0, 1, 3, 4, 5, 7]


async def test_what_was_under_way_at_the_limit_is_kept(tmp_path: Path, server: LoopbackServer) -> None:
    server.latency = 0.02
    model = endpoint(server)
    plan = plan_of(model, examples=300)
    events = await run(plan, tmp_path, model, budget=Budget(tokens=500))
    end = ended(events)
    assert end.state == "partial"
    assert end.reason.startswith("Stopped by the limit of tokens, 500: ")
    assert end.progress.done == len(server.asked) < 300
    assert model.traffic.limit > 0, "the model is as before for the next run"
    again = await run(plan, tmp_path, endpoint(server))
    assert ended(again).state == "complete"
    assert len(server.asked) == 300


async def test_a_local_model_is_stopped_by_a_limit_too(tmp_path: Path) -> None:
    model = ScriptedModel(delay=0.005, cost=0.1, at_once=1)
    events = await run(plan_of(model, examples=200), tmp_path, model, budget=Budget(cost=1.0))
    assert ended(events).state == "partial"
    assert 10 <= ended(events).progress.done <= 12


async def test_a_changed_build_is_told_once(tmp_path: Path, server: LoopbackServer) -> None:
    server.next(*[completion("x")] * 3)
    server.rule = lambda asked: None if len(server.asked) <= 3 else changed
    changed = completion("y")
    changed = type(changed)(body=changed.body.replace(b"loopback-1", b"loopback-2"))
    model = Endpoint(ModelEntry(name="gpt", model="gpt", base_url=server.base_url, concurrency=1))
    events = await run(plan_of(model, examples=6), tmp_path, model)
    assert [event.message for event in events if isinstance(event, Noticed)] == [
        "gpt: the endpoint changed its build during the run (system_fingerprint loopback-1, now loopback-2): "
        "answers before and after are of two models."
    ]


def test_no_fingerprint_is_no_change() -> None:
    seen = Fingerprints()
    assert [seen.changed("m", Outcome("k", fingerprint=one)) for one in ("a", "", "a")] == ["", "", ""]
    assert seen.changed("other", Outcome("k", fingerprint="b")) == ""


async def test_a_notice_of_an_endpoint_reaches_the_person(tmp_path: Path, server: LoopbackServer) -> None:
    server.rule = lambda asked: status(400, "Unsupported parameter: seed") if "seed" in asked.body else None
    model = endpoint(server)
    events = await run(plan_of(model), tmp_path, model)
    assert [event.message for event in events if isinstance(event, Noticed)] == [
        f"gpt: {server.base_url} does not take seed: it is left out."
    ]
    assert ended(events).progress.failed == 0


async def test_progress_counts_tokens_retries_and_faults_by_kind(tmp_path: Path, server: LoopbackServer) -> None:
    server.next(status(503), status(400, "no"), completion("x", usage={"prompt_tokens": 5, "completion_tokens": 2}))
    model = Endpoint(ModelEntry(name="gpt", model="gpt", base_url=server.base_url, concurrency=1))
    progress = ended(await run(plan_of(model, examples=2), tmp_path, model)).progress
    assert (progress.failed, progress.faults, progress.retried) == (1, {"rejected": 1}, 1)
    assert progress.tokens == 7


@pytest.mark.parametrize("budget", [Budget(), Budget(cost=1.0), Budget(tokens=10, minutes=1)])
def test_a_meter_counts_what_is_under_way_like_the_rest(budget: Budget) -> None:
    meter = Meter(budget, lambda: 0.0)
    assert meter.used_up(1000) == ""
    meter.add(Outcome("k", usage=Usage(2, 1), cost=0.25))
    assert meter.used_up(1) == ""
    assert bool(meter.used_up(3)) == (budget != Budget())


async def test_an_answer_is_in_the_journal_before_its_model_gives_the_next_one(tmp_path: Path) -> None:
    found: list[int] = []

    class Looking(ScriptedModel):
        """Looks into the journal after each answer."""

        async def generate(self, requests: Sequence[Request], watch: Watch | None = None) -> AsyncIterator[Outcome]:
            async for outcome in super().generate(requests, watch):
                yield outcome
                found.append(next(tmp_path.rglob("outcomes.jsonl")).read_bytes().count(b"\n"))

    model = Looking()
    await run(plan_of(model, examples=5), tmp_path, model)
    assert found == [1, 2, 3, 4, 5]


async def test_on_a_disk_that_is_slow_nothing_waits_for_writes_and_all_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptlab.runs.journal.QUICK", 0.0)  # every write takes too long
    model = ScriptedModel()
    events = await run(plan_of(model, examples=40), tmp_path, model)
    assert ended(events).state == "complete"
    assert next(tmp_path.rglob("outcomes.jsonl")).read_bytes().count(b"\n") == 40


def test_a_limit_stays_reached_when_what_was_under_way_costs_less() -> None:
    meter = Meter(Budget(tokens=100))
    meter.add(Outcome("one", "a", usage=Usage(40, 0)))
    assert meter.used_up(1) == ""
    assert meter.used_up(2) == meter.reached == "Stopped by the limit of tokens, 100"
    meter.add(Outcome("two", "b", usage=Usage(10, 0)))
    assert meter.used_up(0) == ""
    assert meter.reached == "Stopped by the limit of tokens, 100"
    meter.allow(Budget(tokens=200))
    assert meter.reached == ""

"""Runs on real models: the packaged GGUF in its child process, and an endpoint over HTTP on the loopback address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from loopback import LoopbackServer, echo, status, written
from runs.scripted import make_evalset, make_prompt

from promptlab.models.cache import Cache
from promptlab.models.registry import open_model
from promptlab.models.values import Model, Outcome
from promptlab.runs.execute import execute
from promptlab.runs.journal import open_journal
from promptlab.runs.means import Means
from promptlab.runs.plan import ColumnSpec, make_plan
from promptlab.runs.values import CellDone, CellText, Ended, Plan, Progress, RunEvent
from promptlab.workspace.settings_values import ModelEntry, Price
from promptlab.workspace.values import EvalSet, Output, Params

CHOICES = ("billing", "shipping", "technical", "account", "other")


@pytest.fixture(autouse=True)
def no_ambient_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


async def run(
    folder: Path,
    plan: Plan,
    *models: Model,
    currency: str = "USD",
    until: Callable[[RunEvent], bool] | None = None,
    watched: bool = True,
) -> tuple[list[Outcome], Ended]:
    """The outcomes and the end; it is stopped at the first event for which ``until`` is true."""
    events: list[RunEvent] = []
    journal = await asyncio.to_thread(open_journal, folder / "state", plan)
    cache = Cache(folder / "cache")
    by_name = {model.name: model for model in models}
    currencies = {model.name: currency for model in models}
    means = Means(by_name, cache, journal, stop=asyncio.Event(), currencies=currencies, watched=watched)
    try:
        async for event in execute(plan, means):
            events.append(event)
            if until is not None and until(event):
                means.stop.set()
    finally:
        for model in models:
            await model.close()
        cache.close()
    assert isinstance(events[-1], Ended)
    return [event.outcome for event in events if isinstance(event, CellDone)], events[-1]


def column(model: Model, entry: ModelEntry, params: Params, output: Output | None = None) -> ColumnSpec:
    prompt = make_prompt(output=output)
    return ColumnSpec("triage", prompt, "*", entry.name, model.identity, params, model.capabilities)


def plan_for(evalset: EvalSet, columns: Sequence[ColumnSpec]) -> Plan:
    return make_plan(evalset, evalset.examples, columns)


@pytest.mark.local
async def test_a_run_on_the_packaged_model(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="the local engine is not installed")
    entry = ModelEntry("mini", gguf="demo:mini")
    model = open_model(entry, tmp_path)
    params = Params(max_tokens=8)
    plan = plan_for(make_evalset(6), [column(model, entry, params, Output(choices=CHOICES))])
    outcomes, end = await run(tmp_path, plan, model)
    assert (end.state, end.reason) == ("complete", "")
    assert len(outcomes) == 6
    assert {one.text for one in outcomes} <= set(CHOICES)
    assert all(one.usage.prompt > 0 and not one.cached for one in outcomes)
    again, end = await run(tmp_path, plan, open_model(entry, tmp_path))
    assert end.progress.cached == 6
    assert sorted(one.text for one in again) == sorted(one.text for one in outcomes)


async def test_a_run_over_http(tmp_path: Path) -> None:
    with LoopbackServer(reply=echo) as server:
        price = Price(1.0, 2.0, "EUR", per=1)
        entry = ModelEntry("loop", model="loopback", base_url=server.base_url, price=price)
        model = open_model(entry, tmp_path)
        plan = plan_for(make_evalset(20), [column(model, entry, Params())])
        outcomes, end = await run(tmp_path, plan, model, currency="EUR")
        assert (end.state, end.reason) == ("complete", "")
        assert {one.text for one in outcomes} == {
            f"Route this: Ticket {index}: where is my order?" for index in range(20)
        }
        assert end.progress.cost == pytest.approx({"EUR": sum(one.cost or 0 for one in outcomes)})
        assert end.progress.cost["EUR"] > 0
        _, end = await run(tmp_path, plan, open_model(entry, tmp_path), currency="EUR")
        assert (end.progress.cached, end.progress.cost) == (20, {})
        assert len(server.asked) == 20


async def test_an_endpoint_that_refuses_its_key_is_given_up_and_the_next_goes_on(tmp_path: Path) -> None:
    with LoopbackServer(reply=echo) as closed, LoopbackServer(reply=echo) as open_one:
        closed.rule = lambda asked: status(401, "Incorrect API key provided.")
        entries = [
            ModelEntry("closed", model="loopback", base_url=closed.base_url, concurrency=2),
            ModelEntry("open", model="loopback", base_url=open_one.base_url),
        ]
        models = [open_model(entry, tmp_path) for entry in entries]
        columns = [column(model, entry, Params()) for model, entry in zip(models, entries, strict=True)]
        outcomes, end = await run(tmp_path, plan_for(make_evalset(12), columns), *models)
        assert len(outcomes) == 24
        assert (end.state, end.progress.failed) == ("complete", 12)
        assert end.reason.startswith("12 of 24 cells failed")
        assert len(closed.asked) < 12
        assert len(open_one.asked) == 12
        assert {one.fault.kind for one in outcomes if one.fault} == {"auth"}


async def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    entry = ModelEntry("gone", model="loopback", base_url=gone)
    model = open_model(entry, tmp_path)
    outcomes, end = await run(tmp_path, plan_for(make_evalset(3), [column(model, entry, Params())]), model)
    assert end.state == "complete"
    assert {one.fault.kind for one in outcomes if one.fault} == {"unavailable"}
    assert end.progress.failed == 3


async def test_what_an_endpoint_writes_is_told_and_half_of_it_is_never_kept(tmp_path: Path) -> None:
    slow = ["so ", "far ", *["and on "] * 300]
    with LoopbackServer(echo) as server:
        server.rule = lambda _: written(*slow, pause=0.02)
        entry = ModelEntry("gpt", model="x", base_url=server.base_url, stream=True)
        model = open_model(entry, tmp_path)
        plan = plan_for(make_evalset(3), [column(model, entry, Params())])
        heard: list[RunEvent] = []

        def rate_is_known(event: RunEvent) -> bool:
            heard.append(event)
            return isinstance(event, Progress) and event.token_rate > 0

        def told(event: RunEvent) -> bool:
            heard.append(event)
            return False

        outcomes, end = await run(tmp_path, plan, model, until=rate_is_known)
        texts = [event for event in heard if isinstance(event, CellText)]
        assert {one.example for one in texts} <= {one.id for one in plan.examples}
        assert texts
        assert all("".join(slow).startswith(one.text) for one in texts)
        assert (outcomes, end.state) == ([], "cancelled")
        server.rule = lambda _: written("the ", "whole", *[""] * 15, pause=0.02)
        heard.clear()
        outcomes, end = await run(tmp_path, plan, open_model(entry, tmp_path), until=told, watched=False)
        assert not any(isinstance(event, CellText) for event in heard)
        assert [(one.text, one.cached) for one in outcomes] == [("the whole", False)] * 3
        assert end.state == "complete"

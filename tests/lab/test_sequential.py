"""Runs that stop when the verdict is clear, over a real endpoint: what they ask, keep and say later."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from loopback import LoopbackServer

from promptlab.errors import UsageFault
from promptlab.lab import Lab, RunTable
from promptlab.lab.sequential import BLOCK, parts_of, saving_of
from promptlab.lab.values import RunRequest
from promptlab.models.cache import Cache
from promptlab.runs.values import Ended, Sequential, Started

SIZE = 120
CLEAR = RunRequest(("triage@v1", "triage"), until_clear=True)


def many(folder: Path, decision: str = 'primary = "exact"', groups: int = 0) -> None:
    """An eval set of 120 tickets; the second wording is right on all, the first on none."""
    group = (lambda at: f'group = "g{at % groups}"\n') if groups else (lambda at: "")
    head = '[[examples]]\nexpected = "billing"\n'
    rows = "".join(
        f'{head}id = "n{at:03}"\n{group(at)}vars = {{ ticket = "Bill {at} is wrong." }}\n' for at in range(SIZE)
    )
    metrics = '[[metrics]]\nid = "exact"\n[[metrics]]\nid = "latency"\n'
    (folder / "evalsets" / "tickets.toml").write_text(f"{metrics}[decision]\n{decision}\n{rows}")


@pytest.fixture
def clear(folder: Path, server: LoopbackServer) -> Path:
    server.reply = lambda text: "billing" if text.startswith("Label") else "It is about billing."
    many(folder)
    return folder


async def run(lab: Lab, request: RunRequest) -> tuple[RunTable, Ended]:
    plan = lab.plan(request)
    table = lab.table(plan)
    events = [event async for event in lab.run(plan, table)]
    assert sum(isinstance(event, Started) for event in events) == 1
    assert isinstance(events[-1], Ended)
    return table, events[-1]


async def test_it_stops_when_it_is_clear_and_says_what_was_saved(clear: Path, server: LoopbackServer) -> None:
    lab = Lab.open(clear)
    table, ended = await run(lab, CLEAR)
    assert (table.state, server.count.total()) == ("complete", 2 * BLOCK)
    verdict = table.verdict("b")
    assert verdict is not None
    assert (verdict.status, verdict.n) == ("BETTER", BLOCK)
    assert verdict.method == "betting p, anytime-valid betting interval"
    assert ended.reason == "Clear after 16 of 120 examples: 208 cells not asked, 87 % saved."
    assert (ended.progress.done, ended.progress.total) == (32, 240)
    mean = table.mean("b", "exact")
    assert mean is not None
    assert mean.method == "betting, anytime-valid"
    await lab.close()

    again = Lab.open(clear)
    journalled = again.open_run("last")
    assert (journalled.state, journalled.verdict("b")) == ("complete", verdict)
    saved = again.save(journalled.run)
    opened = Lab.open(clear).open_run(saved.tag)
    assert (opened.state, opened.sequential, opened.verdict("b")) == ("complete", Sequential(SIZE), verdict)
    comparison = Lab.open(clear).compare(f"{saved.tag}:a", f"{saved.tag}:b")
    assert comparison.verdicts[0].method == verdict.method
    assert comparison.verdicts[1].status == "INCONCLUSIVE"
    known = again.same_run(again.plan(CLEAR))
    assert known is not None
    assert known.tag == saved.tag


async def test_a_null_is_asked_to_the_end_of_the_budget(clear: Path, server: LoopbackServer) -> None:
    server.reply = lambda text: "billing" if "7" in text else "I cannot say."
    lab = Lab.open(clear)
    request = RunRequest(CLEAR.subjects, until_clear=True, max_examples=30)
    table, ended = await run(lab, request)
    assert (table.state, server.count.total()) == ("complete", 60)
    assert ended.reason == "Not clear after 30 examples of at most 30."
    saving = saving_of(table)
    assert saving is not None
    assert (saving.clear, saving.cells, saving.saved) == (False, 60, 0)
    await lab.close()


async def test_what_was_stopped_goes_on_where_it_was(clear: Path, server: LoopbackServer) -> None:
    many(clear, 'primary = "exact"\nmin_effect = 0.0')
    settings = clear / "promptlab.toml"
    settings.write_text(settings.read_text().replace("[models.api]\n", "[models.api]\nconcurrency = 20\n"))
    server.reply = lambda text: "billing"
    lab, stop = Lab.open(clear), asyncio.Event()
    plan = lab.plan(CLEAR)
    table = lab.table(plan)
    async with aclosing(lab.run(plan, table, stop=stop, cache=Cache(fresh=True))) as events:
        async for _ in events:
            if table.revision >= 40:
                stop.set()
    assert table.state == "cancelled"
    assert Lab.open(clear).open_run(table.run).state == "partial"
    asked = server.count.total()
    assert 40 <= asked < 240
    again = lab.table(plan)
    ended = [event async for event in lab.run(plan, again, cache=Cache(fresh=True))][-1]
    assert (again.run, again.state, isinstance(ended, Ended)) == (table.run, "complete", True)
    # What was in flight when it was stopped is asked again, and nothing else.
    assert 240 <= server.count.total() <= 240 + 20
    await lab.close()


async def test_an_endpoint_that_is_gone_ends_it_at_once(clear: Path) -> None:
    text = (clear / "promptlab.toml").read_text()
    port = text.partition("127.0.0.1:")[2].partition("/")[0]
    (clear / "promptlab.toml").write_text(text.replace(f"127.0.0.1:{port}", "127.0.0.1:9"))
    lab = Lab.open(clear)
    table, ended = await run(lab, CLEAR)
    assert (table.state, ended.progress.failed, ended.progress.total) == ("partial", 32, 240)
    await lab.close()


async def test_groups_are_asked_whole(clear: Path) -> None:
    many(clear, 'primary = "exact"\ncluster_by = "group"', groups=12)
    lab = Lab.open(clear)
    plan = lab.plan(CLEAR)
    assert plan.sequential is not None
    group = {example.id: example.group for example in plan.examples}
    parts = [{group[cell.example] for cell in part} for part in parts_of(plan, plan.sequential)]
    assert [len(part) for part in parts] == [2, 2, 2, 2, 2, 2]
    assert len(set[str | None]().union(*parts)) == 12
    table, _ = await run(lab, CLEAR)
    verdict = table.verdict("b")
    assert verdict is not None
    assert (verdict.status, verdict.n) == ("BETTER", 80)  # eight groups: nine that agree would do at half the bets
    await lab.close()


async def test_a_guardrail_without_a_test_for_this_is_unclear(clear: Path) -> None:
    many(
        clear,
        'primary = "exact"\nguardrails = [{ metric = "latency", ratio = 9 }, { metric = "exact", margin = 0.1 }]',
    )
    lab = Lab.open(clear)
    table, _ = await run(lab, CLEAR)
    latency, exact = table.guardrails("b")
    assert (latency.status, exact.status) == ("UNCLEAR", "HELD")
    assert latency.sentence.startswith("UNCLEAR: latency: the run could stop at any moment")
    await lab.close()


@pytest.mark.parametrize(
    ("request_", "decision", "sentence"),
    [
        (RunRequest(("triage",), until_clear=True), 'primary = "exact"', "--until-clear needs something to compare"),
        (RunRequest(("triage",), again=True, until_clear=True), 'primary = "exact"', "--aa shows what chance does"),
        (CLEAR, 'primary = "latency"', "--until-clear needs a primary metric with a lowest and a highest value"),
    ],
)
def test_what_cannot_be_clear_is_refused(clear: Path, request_: RunRequest, decision: str, sentence: str) -> None:
    many(clear, decision)
    with pytest.raises(UsageFault) as fault:
        Lab.open(clear).plan(request_)
    assert str(fault.value).startswith(sentence)

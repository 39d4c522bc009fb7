"""All pairs of columns, and the largest changes, on a real run."""

from __future__ import annotations

from pathlib import Path

import places
import pytest
from loopback import LoopbackServer

from promptlab.errors import UsageFault
from promptlab.lab import Lab, RunTable
from promptlab.lab.ranking import changes_of, ranking_of
from promptlab.lab.values import RunRequest


async def three(folder: Path, server: LoopbackServer) -> RunTable:
    """``v1`` is never right, the working copy on three of eight, ``v2`` always."""
    path = folder / "prompts" / "triage.toml"
    path.write_text(path.read_text().replace("Label this", "Please label this"))
    shipping = [ticket for ticket, label in places.TICKETS.values() if label == "shipping"]

    def reply(text: str) -> str:
        if text.startswith("Please"):
            return "shipping" if text.endswith(tuple(shipping)) else "I cannot say."
        return places.route(text)

    server.reply = reply
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(("triage@v1", "triage", "triage@v2")))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    await lab.close()
    return table


async def test_every_pair_has_a_verdict_and_every_column_a_strength(folder: Path, server: LoopbackServer) -> None:
    table = await three(folder, server)
    found = ranking_of(table)
    assert [(pair.before, pair.after) for pair in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [one.column for one in found.standings] == ["c", "b", "a"]
    assert [one.wins for one in found.standings] == [8 + 5 + 1.5, 1.5 + 3 + 2.5, 2.5]
    best = found.pairs[1].verdict
    assert (best.status, best.effect) == ("BETTER", 1.0)
    assert best.notes[-1].startswith("After Holm's correction over 3 comparisons")
    assert found.notes[1] == "Only 8 examples with a score in every column: the order is a guess."


async def test_the_largest_changes_come_first(folder: Path, server: LoopbackServer) -> None:
    table = await three(folder, server)
    found = changes_of(table)
    assert {change.delta for change in found.changes} == {1.0}
    assert len(found.changes) + found.same == 16
    assert sum(change.column == "c" for change in found.changes) == 8
    by_latency = changes_of(table, "latency")
    deltas = [abs(change.delta) for change in by_latency.changes]
    assert deltas == sorted(deltas, reverse=True)
    assert by_latency.changes[0].delta == pytest.approx(by_latency.changes[0].before - by_latency.changes[0].after)


async def test_what_cannot_be_ranked(folder: Path) -> None:
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(("triage@v1", "triage")))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    await lab.close()
    with pytest.raises(UsageFault, match=r"^All pairs need three columns or more; this run has 2 columns\.$"):
        ranking_of(table)
    with pytest.raises(UsageFault, match=r"^The run has no metric “f1”"):
        changes_of(table, "f1")

"""A run seen from another process: its answers as they come, and those that are being written."""

from __future__ import annotations

import asyncio
from pathlib import Path

from loopback import LoopbackServer, written

from promptlab.lab import Lab
from promptlab.lab.values import RunRequest
from promptlab.lab.watching import Watching

WORDS = ["It ", "is ", "about ", "billing."]


def stream(folder: Path) -> None:
    settings = folder / "promptlab.toml"
    settings.write_text(settings.read_text().replace("[models.api]\n", "[models.api]\nstream = true\n"))


async def test_who_attaches_sees_answers_grow_and_how_far_the_run_is(folder: Path, server: LoopbackServer) -> None:
    stream(folder)
    server.rule = lambda _: written(*WORDS, pause=0.2)
    lab, there = Lab.open(folder), Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=("triage",), models=("api",)))
    table = lab.table(plan)

    async def run() -> None:
        async for _ in lab.run(plan, table, watched=False):
            pass

    running = asyncio.create_task(run())
    while not table.run:
        await asyncio.sleep(0.01)
    watching = Watching(there, table.run)
    grown, in_flight = set[str](), 0
    while await asyncio.to_thread(watching.look):
        grown |= {text.text for text in watching.texts}
        in_flight = max(in_flight, watching.progress.in_flight)
        await asyncio.sleep(0.05)
    await running
    assert len(grown) > 1
    assert all("".join(WORDS).startswith(text) for text in grown)
    assert in_flight == len(plan.examples)
    assert watching.texts == ()
    assert (watching.progress.done, watching.progress.failed) == (plan.size, 0)
    await lab.close()
    await there.close()


async def test_a_run_that_stops_when_it_is_clear_is_told_in_cells_of_the_run(
    folder: Path, server: LoopbackServer
) -> None:
    rows = "".join(
        f'[[examples]]\nid = "n{at}"\nvars = {{ ticket = "Bill {at}." }}\nexpected = "x"\n' for at in range(40)
    )
    metrics = '[[metrics]]\nid = "exact"\n[decision]\nprimary = "exact"\n'
    (folder / "evalsets" / "tickets.toml").write_text(metrics + rows)
    stream(folder)
    server.rule = lambda _: written("billing", " it is", pause=0.1)
    lab, there = Lab.open(folder), Lab.open(folder)
    plan = lab.plan(RunRequest(("triage@v1", "triage"), until_clear=True, max_examples=36))
    table = lab.table(plan)

    async def run() -> None:
        async for _ in lab.run(plan, table, watched=False):
            pass

    running = asyncio.create_task(run())
    while not table.run:
        await asyncio.sleep(0.01)
    watching = Watching(there, table.run)
    live = 0
    while await asyncio.to_thread(watching.look):
        live += watching.progress.in_flight
        assert (watching.progress.total, watching.progress.eta) == (72, None)
        await asyncio.sleep(0.02)
    await running
    assert live, "it was told how the run was getting on"
    assert (watching.progress.total, watching.progress.done) == (72, table.revision)
    assert watching.progress.failed == 0
    await lab.close()
    await there.close()

"""A run seen from another process: its answers as they come, and those that are being written."""

from __future__ import annotations

import asyncio
from pathlib import Path

from loopback import LoopbackServer, written

from promptlab.lab import Lab
from promptlab.lab.values import RunRequest
from promptlab.lab.watching import Watching

WORDS = ["It ", "is ", "about ", "billing."]


async def test_who_attaches_sees_answers_grow_and_how_far_the_run_is(folder: Path, server: LoopbackServer) -> None:
    settings = folder / "promptlab.toml"
    settings.write_text(settings.read_text().replace("[models.api]\n", "[models.api]\nstream = true\n"))
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

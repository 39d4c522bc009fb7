"""What an endpoint says of its build: shown with a run, and a change of it told."""

from __future__ import annotations

from pathlib import Path

import places
from loopback import Answer, Asked, LoopbackServer, completion, raw
from msgspec import json

from promptlab.lab import Lab, RunTable
from promptlab.lab.builds import builds_lines
from promptlab.lab.report import run_report
from promptlab.lab.values import RunRequest
from promptlab.models.cache import Cache


def as_build(build: str, asked: Asked) -> Answer:
    body = json.decode(completion(places.route(asked.text)).body)
    return raw({**body, "system_fingerprint": build})


async def run(folder: Path) -> RunTable:
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(("triage",)))
    table = lab.table(plan)
    async for _ in lab.run(plan, table, cache=Cache(fresh=True)):
        pass
    lab.save(table.run)
    await lab.close()
    return table


async def test_the_build_is_shown_and_another_one_is_told(folder: Path, server: LoopbackServer) -> None:
    server.rule = lambda asked: as_build("fp_1", asked)
    first = await run(folder)
    (column,) = run_report(first).columns
    assert (column.builds, column.identity) == (("fp_1",), first.variants[0].identity)
    assert builds_lines(first) == ["api answered as build fp_1"]
    server.rule = lambda asked: as_build("fp_2" if "parcel" in asked.text else "fp_3", asked)
    second = await run(folder)
    assert builds_lines(second) == ["api answered as 2 builds, fp_3, fp_2: its answers are of several models"]
    notes = Lab.open(folder).compare(first.run, second.run).notes
    assert "api answered as another build in the second run: fp_1 before, fp_3, fp_2 after." in notes

"""Runs that were made before the program is opened."""

from __future__ import annotations

from pathlib import Path

from promptlab.lab import Lab
from promptlab.lab.values import RunRequest

BOTH = RunRequest(subjects=("triage@v1", "triage@v2"), baseline="triage@v1")


async def finished(folder: Path, request: RunRequest = BOTH, *, save: bool = True) -> str:
    """Run and, unless told not to, save; gives the run's id."""
    lab = Lab.open(folder)
    plan = lab.plan(request)
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    if save:
        lab.save(table.run)
    await lab.close()
    return table.run

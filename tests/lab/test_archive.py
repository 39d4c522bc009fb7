"""Saved runs that were changed by hand: each is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlab.errors import InvalidFile
from promptlab.lab import Lab, archive
from promptlab.lab.values import RunRequest

TRIALS, SAYS = b"trials = 1\n", "trials, where 1 to 1000 can be"
CHANGES = [
    (archive.OUTPUTS, b'"example":"t1"', b'"example":"\\u001b[2J"', r"an answer for `a \x1b[2J 0`, which is no cell"),
    (archive.OUTPUTS, b'"column":"a"', b'"column":"z"', "an answer for `z t1 0`, which is no cell"),
    (archive.EXAMPLES, b'"id":"t2"', b'"id":"t1"', "two of its examples have the same id"),
    (archive.RUN, TRIALS, b"trials = 1000000000\n", f"1000000000 {SAYS}"),
    (archive.RUN, TRIALS, b"trials = -1\n", f"-1 {SAYS}"),
]


async def test_a_saved_run_whose_cells_do_not_fit_is_refused(folder: Path) -> None:
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=("triage",), models=("api",)))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    await lab.close()
    files = archive.pack(table, plan)
    assert archive.unpack(files, "run/1").revision == table.revision
    for file, old, new, says in CHANGES:
        assert old in files[file]
        with pytest.raises(InvalidFile) as fault:
            archive.unpack({**files, file: files[file].replace(old, new)}, "run/1")
        assert says in str(fault.value)
        assert "\x1b" not in str(fault.value)

"""What is read once and shared: tables of runs, eval sets."""

from __future__ import annotations

import gc
import os
import weakref
from contextlib import closing
from pathlib import Path

import places
import pytest

from promptlab.errors import NotFound
from promptlab.lab import Lab
from promptlab.lab.opened import CELLS, Opened
from promptlab.lab.values import RunRequest
from promptlab.models.values import Outcome
from promptlab.runs.journal import open_journal
from promptlab.runs.values import JournalLine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return places.workspace(tmp_path / "shop")


def test_a_run_in_the_journal_is_read_again_only_when_it_has_grown(folder: Path) -> None:
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(("triage",)))
    with closing(open_journal(lab.journal_root(), plan)) as journal:
        first = lab.open_run(journal.run)
        assert lab.open_run(journal.run) is first
        assert first.outcome("a", "t1") is None
        journal.append([JournalLine("a", "t1", 0, Outcome(plan.cells[0].key, "billing"))])
        grown = lab.open_run(journal.run)
    outcome = grown.outcome("a", "t1")
    assert outcome is not None
    assert outcome.text == "billing"


def test_a_large_table_that_nobody_looks_at_is_given_up(folder: Path) -> None:
    lab, opened = Lab.open(folder), Opened()
    plan = lab.plan(RunRequest(("triage",)))
    small = [opened.put(f"small{n}", lab.table(plan)) for n in range(2)]
    large = lab.table(plan)
    large.examples *= CELLS // len(large.examples) + 1
    assert opened.get("large") is None
    assert opened.put("large", large) is opened.get("large")
    gone = [weakref.ref(table) for table in (*small, large)]
    assert opened.get("small0") is small[0], "as long as somebody looks at it"
    small.clear()
    del large
    gc.collect()
    assert [table() for table in gone] == [None, None, None]
    assert opened.get("small0") is None


def test_an_eval_set_is_read_again_when_its_file_has_changed(folder: Path) -> None:
    lab, file = Lab.open(folder), folder / "evalsets" / "tickets.toml"
    assert lab.evalset("tickets") is not lab.evalset("tickets"), "a file this young may change within its time stamp"
    os.utime(file, (1_000_000_000, 1_000_000_000))
    first = lab.evalset("tickets")
    assert lab.evalset("tickets") is first
    file.write_text(file.read_text().replace("Eight tickets", "Some tickets"))
    assert lab.evalset("tickets").description == "Some tickets"
    file.unlink()
    with pytest.raises(NotFound):
        lab.evalset("tickets")

"""Runs that are saved without their texts: every score stays, and what needs a text says that it was not stored."""

from __future__ import annotations

from pathlib import Path

import places
import pytest

from promptlab.errors import UsageFault
from promptlab.lab import Lab, RunTable
from promptlab.lab.report import example_report
from promptlab.lab.searching import stored_outcomes
from promptlab.lab.values import RunRequest
from promptlab.models.values import NOT_STORED
from promptlab.workspace.values import MetricSpec

BOTH = RunRequest(subjects=("triage@v1", "triage"))
MACRO = '[[metrics]]\nid = "macro_f1"\n'


def storing(folder: Path, what: str) -> Lab:
    file = folder / "promptlab.toml"
    file.write_text(f'{file.read_text().partition("[results]")[0]}[results]\nstore_outputs = "{what}"\n')
    evalset = folder / "evalsets" / "tickets.toml"
    evalset.write_text(evalset.read_text().replace("[decision]", f"{MACRO}[decision]"))
    return Lab.open(folder)


async def saved(lab: Lab) -> RunTable:
    plan = lab.plan(BOTH)
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    await lab.close()
    lab.save(table.run)
    return table


@pytest.mark.parametrize(("what", "kept"), [("all", 16), ("failures", 8), ("none", 0)])
async def test_scores_are_whole_whatever_is_stored(folder: Path, what: str, kept: int) -> None:
    live = await saved(storing(folder, what))
    lab = Lab.open(folder)
    table = lab.open_run("last")
    texts = [table.outcome(c, e, 0) for c in "ab" for e in places.TICKETS]
    assert sum(bool(outcome and outcome.stored and outcome.text) for outcome in texts) == kept
    # The first version gets all wrong, the second all right.
    assert table.unstored == 16 - kept
    for metric in live.infos:
        for column in "ab":
            assert table.mean(column, metric) == live.mean(column, metric), metric
            assert table.values(column, metric) == live.values(column, metric)
        assert table.verdict("b", metric) == live.verdict("b", metric)
    assert lab.same_run(lab.plan(BOTH)) is not None
    blob = places.git(folder, "show", f"{table.tag}:results/triage/{table.run}/outputs.jsonl")
    assert blob.count('"stored":false') == 16 - kept
    assert ("It is about" in blob) == (what != "none")


async def test_what_needs_a_text_says_that_it_was_not_stored(folder: Path) -> None:
    first = await saved(storing(folder, "none"))
    lab = Lab.open(folder)
    table = lab.open_run("last")
    cell = example_report(table, "t1").cells[1]
    assert (cell.text, cell.stored, cell.scores["exact"]) == ("", False, 1.0)
    diff = lab.diff("triage@v1", "triage")
    assert [output.example for output in diff.outputs] == list(places.TICKETS)
    assert {span.text for output in diff.outputs for span in output.spans} == {NOT_STORED}
    assert [verdict.status for _, verdict in diff.verdicts] == ["BETTER"]
    compared = lab.compare(f"{first.run}:a", f"{first.run}:b")
    assert "32 outputs were not stored with the runs: their words cannot be compared." in compared.notes
    assert {span.text for change in compared.changed for span in change.spans} == {NOT_STORED}
    from promptlab.lab.parts import confusion

    with pytest.raises(UsageFault, match=f"^Outputs of the run {first.run} were not stored"):
        confusion(table, "b")


async def test_scoring_again_keeps_what_the_same_scorer_gave(folder: Path) -> None:
    await saved(storing(folder, "none"))
    lab = Lab.open(folder)
    specs = {spec.id: spec for spec in lab.open_run("last").metrics}
    table = await lab.score("last", [specs["exact"], specs["macro_f1"], MetricSpec("length", "length", {})])
    assert [table.value(column, "t1", "exact") for column in "ab"] == [0.0, 1.0]
    assert table.mean("b", "macro_f1") == lab.open_run("last").mean("b", "macro_f1")
    assert table.mean("b", "length") is None
    assert table.scores("b", "t1")["length"].missing == "the output was not stored with the run"


@pytest.mark.parametrize(("what", "kept"), [("all", {"It is about billing.", "billing"}), ("none", set[str]())])
async def test_a_search_takes_no_text_from_a_run_that_has_none(folder: Path, what: str, kept: set[str]) -> None:
    await saved(storing(folder, what))
    lab = Lab.open(folder)
    known, _ = stored_outcomes(lab, {version.content for version in lab.versions("triage")}, "api")
    assert kept <= {outcome.text for outcome in known.values()}
    assert bool(known) == bool(kept)

"""What the screens ask of the past: the runs of one prompt, and stored outputs of runs that are not saved yet."""

from __future__ import annotations

from pathlib import Path

import places

from promptlab.lab import Lab, RunTable
from promptlab.lab.values import RunRequest

BOTH = RunRequest(subjects=("triage@v1", "triage"))


async def finish(lab: Lab, request: RunRequest = BOTH) -> RunTable:
    plan = lab.plan(request)
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    return table


async def test_the_runs_of_a_prompt_know_their_columns_saved_or_not(folder: Path) -> None:
    lab = Lab.open(folder)
    saved = await finish(lab)
    lab.save(saved.run)
    (folder / "prompts" / "triage.toml").write_text(places.SECOND.replace("Label", "Label now"))
    unsaved = await finish(lab)
    (folder / "prompts" / "other.toml").write_text(places.FIRST)
    await finish(lab, RunRequest(subjects=("other",)))
    await lab.close()

    first, second = sorted(lab.runs_of("triage"), key=lambda found: found.run.id != saved.run)
    assert [(line.column, line.version, line.model) for line in first.columns] == [
        ("a", "v1", "api"),
        ("b", "v2", "api"),
    ]
    assert {(score.column, score.mean) for score in first.scores if score.metric == "exact"} == {
        ("a", 0.0),
        ("b", 1.0),
    }
    assert (second.run.id, second.run.state) == (unsaved.run, "unsaved")
    assert [line.version for line in second.columns] == ["v1", "*"]
    assert [(score.column, score.metric, score.n) for score in second.scores] == [
        ("a", "exact", 8),
        ("b", "exact", 8),
    ]

    # Another sitting finds the columns in the journal; means come with opening the run.
    again = next(found for found in Lab.open(folder).runs_of("triage") if found.run.id == unsaved.run)
    assert again.columns == second.columns
    assert again.scores == ()


async def test_a_run_that_is_not_saved_yet_is_compared_too(folder: Path) -> None:
    lab = Lab.open(folder)
    assert lab.diff("triage@v1", "triage@v2").verdicts == ()
    await finish(lab)
    diff = lab.diff("triage@v1", "triage@v2")
    await lab.close()
    assert [(model, verdict.status) for model, verdict in diff.verdicts] == [("api", "BETTER")]
    assert len(diff.outputs) == 8
    assert Lab.open(folder).diff("triage@v1", "triage@v2").outputs == diff.outputs


async def test_a_damaged_plan_in_the_journal_is_no_run_of_a_prompt(folder: Path) -> None:
    lab = Lab.open(folder)
    table = await finish(lab)
    await lab.close()
    (lab.journal_root() / "runs" / table.run / "plan.json").write_bytes(b"{")
    assert Lab.open(folder).runs_of("triage") == []


async def test_the_trend_has_the_texts_that_were_never_committed(folder: Path) -> None:
    lab = Lab.open(folder)
    (folder / "prompts" / "triage.toml").write_text(places.SECOND.replace("Label", "Label now"))
    lab.save((await finish(lab)).run)
    await lab.close()
    past = lab.past("triage")
    content = lab.subject("triage").prompt.content
    assert past.means == {past.versions[0].content: 0.0, content: 1.0}

"""Names for versions: pinned numbers, stages, and the run that justifies them."""

from __future__ import annotations

from pathlib import Path

import places
import pytest

from promptlab.errors import NotFound, UsageFault
from promptlab.lab import Lab, RunTable
from promptlab.lab.values import RunRequest

BOTH = RunRequest(subjects=("triage@v1", "triage"))


async def saved_run(lab: Lab, request: RunRequest = BOTH) -> RunTable:
    plan = lab.plan(request)
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    lab.save(table.run)
    return table


async def test_a_stage_names_a_version_wherever_a_subject_does(folder: Path) -> None:
    lab = Lab.open(folder)
    run = await saved_run(lab)
    before = places.fingerprint(folder)
    mark = lab.promote("triage@v1", "production", run.run)
    assert places.fingerprint(folder) == before
    assert (mark.tag, mark.run) == ("triage#production#1", run.run)
    first = lab.versions("triage")[0]
    subject = lab.subject("triage@production")
    assert (subject.version, subject.prompt.content, subject.data.decode()) == ("v1", first.content, places.FIRST)
    plan = lab.plan(RunRequest(subjects=("triage@production", "triage")))
    assert [(variant.subject, variant.version) for variant in plan.variants] == [
        ("triage@production", "v1"),
        ("triage", "v2"),
    ]
    assert [field.field for field in lab.diff("triage@production", "triage").fields] == ["messages[0].content"]
    assert lab.restore("triage", "production") == places.FIRST
    (stage,) = lab.stages()
    assert (stage.version, stage.newest) == ("v1", "v2")
    assert [(score.metric, score.mean) for score in stage.scores][:1] == [("exact", 0.0)]
    await lab.close()


async def test_promotion_needs_a_run_of_that_version(folder: Path) -> None:
    lab = Lab.open(folder)
    with pytest.raises(NotFound, match=r"^No run of triage@v1 is saved: `promptlab run triage@v1` makes one\.$"):
        lab.promote("triage@v1", "production")
    run = await saved_run(lab, RunRequest(subjects=("triage",)))
    await lab.close()
    with pytest.raises(NotFound, match="No run of triage@v1 is saved"):
        lab.promote("triage@v1", "production", run.run)
    with pytest.raises(UsageFault, match=f"^Say which run justifies it with --run: {run.run}; or `--run last`"):
        lab.promote("triage", "production")
    with pytest.raises(NotFound, match=r"^No saved run “20990101” has a column of triage as it is\."):
        lab.promote("triage", "production", "20990101")
    warm = await saved_run(lab, RunRequest(subjects=("triage",), overrides=(("temperature", "1.0"),)))
    await lab.close()
    with pytest.raises(NotFound, match=f"^No saved run “{warm.run}” has a column of triage as it is"):
        lab.promote("triage", "production", warm.run)
    assert lab.promote("triage", "production", run.run[-6:]).run == run.run
    assert lab.promote("triage", "staging", f"run/triage/{run.run}").run == run.run
    assert lab.promote("triage", "canary", "last").run == run.run


async def test_a_run_whose_commit_is_lost_stands_in_nobodys_way(folder: Path) -> None:
    lab = Lab.open(folder)
    run = await saved_run(lab)
    plan = lab.plan(BOTH)
    assert lab.same_run(plan) is not None
    assert len(lab.diff("triage@v1", "triage").outputs) == 8
    lost = places.git(folder, "rev-parse", f"{run.tag}^{{commit}}").strip()
    (folder / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    await lab.close()
    lab = Lab.open(folder)
    assert [each.id for each in lab.runs()] == [run.run]
    assert lab.same_run(plan) is None, "the run is made again"
    diff = lab.diff("triage@v1", "triage")
    assert ([field.field for field in diff.fields], diff.outputs) == (["messages[0].content"], ())
    with pytest.raises(NotFound, match=f"^The run {run.run} cannot be opened: its tag is here, and its commit"):
        lab.promote("triage", "production", "last")
    assert (await saved_run(lab)).run != run.run
    assert lab.promote("triage", "production", "last").tag == "triage#production#1"
    await lab.close()


async def test_what_was_taken_off_a_stage_is_said(folder: Path) -> None:
    lab = Lab.open(folder)
    await saved_run(lab)
    await lab.close()
    places.git(folder, "branch", "production")
    assert lab.subject("triage@production").version == "v2", "no stage of that name yet: the branch"
    lab.promote("triage@v1", "production", "last")
    assert lab.subject("triage@production").version == "v1", "the stage goes before the branch"
    assert lab.subject("triage@refs/heads/production").version == "v2"
    lab.demote("triage", "production")
    with pytest.raises(NotFound, match=r"^Nothing is on triage@production since triage#production!#2"):
        lab.subject("triage@production")
    assert lab.stages() == []
    assert [mark.tag for mark in lab.marks("triage")] == ["triage#production#1", "triage#production!#2"]


async def test_a_text_that_was_run_and_never_committed_can_be_named(folder: Path) -> None:
    edited = places.SECOND.replace("Label this", "Label this ticket")
    (folder / "prompts" / "triage.toml").write_text(edited)
    lab = Lab.open(folder)
    with pytest.raises(UsageFault, match=r"^triage is not committed: commit it, or save a run of it"):
        lab.tag("triage", "v3")
    await saved_run(lab, RunRequest(subjects=("triage",)))
    await lab.close()
    with pytest.raises(UsageFault, match=r"^triage has no number yet: commit it, or say which one"):
        lab.tag("triage")
    lab.promote("triage", "production", "last")
    assert lab.tag("triage", "v3").tag == "triage@v3"
    (folder / "prompts" / "triage.toml").write_text(places.SECOND)
    for word in ("v3", "production"):
        subject = lab.subject(f"triage@{word}")
        assert (subject.data.decode(), subject.version) == (edited, "v3")
    assert [version.label for version in lab.versions("triage")] == ["v1", "v2", "v3"]


def test_pinning(folder: Path) -> None:
    lab = Lab.open(folder)
    before = places.fingerprint(folder)
    assert lab.tag("triage@v1").tag == "triage@v1"
    assert places.fingerprint(folder) == before
    assert (
        places.git(folder, "describe", "--always", "--tags").strip()
        == places.git(folder, "rev-parse", "--short", "HEAD").strip()
    )
    with pytest.raises(UsageFault, match=r"^“four” is no version number: write v1, v2 …$"):
        lab.tag("triage", "four")
    with pytest.raises(UsageFault, match=r"^triage@v1 is pinned to .* already, and a pinned number never moves"):
        lab.tag("triage", "v1")
    (folder / "prompts" / "triage.toml").write_text(places.SECOND.replace("Label", "Mark"))
    places.git(folder, "commit", "-qam", "three")
    with pytest.raises(UsageFault, match=r"triage@v3 would give other versions another number, v3 for one\."):
        lab.tag("triage@v2", "v3")


async def test_a_tag_that_lies_about_its_text_is_not_believed(folder: Path) -> None:
    lab = Lab.open(folder)
    await saved_run(lab)
    await lab.close()
    lab.promote("triage@v1", "production", "last")
    text = places.git(folder, "cat-file", "tag", "triage#production#1")
    other = lab.versions("triage")[1].blob
    lying = text.replace(lab.versions("triage")[0].blob, other).replace("production#1", "production#2")
    (folder / "lie").write_text(lying)
    made = places.git(folder, "hash-object", "-t", "tag", "-w", "lie").strip()
    places.git(folder, "update-ref", "refs/tags/triage#production#2", made)
    with pytest.raises(NotFound, match=r"^The tag of triage@production is damaged: it says"):
        lab.subject("triage@production")


def test_without_a_repository_there_are_no_names(folder: Path, tmp_path: Path) -> None:
    (folder / ".git").rename(tmp_path / "elsewhere")
    lab = Lab.open(folder)
    assert (lab.marks(), lab.stages()) == ([], [])

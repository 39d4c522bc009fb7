"""Undo of the last action: each is taken back, and refused where something stands on it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import places
import pytest

from promptlab.errors import UsageFault
from promptlab.lab import Lab
from promptlab.lab.values import FileText, RunRequest

TRIAGE = "prompts/triage.toml"


async def run(lab: Lab, subject: str = "triage", *, save: bool = True) -> str:
    plan = lab.plan(RunRequest(subjects=(subject,)))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    if save:
        lab.save(table.run)
    await lab.close()
    return table.run


def take_back(lab: Lab) -> str:
    last = lab.last_action()
    assert last is not None
    return lab.undo(last)


def refusal(lab: Lab) -> str:
    last = lab.last_action()
    assert last is not None
    if last.refusal:
        with pytest.raises(UsageFault) as refused:
            lab.undo(last)
        assert str(refused.value) == last.refusal
    return last.refusal


def state(folder: Path) -> tuple[str, str, str]:
    """HEAD and its branch, every entry of the index, every difference."""
    return (
        places.git(folder, "log", "-1", "--format=%H %D"),
        places.git(folder, "ls-files", "-s"),
        places.git(folder, "status", "--porcelain=v2"),
    )


async def test_a_saved_run(folder: Path) -> None:
    lab = Lab.open(folder)
    assert lab.last_action() is None
    one = await run(lab)
    before = places.fingerprint(folder)
    last = lab.last_action()
    assert last is not None
    assert last.done == f"saved the run {one}"
    assert (
        last.effect == f"The tag run/triage/{one} goes; the run's commit stays in this clone and can be tagged again."
    )
    said = lab.undo(last)
    assert lab.records() == []
    assert places.fingerprint(folder) == before
    places.git(folder, "gc", "-q", "--prune=now")
    places.git(folder, "reflog", "expire", "--expire=now", "--all")
    subprocess.run(said.split("`")[1], shell=True, cwd=folder, check=True)
    assert [record.id for record in Lab.open(folder).records()] == [one], "the command in the sentence works"
    assert lab.last_action() is None


async def test_a_run_that_a_stage_stands_on_is_refused_and_a_stage_is_stepped_back(folder: Path) -> None:
    lab = Lab.open(folder)
    old, new = await run(lab, "triage@v1"), await run(lab)
    lab.promote("triage@v1", "production", old)
    lab.promote("triage", "production", new)
    second = lab.marks("triage")[-1].content
    lab.demote("triage", "production")
    assert take_back(lab) == f"triage@production is {second} again: triage#production#4."
    assert take_back(lab).endswith(" again: triage#production#5.")
    assert lab.stages()[0].version == "v1"
    assert lab.stages()[0].mark.run == old
    assert take_back(lab) == "Nothing is on triage@production now: triage#production!#6."
    assert [mark.tag.partition("#")[2] for mark in lab.marks()] == [
        *("production#1", "production#2", "production!#3", "production#4", "production#5", "production!#6")
    ]
    assert refusal(lab) == "triage#production#2 stands on this run: undo or demote that first."


async def test_a_stage_that_somebody_else_moved_is_left_alone(folder: Path) -> None:
    lab = Lab.open(folder)
    old, new = await run(lab, "triage@v1"), await run(lab)
    lab.promote("triage@v1", "production", old)
    mine = lab.last_action()
    assert mine is not None
    lab.promote("triage", "production", new)
    with pytest.raises(UsageFault, match="Something else was done in this workspace meanwhile"):
        lab.undo(mine)
    take_back(lab)
    places.git(folder, "config", "user.name", "Ben")
    lab.repository().git.write("tag", "-d", "triage#production#3")
    other = Lab.open(folder)
    other.did = lambda title, what: None  # what another clone did, whose journal is not this one
    other.promote("triage", "staging", new)
    other.demote("triage", "production")
    assert refusal(lab) == (
        "triage@production was changed since, by triage#production!#3 (Ben): promote or demote says what you want."
    )


def test_a_pinned_number(folder: Path) -> None:
    lab = Lab.open(folder)
    lab.tag("triage")
    lab.tag("triage")
    assert take_back(lab).startswith("triage@v2 is gone; `git update-ref 'refs/tags/triage@v2' '")
    assert lab.marks() == []
    assert lab.last_action() is None, "pinning what is pinned is no second action"


@pytest.mark.parametrize("part", ["half", "told"])
def test_a_commit_and_the_index_as_it_was(folder: Path, part: str) -> None:
    (folder / "notes.txt").write_text("mine\n")
    (folder / "prompts" / "new.toml").write_text(places.FIRST)
    places.git(folder, "add", "notes.txt")
    (folder / TRIAGE).write_text(places.FIRST)
    if part == "half":
        places.git(folder, "add", TRIAGE)
        (folder / TRIAGE).write_text(places.FIRST + "# more\n")
    if part == "told":
        places.git(folder, "add", "-N", "prompts/new.toml")
    before = state(folder)
    lab = Lab.open(folder)
    made = lab.commit(lab.proposal(), "Both")
    last = lab.last_action()
    assert last is not None
    assert last.done == f"committed {made.commit[:8]} “Both”"
    assert last.effect.startswith(f"main goes back to {made.parent[:8]}. Your files stay as they are, ")
    assert last.effect.endswith("; no remote is asked, so a push to a URL is not seen.")
    assert lab.undo(last) == (
        f"HEAD is {made.parent[:8]} again. The commit was {made.commit[:8]}; `git reflog` knows it."
    )
    assert state(folder) == before
    assert places.git(folder, "reflog", "-1", "--format=%gs") == f"promptlab: take back {made.commit[:8]}\n"


def test_what_was_staged_after_the_commit_stays_staged(folder: Path) -> None:
    lab = Lab.open(folder)
    (folder / TRIAGE).write_text(places.FIRST)
    lab.commit(lab.proposal(), "one")
    (folder / TRIAGE).write_text(places.FIRST + "# staged\n")
    places.git(folder, "add", TRIAGE)
    assert take_back(lab).endswith(f" Staged since, and left so: {TRIAGE}.")
    assert places.git(folder, "show", f":{TRIAGE}").endswith("# staged\n")


def test_the_first_commit_of_all(tmp_path: Path) -> None:
    folder = places.workspace(tmp_path / "young")
    for path in (folder / ".git").rglob("*"):
        if path.is_file():
            path.unlink()
    places.git(folder, "init", "-q")
    before = places.git(folder, "status", "--porcelain=v2")
    lab = Lab.open(folder)
    lab.commit(lab.proposal(), "one")
    assert take_back(lab).startswith("There is no commit any more. The commit was ")
    assert places.git(folder, "status", "--porcelain=v2") == before


def test_a_commit_that_something_stands_on_is_refused(folder: Path, tmp_path: Path) -> None:
    lab = Lab.open(folder)
    (folder / TRIAGE).write_text(places.FIRST)
    short = lab.commit(lab.proposal(), "one").commit[:8]
    places.git(folder, "switch", "-qc", "other")
    assert refusal(lab) == f"HEAD is on another branch now than when {short} was made."
    places.git(folder, "switch", "-q", "main")
    places.git(folder, "init", "-q", "--bare", str(tmp_path / "shared.git"))
    places.git(folder, "remote", "add", "origin", str(tmp_path / "shared.git"))
    places.git(folder, "push", "-q", "origin", "main")
    assert refusal(lab) == (
        f"The commit {short} was pushed: origin/main has it. `git revert {short}` takes it back for everybody."
    )
    places.git(folder, "commit", "-q", "--allow-empty", "-m", "after")
    assert refusal(lab).startswith(f"HEAD is no longer the commit {short}: what came after stands on it.")
    (folder / ".git" / "MERGE_HEAD").write_text(places.git(folder, "rev-parse", "HEAD"))
    assert refusal(lab).startswith("A merge is in progress in this repository, and taking a commit back now would ")


async def test_pruned_runs_come_back(folder: Path) -> None:
    lab = Lab.open(folder)
    one, two = await run(lab, "triage@v1"), await run(lab)
    lab.prune(lab.prunable(keep=0))
    assert lab.records() == []
    last = lab.last_action()
    assert last is not None
    assert (last.done, last.effect) == ("dropped 2 runs", "2 runs will be there again.")
    lab.undo(last)
    assert {record.id for record in lab.records()} == {one, two}
    lab.prune(lab.prunable(keep=1))
    places.git(folder, "gc", "-q", "--prune=now")
    assert refusal(lab) == f"Git has collected run/triage/{one}, or its name is taken."


def test_files_that_the_program_wrote(folder: Path) -> None:
    lab = Lab.open(folder)
    file = lab.read_file("triage")
    saved = lab.save_file("triage", places.FIRST, file.stamp)
    assert isinstance(saved, FileText)
    lab.save_file("triage", places.FIRST, saved.stamp)
    lab.new_prompt("sub/fresh")
    assert take_back(lab) == "prompts/sub/fresh.toml is removed."
    last = lab.last_action()
    assert last is not None
    assert (last.done, last.effect) == (f"wrote {TRIAGE}", f"{TRIAGE} goes back to the text that it had.")
    (folder / TRIAGE).write_text("edited elsewhere")
    assert refusal(lab) == f"{TRIAGE} was changed since: nothing is undone."
    (folder / TRIAGE).write_text(places.FIRST)
    assert take_back(lab) == f"{TRIAGE} has the text that it had."
    assert (folder / TRIAGE).read_text() == places.SECOND
    assert lab.last_action() is None


def test_without_git_and_with_a_damaged_journal(folder: Path, tmp_path: Path) -> None:
    (folder / ".git").rename(tmp_path / "away")
    lab = Lab.open(folder)
    lab.save_file("triage", places.FIRST, lab.read_file("triage").stamp)
    journal = lab.journal_root() / "actions.jsonl"
    journal.write_bytes(b'{"torn": ' + journal.read_bytes() + b"\xff\xfe\n{}\n")
    assert take_back(Lab.open(folder)) == f"{TRIAGE} has the text that it had."


def test_another_working_tree_has_actions_of_its_own(folder: Path, tmp_path: Path) -> None:
    places.git(folder, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    Lab.open(folder).tag("triage")
    assert Lab.open(tmp_path / "side").last_action() is None


def test_the_journal_stays_small(folder: Path) -> None:
    lab = Lab.open(folder)
    stamp = lab.read_file("triage").stamp
    big = places.SECOND + "# " + "x" * 300_000
    for number in range(12):
        saved = lab.save_file("triage", f"{big}{number}\n", stamp)
        assert isinstance(saved, FileText)
        stamp = saved.stamp
    assert (lab.journal_root() / "actions.jsonl").stat().st_size < 2_600_000
    assert take_back(lab) == f"{TRIAGE} has the text that it had."
    assert (folder / TRIAGE).read_text() == f"{big}10\n"


async def test_a_published_summary(folder: Path) -> None:
    lab = Lab.open(folder)
    one = await run(lab)
    before = state(folder)
    done = lab.publish(one)
    assert lab.publish(one).before
    last = lab.last_action()
    assert last is not None
    assert last.done.startswith("published on main: “run triage")
    lab.undo(last)
    assert state(folder)[:2] == before[:2]
    assert places.git(folder, "status", "--porcelain") == "?? results/\n", "the file stays, for nothing is deleted"
    assert places.git(folder, "cat-file", "-t", done.commit) == "commit\n"
    last = lab.last_action()
    assert last is not None
    assert last.done == f"saved the run {one}"


def branch_mode(folder: Path) -> None:
    settings = folder / "promptlab.toml"
    settings.write_text(f'{settings.read_text()}[results]\nmode = "branch"\n')
    places.git(folder, "commit", "-qam", "Runs on the branch")


async def test_a_run_that_was_saved_on_the_branch_too(folder: Path) -> None:
    branch_mode(folder)
    lab = Lab.open(folder)
    before = state(folder)
    one = await run(lab)
    made = places.git(folder, "rev-parse", "--short=8", "HEAD").strip()
    last = lab.last_action()
    assert last is not None
    assert last.done == f"saved the run {one}"
    assert last.effect.endswith(
        f" main goes back to {before[0][:8]}; its files stay below results/, untracked. No remote-tracking branch has"
        " the commit; no remote is asked, so a push to a URL is not seen."
    )
    said = lab.undo(last)
    assert said.startswith(
        f"HEAD is {before[0][:8]} again. The commit was {made}; `git reflog` knows it. run/triage/"
    )
    assert state(folder)[:2] == before[:2]
    assert places.git(folder, "status", "--porcelain") == "?? results/\n"
    assert places.git(folder, "tag") == ""
    assert lab.last_action() is None


async def test_a_run_on_the_branch_that_something_stands_on(folder: Path) -> None:
    branch_mode(folder)
    lab = Lab.open(folder)
    await run(lab)
    made = places.git(folder, "rev-parse", "--short=8", "HEAD").strip()
    places.git(folder, "commit", "-q", "--allow-empty", "-m", "mine")
    last = lab.last_action()
    assert last is not None
    assert last.effect.endswith(
        f" Its commit {made} on main stays. HEAD is no longer the commit {made}: what came after stands on it."
        f" `git revert {made}` is the way."
    )
    lab.undo(last)
    assert places.git(folder, "log", "-2", "--format=%h %s", "--abbrev=8").splitlines()[0].endswith("mine")
    assert places.git(folder, "tag") == ""


async def test_publishing_in_branch_mode_a_run_that_is_not_saved_is_one_action(folder: Path) -> None:
    lab = Lab.open(folder)
    one = await run(lab, save=False)
    branch_mode(folder)
    lab = Lab.open(folder)
    lab.publish(one)
    last = lab.last_action()
    assert last is not None
    assert last.done == f"saved the run {one}"
    lab.undo(last)
    assert lab.last_action() is None

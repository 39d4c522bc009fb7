"""A run on the branch: its summary, or all of it, beside whatever the person has staged."""

from __future__ import annotations

import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import places
import pytest

from promptlab.errors import CommitRefused, HistoryFault, NotFound
from promptlab.history.pending import Folder, Record
from promptlab.lab import Lab, RunTable
from promptlab.lab.publishing import LIMIT, summary
from promptlab.lab.storing import saved_note
from promptlab.lab.values import RunRequest
from promptlab.workspace.values import MetricSpec

BOTH = RunRequest(subjects=("triage@v1", "triage"))


async def ended(lab: Lab) -> RunTable:
    plan = lab.plan(BOTH)
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    await lab.close()
    return table


def branch_mode(folder: Path) -> None:
    file = folder / "promptlab.toml"
    file.write_text(f'{file.read_text()}[results]\nmode = "branch"\n')
    places.git(folder, "commit", "-qam", "Runs on the branch")


def half_staged(folder: Path) -> str:
    """Stages half of an edit and leaves the rest; what git says of it."""
    prompt = folder / "prompts" / "triage.toml"
    prompt.write_text(places.SECOND + "# staged\n")
    places.git(folder, "add", "prompts/triage.toml")
    prompt.write_text(places.SECOND + "# staged\n# not staged\n")
    return work_of(folder)


def work_of(folder: Path) -> str:
    diffs = (places.git(folder, "diff", *where) for where in (("--cached",), ()))
    return "\n".join([*diffs, places.git(folder, "status", "--porcelain=v2", "-uall")])


async def test_a_summary_is_published_beside_a_half_staged_commit(folder: Path) -> None:
    lab = Lab.open(folder)
    run = await ended(lab)
    saved = lab.save(run.run)
    work, head = half_staged(folder), places.git(folder, "rev-parse", "HEAD").strip()
    done = lab.publish("last")
    path = f"results/triage/{run.run}/summary.toml"
    assert (done.branch, done.paths, done.before) == ("main", (path,), False)
    assert places.git(folder, "rev-parse", "HEAD", "HEAD^").split() == [done.commit, head]
    assert places.git(folder, "diff", "--name-status", "HEAD^", "HEAD") == f"A\t{path}\n"
    assert work_of(folder) == work
    assert "Promptlab-Score: b exact=1 n=8" in places.git(folder, "log", "-1", "--format=%B")
    data = (folder / path).read_bytes()
    assert len(data) == done.size <= LIMIT
    read = tomllib.loads(data.decode())
    assert (read["run"], read["tag"], read["evalset"], read["examples"]) == (run.run, saved.tag, "tickets", 8)
    assert read["verdict"].startswith("BETTER: exact is 100.0 points higher")
    assert [(s["column"], s["mean"], s["n"]) for s in read["scores"] if s["metric"] == "exact"] == [
        ("a", 0.0, 8),
        ("b", 1.0, 8),
    ]
    again = lab.publish(run.run)
    assert (again.before, again.commit) == (True, done.commit)
    assert places.git(folder, "describe", "--always") == places.git(folder, "rev-parse", "--short", "HEAD")


async def test_a_run_that_is_not_saved_is_saved_first(folder: Path) -> None:
    lab = Lab.open(folder)
    run = await ended(lab)
    lab.publish(run.run)
    assert [record.id for record in lab.records()] == [run.run]
    with pytest.raises(NotFound, match="There is no run “nothing”"):
        lab.publish("nothing")


async def test_three_at_once_save_and_publish_it_once(folder: Path) -> None:
    run = await ended(Lab.open(folder))
    with ThreadPoolExecutor(3) as three:
        done = list(three.map(lambda lab: lab.publish("last"), [Lab.open(folder) for _ in range(3)]))
    assert sorted(each.before for each in done) == [False, True, True]
    assert {each.commit for each in done} == {places.git(folder, "rev-parse", "HEAD").strip()}
    assert places.git(folder, "tag", "--list", "run/*").split() == [f"run/triage/{run.run}"]
    read = tomllib.loads((folder / done[0].paths[0]).read_text())
    assert read["tag"] == f"run/triage/{run.run}"
    assert Lab.open(folder).publish("last").before


async def test_branch_mode_commits_the_whole_run(folder: Path) -> None:
    branch_mode(folder)
    work = half_staged(folder)
    lab = Lab.open(folder)
    run = await ended(lab)
    saved = lab.save(run.run)
    assert saved.published is not None
    assert saved_note(saved) == f"{saved.tag}, and on main as {saved.published.commit[:12]}."
    assert work_of(folder) == work
    there = places.git(folder, "diff", "--name-only", "HEAD^", "HEAD").split()
    assert there == sorted(saved.published.paths)
    base = f"results/triage/{run.run}"
    for name in ("run.toml", "outputs.jsonl", "metrics.jsonl", "examples.jsonl"):
        assert places.git(folder, "show", f"HEAD:{base}/{name}") == places.git(
            folder, "show", f"{saved.tag}:{base}/{name}"
        )
    # The run's tag is not on the branch, so that `git describe` does not see it.
    assert places.git(folder, "tag", "--merged", "HEAD") == ""
    assert lab.publish("last").before
    assert Lab.open(folder).open_run("last").value("b", "t1") == 1.0


async def test_what_keeps_a_run_off_the_branch_keeps_nothing_else(folder: Path) -> None:
    branch_mode(folder)
    places.git(folder, "checkout", "-q", "--detach")
    lab = Lab.open(folder)
    run = await ended(lab)
    before = places.fingerprint(folder)
    saved = lab.save(run.run)
    why = "HEAD is on no branch to publish to: `git switch BRANCH` first, then try again."
    assert (saved.published, saved.unpublished) == (None, why)
    assert saved_note(saved) == f"{saved.tag}. Not on the branch: {why}"
    assert places.fingerprint(folder) == before
    with pytest.raises(HistoryFault, match="HEAD is on no branch"):
        lab.publish("last")
    places.git(folder, "switch", "-q", "main")
    assert len(lab.publish("last").paths) == 6


@pytest.mark.parametrize("possible", [True, False])
async def test_a_publication_that_a_kill_cut_short_is_done_at_the_next_start(folder: Path, possible: bool) -> None:
    branch_mode(folder)
    lab = Lab.open(folder)
    run = await ended(lab)
    if not possible:
        places.git(folder, "checkout", "-q", "--detach")
        lab.save(run.run)
    else:
        lab.save(run.run)
        places.git(folder, "reset", "-q", "--hard", "HEAD^")
    lab = Lab.open(folder)
    folder_of = Folder(lab.repository().common_dir)
    folder_of.write(Record(run.run, "triage", f"run/triage/{run.run}", publish=True))
    (saved,) = lab.recover()
    assert (saved.published is not None, "HEAD is on no branch" in saved.unpublished) == (possible, not possible)
    assert folder_of.records() == []
    assert lab.recover() == []
    assert places.git(folder, "status", "--porcelain") == ""


async def test_a_summary_never_exceeds_its_limit(folder: Path) -> None:
    lab = Lab.open(folder)
    run = await ended(lab)
    many = [MetricSpec("length", f"length-{number:03}-with-a-rather-long-name", {}) for number in range(40)]
    table = await lab.score(run.run, [MetricSpec("exact", "exact", {}), *many])
    data = summary(table)
    assert 1500 < len(data) <= LIMIT
    read = tomllib.loads(data.decode())
    assert [score["metric"] for score in read["scores"][:2]] == ["exact", "exact"]
    assert read["left_out"] == 82 - len(read["scores"]) > 60


def hooked(folder: Path, script: str, *, mode: str = "snapshot") -> None:
    file = folder / "promptlab.toml"
    file.write_text(f'{file.read_text()}[results]\nmode = "{mode}"\nhooks = "run"\n')
    places.git(folder, "commit", "-qam", "Ask the hook")
    hook = folder / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            "echo looking; echo 'no results here' >&2; exit 1",
            "The pre-commit hook refused it (no results here): nothing was published.",
        ),
        (
            'for f in results/*/*/*; do echo "# more" >> "$f"; git add "$f"; done',
            "The pre-commit hook changed results/triage/{run}/summary.toml: nothing was published."
            " Let it leave results/ alone, then try again.",
        ),
        (
            "echo more > more.txt; git add more.txt",
            "The pre-commit hook changed what would be committed: nothing was published."
            " Let it leave results/ alone, then try again.",
        ),
    ],
    ids=["refuses", "edits", "adds"],
)
async def test_a_hook_that_is_asked_may_say_no(folder: Path, script: str, sentence: str) -> None:
    hooked(folder, script)
    lab = Lab.open(folder)
    run = await ended(lab)
    lab.save(run.run)  # a run is on no branch: no hook is asked
    half_staged(folder)
    before = places.git(folder, "rev-parse", "HEAD"), places.git(folder, "diff", "--cached")
    with pytest.raises(CommitRefused) as refused:
        lab.publish("last")
    assert str(refused.value) == sentence.format(run=run.run)
    if "looking" in script:
        assert refused.value.output == "looking\nno results here"
        assert not (folder / "results").exists()
    assert (places.git(folder, "rev-parse", "HEAD"), places.git(folder, "diff", "--cached")) == before


async def test_a_hook_sees_just_what_is_published_and_what_it_prints_harms_nothing(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hooked(folder, "echo '{\"json\": 1}'; git diff --cached --name-only > .git/seen", mode="branch")
    lab = Lab.open(folder)
    run = await ended(lab)
    half_staged(folder)
    staged = places.git(folder, "diff", "--cached")
    saved = lab.save(run.run)
    assert saved.published is not None, saved.unpublished
    seen = (folder / ".git" / "seen").read_text().split()
    assert seen == sorted(saved.published.paths)
    assert places.git(folder, "diff", "--cached") == staged
    assert "json" not in capfd.readouterr().out


async def test_a_hook_that_refuses_in_branch_mode_keeps_no_run_from_being_saved(folder: Path) -> None:
    hooked(folder, "exit 1", mode="branch")
    lab = Lab.open(folder)
    run = await ended(lab)
    work, head = half_staged(folder), places.git(folder, "rev-parse", "HEAD")
    saved = lab.save(run.run)
    assert saved.unpublished == "The pre-commit hook refused it: nothing was published."
    assert (work_of(folder), places.git(folder, "rev-parse", "HEAD")) == (work, head)
    assert lab.open_run("last").tag == saved.tag

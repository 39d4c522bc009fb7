"""Two people and one bare repository: runs, pinned numbers and stages end up the same on both sides."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from promptlab.errors import HistoryFault, NotFound, UsageFault
from promptlab.history import trailers
from promptlab.history.marks import demote, list_marks, pin, promote, stages
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs, read_results
from promptlab.history.sharing import is_set_up, pull, push, remote_of, set_up
from promptlab.history.snapshot import save_run
from promptlab.history.values import ColumnLine, Named, RunFiles, RunRecord, ScoreLine, Version
from promptlab.history.versions import versions

from .conftest import V1, commit, dirty, sh, write

V2 = V1.replace("Route", "Route this ticket")
V3 = V1.replace("Route", "Answer with one label. Route")
V4 = V1.replace("Route", "Do route")


@pytest.fixture
def bare(top: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "shared.git"
    sh(tmp_path, "clone", "-q", "--bare", str(top), str(folder))
    return folder


@pytest.fixture
def ann(bare: Path, tmp_path: Path) -> Path:
    return clone(bare, tmp_path / "ann", "Ann")


@pytest.fixture
def ben(bare: Path, tmp_path: Path) -> Path:
    return clone(bare, tmp_path / "ben", "Ben")


def clone(bare: Path, folder: Path, name: str, *options: str) -> Path:
    sh(bare.parent, "clone", "-q", *options, f"file://{bare}", str(folder))
    sh(folder, "config", "user.name", name)
    sh(folder, "config", "user.email", f"{name.lower()}@example.com")
    return folder


def of(folder: Path) -> list[Version]:
    return versions(Repository.open(folder), "triage", "prompts/triage.toml")


def save(folder: Path, run: str, version: Version, text: str) -> RunRecord:
    results = {"run.toml": b"seed = 7\n", f"prompt-triage-{version.content}.toml": text.encode()}
    message = trailers.message(
        run=run,
        title=f"run triage {version.label}",
        evalset="support",
        evalset_content="9f00ab12cd34",
        n=2,
        columns=[ColumnLine("a", "triage", version.content, version.label, "mini", "gguf:0f0f")],
        scores=[ScoreLine("a", "exact", 0.5, 2)],
        results=results,
    )
    repo = Repository.open(folder)
    save_run(repo, run, "triage", RunFiles(results, {"prompts/triage.toml": text.encode()}), message)
    return next(record for record in list_runs(repo) if record.id == run)


def named(version: Version, run: RunRecord | None = None) -> Named:
    return Named("triage", version.content, version.blob, version.path, version.commit, version.label, run)


def refs(folder: Path, *prefix: str) -> list[str]:
    return sh(folder, "for-each-ref", "--format=%(refname) %(objectname)", *(prefix or ("refs/tags",))).splitlines()


def everything(folder: Path) -> tuple[object, ...]:
    repo = Repository.open(folder)
    on = {key: mark.content for key, mark in stages(list_marks(repo)).items() if not mark.cleared}
    numbers = [(version.number, version.content, version.blob) for version in of(folder) if version.number]
    return numbers, list_runs(repo), list_marks(repo), on


def test_rebase_squash_and_gc_by_two_people(ann: Path, ben: Path, bare: Path) -> None:
    # Ann works on a branch, saves a run of each text, and pins the middle one, which the squash will take away.
    sh(ann, "checkout", "-qb", "better")
    commit(ann, "two", triage=V2)
    commit(ann, "three", triage=V3)
    texts = [V1, V2, V3]
    runs = [save(ann, f"20261121T19501{at}Z-4f2a9c", each, texts[at]) for at, each in enumerate(of(ann))]
    second, third = of(ann)[1:]
    repo = Repository.open(ann)
    pin(repo, named(second), 2)
    promote(repo, named(third, runs[2]), "production")
    before_squash = [(version.number, version.content) for version in of(ann)]
    assert push(repo, "origin").sent == (
        *(run.tag for run in runs),
        "triage#production#1",
        "triage@v2",
    )

    # Ben commits to main meanwhile, and puts the first text on the stage, not knowing of Ann's.
    write(ben, "other.txt", "two\n")
    commit(ben, "meanwhile")
    sh(ben, "push", "-q", "origin", "main")
    mine = save(ben, "20261121T200000Z-000001", of(ben)[0], V1)
    theirs = Repository.open(ben)
    promote(theirs, named(of(ben)[0], mine), "production")
    shared = push(theirs, "origin")
    assert shared.renumbered == (("triage#production#1", "triage#production#2"),)
    assert set(shared.got) == {*(run.tag for run in runs), "triage#production#1", "triage@v2"}
    assert shared.sent == ("run/triage/20261121T200000Z-000001", "triage#production#2")

    # Ann rebases, squashes onto main, deletes the branch, and both collect garbage.
    sh(ann, "fetch", "-q")
    sh(ann, "rebase", "-q", "origin/main")
    sh(ann, "checkout", "-q", "main")
    sh(ann, "merge", "-q", "--ff-only", "origin/main")
    sh(ann, "merge", "-q", "--squash", "better")
    sh(ann, "commit", "-qm", "Better routing")
    sh(ann, "branch", "-qD", "better")
    sh(ann, "push", "-q", "origin", "main")
    pull(repo, "origin")
    sh(ben, "pull", "-q", "--rebase")
    for folder in (ann, ben, bare):
        sh(folder, "reflog", "expire", "--expire=now", "--all")
        sh(folder, "gc", "-q", "--prune=now")
        sh(folder, "fsck", "--strict", "--no-dangling")

    assert everything(ann) == everything(ben)
    assert refs(ann) == refs(ben) == refs(bare)
    assert [(version.number, version.content) for version in of(ben)] == before_squash
    assert stages(list_marks(theirs))["triage", "production"].content == of(ben)[0].content, "the later one counts"
    # Every run still belongs to its version, and can be read whole on the side that did not make it.
    contents = {version.content for version in of(ben)}
    for record, text in zip(runs, texts, strict=True):
        assert record.columns[0].content in contents
        assert text.encode() in read_results(theirs, record).values()


def test_both_promote_at_once_and_one_clears(ann: Path, ben: Path, bare: Path) -> None:
    first, second = Repository.open(ann), Repository.open(ben)
    version = of(ann)[0]
    promote(first, named(version), "production")
    push(first, "origin")
    pull(second, "origin")
    demote(second, "triage", "production")
    push(second, "origin")
    commit(ann, "two", triage=V2)
    promote(first, named(of(ann)[1]), "production")
    # The fourth name of the second step: `#2` here, `!#2` there.
    shared = push(first, "origin")
    assert shared.renumbered == (("triage#production#2", "triage#production#3"),)
    pull(second, "origin")
    assert refs(ann) == refs(ben) == refs(bare)
    names = [mark.tag for mark in sorted(list_marks(second), key=lambda mark: mark.number)]
    assert names == ["triage#production#1", "triage#production!#2", "triage#production#3"]
    mark = stages(list_marks(second))["triage", "production"]
    assert (mark.author, mark.content, mark.cleared) == ("Ann", of(ann)[1].content, False)


def test_somebody_is_faster_between_the_pull_and_the_push(ann: Path, ben: Path, bare: Path) -> None:
    promote(Repository.open(ben), named(of(ben)[0]), "production")
    commit(ann, "two", triage=V2)
    promote(Repository.open(ann), named(of(ann)[1]), "production")
    hook = ann / ".git" / "hooks" / "pre-push"
    hook.write_text(f"#!/bin/sh\nunset GIT_DIR\ngit -C {ben} push -q origin 'triage#production#1'\nrm -f $0\n")
    os.chmod(hook, 0o755)
    shared = push(Repository.open(ann), "origin")
    assert not hook.exists()
    assert shared.renumbered == (("triage#production#1", "triage#production#2"),)
    assert shared.sent == ("triage#production#2",)
    pull(Repository.open(ben), "origin")
    assert refs(ann) == refs(ben) == refs(bare)


def test_a_renumbered_mark_keeps_who_and_when(ann: Path, ben: Path) -> None:
    promote(Repository.open(ann), named(of(ann)[0]), "production")
    push(Repository.open(ann), "origin")
    repo = Repository.open(ben)
    commit(ben, "two", triage=V2)
    mine = promote(repo, named(of(ben)[1]), "production")
    pull(repo, "origin")
    again = stages(list_marks(repo))["triage", "production"]
    assert (again.tag, again.time, again.author, again.commit) == (
        "triage#production#2",
        mine.time,
        "Ben",
        mine.commit,
    )
    before = refs(ben)
    assert pull(repo, "origin").got == ()
    assert refs(ben) == before


def test_two_pin_the_same_number(ann: Path, ben: Path) -> None:
    first, second = Repository.open(ann), Repository.open(ben)
    pin(first, named(of(ann)[0]), 1)
    commit(ann, "two", triage=V2)
    pin(first, named(of(ann)[1]), 2)
    push(first, "origin")
    pin(second, named(of(ben)[0]), 1)
    commit(ben, "another two", triage=V4)
    pin(second, named(of(ben)[1]), 2)
    shared = push(second, "origin")
    assert shared.renumbered == (("triage@v2", "triage@v3"),), "the same text under the same number is no clash"
    pull(first, "origin")
    assert refs(ann) == refs(ben)
    numbers = {version.content: version.number for version in of(ann)}
    assert numbers == {version.content: version.number for version in of(ben)}
    assert sorted(numbers.values()) == [1, 2, 3]


def test_only_what_is_promptlabs_goes_and_comes(ann: Path, ben: Path, bare: Path) -> None:
    dirty(ann)
    sh(ann, "tag", "-a", "-m", "secret", "private")
    sh(ann, "tag", "run/triage/20261121T195012Z-4f2a9d")
    save(ann, "20261121T195012Z-4f2a9c", of(ann)[0], V1)
    sh(bare, "tag", "elsewhere")
    before = sh(ann, "status", "--porcelain=v2", "--branch"), refs(ann)
    shared = push(Repository.open(ann), "origin")
    assert shared.sent == ("run/triage/20261121T195012Z-4f2a9c",)
    assert (sh(ann, "status", "--porcelain=v2", "--branch"), refs(ann)) == before
    assert sh(bare, "tag").split() == ["elsewhere", "run/triage/20261121T195012Z-4f2a9c"]
    pull(Repository.open(ben), "origin")
    assert sh(ben, "tag").split() == ["run/triage/20261121T195012Z-4f2a9c"]
    assert refs(ben, "refs/promptlab") == []
    assert not (ben / ".git" / "FETCH_HEAD").exists()


def test_commits_that_go_along_are_counted(ann: Path) -> None:
    commit(ann, "two", triage=V2)
    commit(ann, "three", triage=V3)
    save(ann, "20261121T195012Z-4f2a9c", of(ann)[2], V3)
    assert push(Repository.open(ann), "origin").commits == 2
    assert push(Repository.open(ann), "origin").sent == ()


def test_a_run_of_the_same_name_is_left_as_it_is_on_both_sides(ann: Path, ben: Path, bare: Path) -> None:
    for folder in (ann, ben):
        save(folder, "20261121T195012Z-4f2a9c", of(folder)[0], V1 if folder == ann else V2)
    push(Repository.open(ann), "origin")
    mine = refs(ben)
    shared = push(Repository.open(ben), "origin")
    assert shared.kept == ("run/triage/20261121T195012Z-4f2a9c",)
    assert refs(ben) == mine
    assert refs(bare) == refs(ann)


def test_what_a_killed_pull_left_is_finished(ann: Path, ben: Path) -> None:
    promote(Repository.open(ann), named(of(ann)[0]), "production")
    push(Repository.open(ann), "origin")
    repo = Repository.open(ben)
    commit(ben, "two", triage=V2)
    promote(repo, named(of(ben)[1]), "production")
    pull(repo, "origin")
    done = refs(ben)
    # As after a kill between the two steps: ours has its new name, and stands under the old one still.
    mine = sh(ben, "rev-parse", "triage#production#2").strip()
    text = sh(ben, "cat-file", "tag", mine).replace("tag triage#production#2", "tag triage#production#1")
    old = sh(ben, "mktag", stdin=text.encode()).strip()
    sh(ben, "update-ref", "refs/tags/triage#production#1", old)
    sh(ben, "update-ref", "refs/promptlab/incoming/triage#production#1", mine)
    pull(repo, "origin")
    assert refs(ben) == done
    assert refs(ben, "refs/promptlab") == []


class TestSetup:
    def test_a_plain_fetch_then_brings_runs_and_prunes_none(self, ann: Path, ben: Path) -> None:
        save(ann, "20261121T195012Z-4f2a9c", of(ann)[0], V1)
        push(Repository.open(ann), "origin")
        repo = Repository.open(ben)
        sh(ben, "fetch", "-q")
        assert list_runs(repo) == []
        assert not is_set_up(repo, "origin")
        set_up(repo, "origin")
        set_up(repo, "origin")
        assert is_set_up(repo, "origin")
        assert sh(ben, "config", "--get-all", "remote.origin.fetch").splitlines() == [
            "+refs/heads/*:refs/remotes/origin/*",
            "+refs/tags/run/*:refs/promptlab/remotes/origin/run/*",
        ]
        mine = save(ben, "20261121T200000Z-000001", of(ben)[0], V1)
        sh(ben, "fetch", "-q", "--prune")
        assert [record.id for record in list_runs(repo)] == [mine.id, "20261121T195012Z-4f2a9c"]


class TestRemote:
    def test_which(self, ann: Path, top: Path, bare: Path) -> None:
        with pytest.raises(NotFound, match=r"^This repository has no remote: `git remote add origin URL`"):
            remote_of(Repository.open(top))
        repo = Repository.open(ann)
        assert remote_of(repo) == "origin"
        sh(ann, "remote", "add", "fork", f"file://{bare}")
        assert remote_of(repo) == "origin"
        assert remote_of(repo, "fork") == "fork"
        sh(ann, "config", "branch.main.remote", "fork")
        assert remote_of(repo) == "fork"
        sh(ann, "checkout", "-q", "--detach")
        sh(ann, "remote", "rename", "origin", "upstream")
        with pytest.raises(UsageFault, match=r"^Say which remote: fork, upstream\.$"):
            remote_of(repo)
        for bad in ("nope", "--upload-pack=touch x", f"file://{bare}"):
            with pytest.raises(NotFound, match="There is no remote "):
                remote_of(repo, bad)

    def test_unreachable(self, ann: Path) -> None:
        sh(ann, "remote", "set-url", "origin", "file:///nowhere/at/all.git")
        with pytest.raises(HistoryFault, match=r"^git could not talk to origin: .*nowhere.*\. Nothing was lost; try"):
            pull(Repository.open(ann), "origin")

    def test_a_helper_that_the_repository_names_is_not_run(self, ann: Path, tmp_path: Path) -> None:
        sh(ann, "remote", "set-url", "origin", f"ext::touch {tmp_path / 'ran'}")
        sh(ann, "config", "protocol.ext.allow", "always")
        with pytest.raises(HistoryFault, match=r"git could not talk to origin: .*transport 'ext' not allowed"):
            pull(Repository.open(ann), "origin")
        assert not (tmp_path / "ran").exists()

    def test_refused_by_the_other_side(self, ann: Path, bare: Path) -> None:
        hook = bare / "hooks" / "update"
        hook.write_text("#!/bin/sh\nexit 1\n")
        os.chmod(hook, 0o755)
        save(ann, "20261121T195012Z-4f2a9c", of(ann)[0], V1)
        with pytest.raises(HistoryFault, match=r"^origin refused some tags: .*hook declined.* Everything is still"):
            push(Repository.open(ann), "origin")
        assert len(list_runs(Repository.open(ann))) == 1


@pytest.mark.parametrize("options", [("--single-branch", "--depth", "1"), ("--no-tags",)])
def test_a_small_clone_gets_them_too(ann: Path, bare: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    save(ann, "20261121T195012Z-4f2a9c", of(ann)[0], V1)
    push(Repository.open(ann), "origin")
    small = clone(bare, tmp_path / "small", "Cem", *options)
    repo = Repository.open(small)
    assert list_runs(repo) == []
    pull(repo, "origin")
    (record,) = list_runs(repo)
    assert V1.encode() in read_results(repo, record).values()

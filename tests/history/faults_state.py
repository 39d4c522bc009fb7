"""Lines 1 to 24: the states that a repository can be in when a run is saved or published."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from promptlab.errors import HistoryFault
from promptlab.history.repository import Repository
from promptlab.history.versions import version_bytes, versions

from .conftest import V1, commit, dirty, make, sh, write
from .scene import (
    RESULTS,
    SUMMARY,
    TAG,
    Fault,
    Scene,
    environment,
    put,
    save,
    saved_and_published,
    work,
    world,
)

NO_BRANCH = "^HEAD is on no branch to publish to: `git switch BRANCH` first"


def git_version() -> tuple[int, ...]:
    words = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.split()
    return tuple(int(part) for part in words[2].split(".")[:2])


def state(prepare: Callable[[Path], object], refusal: str = "") -> Callable[[Scene], None]:
    """A scenario that puts the usual repository into a state, then saves and publishes."""

    def scenario(scene: Scene) -> None:
        folder = scene.repository()
        prepare(folder)
        saved_and_published(folder, refusal)

    return scenario


def unborn(scene: Scene) -> None:
    folder = scene.empty()
    write(folder, "mine.txt", "mine\n")
    sh(folder, "add", "mine.txt")
    saved_and_published(folder)
    assert sh(folder, "ls-tree", "-r", "--name-only", "HEAD") == f"{SUMMARY}\n"


def detached(folder: Path) -> None:
    sh(folder, "checkout", "-q", "--detach")
    dirty(folder)


def conflict(operation: str) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        sh(folder, "checkout", "-qb", "side")
        commit(folder, "side", triage=V1 + "# side\n")
        sh(folder, "checkout", "-q", "main")
        commit(folder, "main", triage=V1 + "# main\n")
        sh(folder, operation, "side", ok=False)
        assert "UU prompts/triage.toml" in sh(folder, "status", "--porcelain")

    return prepare


def bisecting(folder: Path) -> None:
    commit(folder, "two", triage=V1 + "# two\n")
    sh(folder, "bisect", "start", "HEAD", "HEAD~1")


def intent_to_add(folder: Path) -> None:
    write(folder, "later.txt", "later\n")
    sh(folder, "add", "-N", "later.txt")


def linked_worktree(scene: Scene) -> None:
    folder = scene.repository()
    linked = scene.folder / "linked"
    sh(folder, "worktree", "add", "-q", str(linked), "-b", "other")
    dirty(linked)
    main, mine = sh(folder, "rev-parse", "main"), world(folder).files["third.txt"]
    saved_and_published(linked)
    assert sh(folder, "rev-parse", "main", "HEAD") == main * 2
    assert world(folder).files["third.txt"] == mine


def submodule(scene: Scene) -> None:
    inner, outer = scene.repository(), scene.repository()
    sh(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "part")
    sh(outer, "commit", "-qm", "part")
    part = outer / "part"
    for key, value in (("user.name", "Ann"), ("user.email", "ann@example.com")):
        sh(part, "config", key, value)
    before = sh(outer, "ls-files", "-s")
    saved_and_published(part)
    assert sh(outer, "ls-files", "-s") == before
    assert sh(outer, "tag") == ""


def bare(scene: Scene) -> None:
    sh(scene.folder, "clone", "-q", "--bare", str(scene.repository()), "bare.git")
    with pytest.raises(HistoryFault, match=r"is a bare repository: open a clone with a working tree instead\.$"):
        Repository.open(scene.folder / "bare.git")


def sparse_checkout(folder: Path) -> None:
    sh(folder, "sparse-checkout", "set", "--cone", "prompts")


def sparse_index(folder: Path) -> None:
    write(folder, "far/away/file.txt", "x\n")
    commit(folder, "far")
    sh(folder, "sparse-checkout", "init", "--cone", "--sparse-index")
    sh(folder, "sparse-checkout", "set", "prompts")
    assert "far/\n" in sh(folder, "ls-files", "--sparse")


def split_index(folder: Path) -> None:
    sh(folder, "update-index", "--split-index")
    sh(folder, "config", "core.splitIndex", "true")
    dirty(folder)


def index_version_4(scene: Scene) -> None:
    folder = scene.repository()
    sh(folder, "update-index", "--index-version", "4")
    sh(folder, "update-index", "--skip-worktree", "other.txt")
    sh(folder, "update-index", "--assume-unchanged", "third.txt")
    saved_and_published(folder)
    assert (folder / ".git" / "index").read_bytes()[4:8] == b"\0\0\0\4"


def sha256(scene: Scene) -> None:
    folder = scene.empty("--object-format=sha256")
    commit(folder, "one", triage=V1)
    dirty_file(folder)
    saved_and_published(folder)
    assert len(put(folder).commit) == 64


def dirty_file(folder: Path) -> None:
    write(folder, "prompts/triage.toml", V1 + "# staged\n")
    sh(folder, "add", "prompts/triage.toml")
    write(folder, "prompts/triage.toml", V1 + "# staged\n# not staged\n")


def reftable(scene: Scene) -> None:
    folder = scene.empty("--ref-format=reftable")
    commit(folder, "one", triage=V1)
    saved_and_published(folder)


def small_clones(scene: Scene) -> None:
    folder = scene.repository()
    commit(folder, "two", triage=V1 + "[params]\nseed = 2\n")
    sh(folder, "config", "uploadpack.allowFilter", "true")
    for name, option in (("shallow", "--depth=1"), ("partial", "--filter=blob:none")):
        clone = scene.folder / name
        sh(scene.folder, "clone", "-q", option, folder.as_uri(), name)
        for key, value in (("user.name", "Ann"), ("user.email", "ann@example.com")):
            sh(clone, "config", key, value)
        asked = scene.folder / "asked"
        sh(clone, "config", "remote.origin.uploadpack", f"touch '{asked}';")
        save(clone)
        mine = work(clone)
        put(clone)
        assert work(clone) == mine
        assert not asked.exists()
    found = versions(Repository.open(scene.folder / "shallow"), "triage", "prompts/triage.toml")
    assert [version.number for version in found] == [1]
    with pytest.raises(HistoryFault, match=r"^This is a partial clone"):
        versions(Repository.open(scene.folder / "partial"), "triage", "prompts/triage.toml")


def below_the_top(scene: Scene) -> None:
    folder = scene.repository()
    write(folder, "apps/shop/prompts/triage.toml", V1)
    commit(folder, "below")
    dirty(folder)
    saved_and_published(folder / "apps" / "shop")
    assert f"apps/shop/{SUMMARY}" in sh(folder, "ls-tree", "-r", "--name-only", "HEAD")


def difficult_paths(scene: Scene) -> None:
    for name in ('näme ü "s', "two\nlines", "-x", "gl*b [1]?", ":(top)x"):
        folder = scene.repository()
        below = folder / name
        below.mkdir()
        write(below, "prompts/triage.toml", V1)
        commit(folder, "below")
        save(below)
        put(below)
        there = sh(folder, "ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0")
        assert f"{name}/{SUMMARY}" in there
        assert f"{name}/{RESULTS}/outputs.jsonl" in sh(folder, "ls-tree", "-rz", "--name-only", TAG).split("\0")
        found = versions(Repository.open(below), "triage", "prompts/triage.toml")
        assert list(version_bytes(Repository.open(below), found).values()) == [V1.encode()]
        assert sh(folder, "status", "--porcelain") == ""


def ignored(folder: Path) -> None:
    write(folder, ".gitignore", "results/\n")


def results_in_the_way(scene: Scene) -> None:
    aside = scene.folder / "aside"
    aside.mkdir()
    for way in ("link", "file", "foreign", "staged"):
        folder = scene.repository()
        if way == "link":
            (folder / "results").symlink_to(aside)
        elif way == "file":
            write(folder, "results", "mine\n")
        else:
            write(folder, SUMMARY, "mine\n")
        if way == "staged":
            sh(folder, "add", "results")
            (folder / SUMMARY).unlink()
        saved_and_published(folder, "is there already and is not what would be published: move it away")
        assert list(aside.iterdir()) == []


def no_usable_git(scene: Scene) -> None:
    folder, outside = scene.repository(), scene.folder / "outside"
    outside.mkdir()
    with pytest.raises(HistoryFault, match="is not in a git repository: run `git init` here"):
        Repository.open(outside)
    old = scene.folder / "bin"
    old.mkdir()
    (old / "git").write_text("#!/bin/sh\necho 'error: unknown option' >&2\nexit 129\n")
    (old / "git").chmod(0o755)
    repo = Repository.open(folder)
    with environment(PATH=f"{old}{os.pathsep}{os.environ['PATH']}"), pytest.raises(HistoryFault, match="is too old"):
        repo.git.read("log")
    with environment(PATH=str(outside)), pytest.raises(HistoryFault, match=r"^git is not installed or not on PATH"):
        repo.git.read("log")
    with (
        environment(GIT_TEST_ASSUME_DIFFERENT_OWNER="1"),
        pytest.raises(HistoryFault, match="belongs to another user: if you do, run `git config"),
    ):
        Repository.open(folder)


def callers_variables(scene: Scene) -> None:
    folder, other = scene.repository(), make(scene.folder / "other")
    index = scene.folder / "index"
    with environment(GIT_DIR=str(other / ".git"), GIT_INDEX_FILE=str(index), GIT_WORK_TREE=str(other)):
        save(folder)
        put(folder)
    assert not index.exists()
    assert sh(other, "for-each-ref") == ""
    assert sh(folder, "cat-file", "-t", TAG) == "tag\n"


FAULTS = [
    Fault(1, "unborn branch", unborn),
    Fault(2, "detached HEAD", state(detached, NO_BRANCH)),
    Fault(3, "merge in progress", state(conflict("merge"), "^Nothing can be published while a merge is in progress")),
    Fault(4, "rebase in progress", state(conflict("rebase"), "while a rebase is in progress")),
    Fault(5, "cherry-pick in progress", state(conflict("cherry-pick"), "while a cherry-pick is in progress")),
    Fault(6, "bisect in progress", state(bisecting, "while a bisect is in progress")),
    Fault(7, "staged, unstaged, untracked, taken out of the index", state(dirty)),
    Fault(8, "intent to add", state(intent_to_add)),
    Fault(9, "linked working tree", linked_worktree),
    Fault(10, "submodule", submodule),
    Fault(11, "bare repository", bare),
    Fault(12, "sparse checkout", state(sparse_checkout)),
    Fault(13, "sparse index", state(sparse_index)),
    Fault(14, "split index", state(split_index)),
    Fault(15, "index version 4, with marked entries", index_version_4),
    Fault(16, "SHA-256", sha256),
    Fault(
        17,
        "reftable",
        reftable if git_version() >= (2, 45) else None,
        f"reftable needs git 2.45, this is {'.'.join(map(str, git_version()))}",
    ),
    Fault(18, "shallow and partial clones, offline", small_clones),
    Fault(19, "workspace below the top", below_the_top),
    Fault(20, "difficult paths", difficult_paths),
    Fault(21, "results/ ignored", state(ignored, "^git ignores results/triage/.*, so it cannot be published")),
    Fault(22, "results/ is a link, a file, or has a foreign file", results_in_the_way),
    Fault(23, "no git, old git, no repository, another owner", no_usable_git),
    Fault(24, "caller's GIT_DIR and GIT_INDEX_FILE", callers_variables),
]

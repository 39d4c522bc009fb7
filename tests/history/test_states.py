"""Naming and sharing in every state a repository can be in: what is the person's stays as it was, byte for byte."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import promptlab
from promptlab.history.marks import demote, list_marks, pin, promote
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs, read_results
from promptlab.history.sharing import pull, push
from promptlab.history.snapshot import save_run
from promptlab.history.values import Named
from promptlab.history.versions import version_bytes, versions

from .conftest import V1, commit, dirty, make, sh, write
from .saver import FILES, MESSAGE, RUN, SUBJECT


def half_staged(folder: Path) -> None:
    dirty(folder)


def intent_to_add(folder: Path) -> None:
    write(folder, "later.txt", "later\n")
    sh(folder, "add", "-N", "later.txt")


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

    prepare.__name__ = operation
    return prepare


def bisecting(folder: Path) -> None:
    commit(folder, "two", triage=V1 + "# two\n")
    sh(folder, "bisect", "start", "HEAD", "HEAD~1")


def index_lock(folder: Path) -> None:
    dirty(folder)
    (folder / ".git" / "index.lock").touch()


def index_version_4(folder: Path) -> None:
    sh(folder, "update-index", "--index-version", "4")
    dirty(folder)


def split_index(folder: Path) -> None:
    sh(folder, "update-index", "--split-index")
    dirty(folder)


def sparse(folder: Path) -> None:
    sh(folder, "sparse-checkout", "init", "--cone", "--sparse-index")
    sh(folder, "sparse-checkout", "set", "prompts")


def failing_hooks(folder: Path) -> None:
    for name in ("pre-commit", "commit-msg", "post-commit", "post-checkout", "post-merge"):
        hook = folder / ".git" / "hooks" / name
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)


def hostile_settings(folder: Path) -> None:
    ran = f"touch {folder.parent / 'ran'}"
    for key, value in (
        ("core.fsmonitor", ran),
        ("diff.external", ran),
        ("core.pager", ran),
        ("log.showSignature", "true"),
        ("core.quotePath", "true"),
        ("color.ui", "always"),
        ("i18n.logOutputEncoding", "UTF-16"),
        ("fetch.prune", "true"),
        ("push.followTags", "true"),
        ("tag.sort", "-taggerdate"),
        ("remote.origin.tagOpt", "--no-tags"),
    ):
        sh(folder, "config", key, value)


def packed(folder: Path) -> None:
    sh(folder, "pack-refs", "--all")
    sh(folder, "gc", "-q")


STATES = [
    half_staged,
    intent_to_add,
    detached,
    conflict("merge"),
    conflict("rebase"),
    conflict("cherry-pick"),
    bisecting,
    index_lock,
    index_version_4,
    split_index,
    sparse,
    failing_hooks,
    hostile_settings,
    packed,
]


def world(folder: Path) -> tuple[str, dict[str, bytes]]:
    """Every branch, and every file of the working tree and of .git, but objects, tags and what is promptlab's."""
    # Git writes the packed refs anew when it deletes any ref; what they say of branches is compared.
    ours = (".git/objects/", ".git/promptlab/", ".git/refs/tags/", ".git/refs/promptlab", ".git/packed-refs")
    return sh(folder, "for-each-ref", "refs/heads", "refs/remotes"), {
        name: file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not (name := str(file.relative_to(folder))).startswith(ours)
    }


def mark_everything(folder: Path, tmp: Path) -> None:
    """Save, pin, promote, demote, push and pull."""
    repo = Repository.open(folder)
    save_run(repo, RUN, SUBJECT, FILES, MESSAGE)
    version = versions(repo, "triage", "prompts/triage.toml")[0]
    named = Named("triage", version.content, version.blob, version.path, version.commit, version.label)
    pin(repo, named, 1)
    promote(repo, named, "production")
    push(repo, "origin")
    sh(tmp / "shared.git", "tag", "-d", "triage#production#1")
    promote(repo, named, "staging")
    demote(repo, "triage", "production")
    push(repo, "origin")
    for tag in sh(folder, "tag").split():
        sh(folder, "tag", "-d", tag)
    pull(repo, "origin")
    assert [record.id for record in list_runs(repo)] == [RUN]
    assert sorted(mark.tag for mark in list_marks(repo)) == [
        "triage#production!#2",
        "triage#production#1",
        "triage#staging#1",
        "triage@v1",
    ]


@pytest.mark.parametrize("prepare", STATES, ids=lambda prepare: prepare.__name__)
def test_nothing_of_the_users_is_touched(top: Path, tmp_path: Path, prepare: Callable[[Path], None]) -> None:
    sh(tmp_path, "clone", "-q", "--bare", str(top), "shared.git")
    sh(top, "remote", "add", "origin", f"file://{tmp_path}/shared.git")
    sh(top, "fetch", "-q", "origin")
    prepare(top)
    before = world(top)
    mark_everything(top, tmp_path)
    assert world(top) == before
    assert not (tmp_path / "ran").exists()
    sh(top, "fsck", "--strict", "--no-dangling")
    sh(tmp_path / "shared.git", "fsck", "--strict", "--no-dangling")


def test_sha256_repository(tmp_path: Path) -> None:
    folder = make(tmp_path / "repo", "--object-format=sha256")
    commit(folder, "one", triage=V1)
    sh(tmp_path, "init", "-q", "--bare", "--object-format=sha256", "shared.git")
    sh(folder, "remote", "add", "origin", f"file://{tmp_path}/shared.git")
    mark_everything(folder, tmp_path)
    sh(folder, "fsck", "--strict", "--no-dangling")


def children() -> list[str]:
    """Processes whose parent this one is."""
    found: list[str] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        if rest.split()[1] == str(os.getpid()):
            found.append(name)
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes in /proc")
def test_no_process_is_left_after_hundreds_of_operations(top: Path) -> None:
    no_process_is_left(top, 60)


def no_process_is_left(top: Path, times: int) -> None:
    """Four operations so many times, and as many children as before."""
    before = children()
    repo = Repository.open(top)
    save_run(repo, RUN, SUBJECT, FILES, MESSAGE)
    (record,) = list_runs(repo)
    for _ in range(times):
        found = versions(repo, "triage", "prompts/triage.toml")
        version_bytes(repo, found)
        list_marks(repo)
        read_results(repo, record)
    assert children() == before


def test_the_object_model_of_gitpython_is_used_nowhere() -> None:
    """Only its process runner: ``git.Git`` and its faults."""
    used: set[str] = set()
    for file in Path(promptlab.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "git":
                used |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "git":
                used.add(f"git.{node.attr}")
    gitpython = {"git.exc.GitCommandNotFound", "git.Git"}
    # `git` is also what our own runner is called where it was taken out of a repository.
    assert used - gitpython <= {"git.read", "git.try_read", "git.write", "git.word", "git.remote"}

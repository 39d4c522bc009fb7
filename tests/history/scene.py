"""What a line of the fault table needs: fresh repositories, saving, publishing, and what must stay the person's."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from promptlab.errors import HistoryFault
from promptlab.history.publishing import publish
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs
from promptlab.history.snapshot import save_run
from promptlab.history.values import Published, RunFiles

from .conftest import V1, commit, make, sh, write
from .saver import FILES, MESSAGE, RUN, SUBJECT

TAG = f"run/{SUBJECT}/{RUN}"
RESULTS = f"results/{SUBJECT}/{RUN}"
SUMMARY = f"{RESULTS}/summary.toml"
TO_PUBLISH = {SUMMARY: b'run = "20261121T195012Z-4f2a9c"\n'}
BOTH = RunFiles(FILES.results, FILES.inputs, TO_PUBLISH)
"""A run that is to go on the branch, too."""
QUIET = {"GIT_OPTIONAL_LOCKS": "0"}


class Fault(NamedTuple):
    """One line of the list: its number and name there, and a scenario or why there is none."""

    number: int
    name: str
    scenario: Callable[[Scene], None] | None
    reason: str = ""


class World(NamedTuple):
    """Everything of the person's: refs, index, HEAD and settings, and every file of the working tree."""

    refs: list[str]
    files: dict[str, bytes]


class Scene:
    """A folder for one scenario, and a template repository that is copied instead of made anew."""

    def __init__(self, folder: Path, template: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.patch = patch
        self._template = template
        self._copies = 0

    def repository(self) -> Path:
        """A committed workspace of its own: one prompt, one eval set, two other files."""
        self._copies += 1
        copy = self.folder / f"repository {self._copies}"
        shutil.copytree(self._template, copy, symlinks=True)
        return copy

    def empty(self, *init: str) -> Path:
        """A repository without a commit."""
        self._copies += 1
        return make(self.folder / f"empty {self._copies}", *init)


def template(folder: Path) -> Path:
    make(folder)
    write(folder, "evalsets/support.toml", 'description = "tickets"\n')
    write(folder, "other.txt", "one\n")
    write(folder, "third.txt", "one\n")
    commit(folder, "one", triage=V1)
    for unused in (folder / ".git" / "hooks").glob("*.sample"):
        unused.unlink()
    return folder


def save(folder: Path, files: RunFiles = FILES, run: str = RUN) -> None:
    save_run(Repository.open(folder), run, SUBJECT, files, MESSAGE.replace(RUN, run))


def put(folder: Path) -> Published:
    return publish(Repository.open(folder), RUN, SUBJECT, TO_PUBLISH, MESSAGE)


def refused(folder: Path, sentence: str, act: Callable[[Path], object] = put) -> None:
    """The act is refused with a sentence, and nothing at all has changed."""
    before = world(folder)
    with pytest.raises(HistoryFault, match=sentence):
        act(folder)
    assert world(folder) == before
    assert leftovers(folder) == [], leftovers(folder)


def hook(folder: Path, name: str, script: str = "exit 1") -> None:
    file = folder / ".git" / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def git_dirs(folder: Path) -> tuple[Path, Path]:
    """Git's folder of this working tree, and the one that all working trees share."""
    repo = Repository.open(folder)
    return repo.git_dir, repo.common_dir


def world(folder: Path) -> World:
    """All but objects, what belongs to promptlab, and its runs."""
    git_dir, common = git_dirs(folder)
    top = Repository.open(folder).top
    refs = sh(folder, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    files = {
        str(file.relative_to(base)): file.read_bytes()
        for base in dict.fromkeys((top, git_dir, common))
        for file in base.rglob("*")
        if file.is_file() and not _not_the_persons(str(file.relative_to(base)))
    }
    return World([ref for ref in refs if "refs/tags/run/" not in ref], files)


def _not_the_persons(path: str) -> bool:
    inner = path.removeprefix(".git/")
    return inner.startswith(("objects/", "promptlab/", "refs/tags/run/"))


def work(folder: Path) -> tuple[str, ...]:
    """What the person did and has not committed, byte for byte: staged, unstaged, untracked, and how it is kept."""
    rest = (":(top)", ":(top,exclude)**/results/**", ":(top,exclude)results/**")
    return (
        sh(folder, "diff", "--cached", "--binary", "--", *rest, env=QUIET),
        sh(folder, "diff", "--binary", "--", *rest, env=QUIET),
        sh(folder, "ls-files", "-s", "-v", "-z", "--", *rest, env=QUIET),
        sh(folder, "status", "--porcelain=v2", "-uall", "-z", "--", *rest, env=QUIET),
    )


def saved_and_published(folder: Path, refusal: str = "") -> None:
    """Saves a run and publishes it; the person's things stay as they were, and git finds no fault.

    Args:
        folder: The workspace.
        refusal: What publishing says where it is refused.
    """
    before = world(folder)
    save(folder)
    assert world(folder) == before
    assert [record.id for record in list_runs(Repository.open(folder))] == [RUN]
    if refusal:
        refused(folder, refusal)
    else:
        mine, head = work(folder), sh(folder, "rev-parse", "-q", "--verify", "HEAD", ok=False)
        done = put(folder)
        assert work(folder) == mine
        assert sh(folder, "rev-parse", "-q", "--verify", "HEAD^", ok=False) == head
        assert sh(folder, "rev-parse", "HEAD").strip() == done.commit
        changed = sh(folder, "show", "-z", "--format=", "--name-only", "--relative", "HEAD").split("\0")
        assert [path for path in changed if path] == [SUMMARY]
        assert sh(folder, "status", "--porcelain", "--", "results", env=QUIET) == ""
        assert put(folder).before
    assert leftovers(folder) == [], leftovers(folder)
    sh(folder, "fsck", "--strict", "--no-dangling")


def leftovers(folder: Path) -> list[str]:
    """Lock files, temporary indexes, drafts and records. What is remembered to be fast is none."""
    _, common = git_dirs(folder)
    top = Repository.open(folder).top
    mine = [*common.rglob("*"), *top.rglob(".promptlab-*")]
    return [
        str(file)
        for file in mine
        if file.name.startswith((".promptlab-", "index."))
        or file.suffix in (".lock", ".new")
        or file.parent.name == "pending"
    ]


def in_child(act: Callable[[], object]) -> int:
    """Does something in a process of its own, first of its group; its id. No exit handler of the tests runs there."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        with contextlib.suppress(HistoryFault):
            act()
            code = 0
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Waits for a child; its status as Popen gives it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_group(child: int, end: signal.Signals = signal.SIGKILL) -> int:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, end)
    return ended(child)


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    kept = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)

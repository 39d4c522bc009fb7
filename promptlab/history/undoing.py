"""Takes back what promptlab did to refs and to HEAD, and only while nothing else was built on it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from promptlab.errors import HistoryFault, UsageFault
from promptlab.history.annotated import read_tags
from promptlab.history.committing import refuse_in_operation
from promptlab.history.git import plain
from promptlab.history.marks import list_marks
from promptlab.history.pending import Folder
from promptlab.history.repository import Repository
from promptlab.history.staging import entries, put
from promptlab.history.values import Committed, Undone

KEPT_BELOW = "refs/promptlab/undone/"


def tag_object(repo: Repository, tag: str) -> str:
    """What a tag of ours points at: its tag object."""
    return repo.git.word("rev-parse", "--verify", f"refs/tags/{tag}") or ""


def why_tag_stays(repo: Repository, tag: str, tag_object: str) -> str:
    """Why a run's tag, or a pinned number's, cannot be taken away; "" when it can."""
    now = repo.git.word("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}")
    if now is None:
        return f"The tag {tag} is gone already."
    if now != tag_object:
        return f"The tag {tag} is another one than promptlab made."
    run = tag.rpartition("/")[2] if tag.startswith("run/") else ""
    on_it = next((mark.tag for mark in list_marks(repo) if run and mark.run == run), "")
    return f"{on_it} stands on this run: undo or demote that first." if on_it else ""


def take_tag(repo: Repository, tag: str, tag_object: str) -> str:
    """Takes a tag away and keeps what it held under another ref, out of reach of ``git gc``. Gives that ref.

    Raises:
        UsageFault: As ``why_tag_stays`` says.
        HistoryFault: The repository cannot be written.
    """
    if why := why_tag_stays(repo, tag, tag_object):
        raise UsageFault(why)
    kept = f"{KEPT_BELOW}{tag}"
    lines = f"update {kept} {tag_object}\ndelete refs/tags/{tag} {tag_object}\n"
    with Folder(repo.common_dir).locked() as lock:
        repo.git.write("update-ref", "--stdin", stdin=os.fsencode(lines), lock=lock)
    return kept


def undone(repo: Repository, before: int | None = None) -> list[Undone]:
    """What ``take_tag`` kept, the oldest first.

    Args:
        repo: The repository.
        before: Seconds since the epoch: what was made later is left out; None for all.

    Raises:
        HistoryFault: Git failed.
    """
    kept = repo.refs(KEPT_BELOW)
    tags = read_tags(repo, kept.values()) if kept else {}
    found = [
        Undone(name.removeprefix(KEPT_BELOW), tag_object, tag.time, plain(tag.text.partition("\n")[0]))
        for name, tag_object in kept.items()
        if (tag := tags.get(tag_object))
    ]
    return sorted((each for each in found if before is None or each.time < before), key=lambda each: each.time)


def forget(repo: Repository, tags: Iterable[Undone]) -> None:
    """Lets git collect what was kept. Of a tag that was undone again since, nothing goes, nor of the others.

    Raises:
        HistoryFault: One changed, or the repository cannot be written.
    """
    lines = "".join(f"delete {KEPT_BELOW}{each.tag} {each.tag_object}\n" for each in tags)
    with Folder(repo.common_dir).locked() as lock:
        repo.git.write("update-ref", "--stdin", stdin=os.fsencode(lines), lock=lock)


def lost(repo: Repository, tags: Mapping[str, str]) -> tuple[str, ...]:
    """Tags whose objects git has thrown away meanwhile, or whose names are taken."""
    asked = "".join(f"{tag_object}\n" for tag_object in tags.values())
    out = repo.git.read("cat-file", "--batch-check=%(objecttype)", stdin=asked.encode()).splitlines()
    there = {line.split(" ")[1] for line in _refs(repo, "refs/tags/run/")}
    return tuple(tag for tag, kind in zip(tags, out, strict=True) if kind != b"tag" or f"refs/tags/{tag}" in there)


def bring_back(repo: Repository, tags: Mapping[str, str]) -> None:
    """Makes tags again that were dropped.

    Raises:
        HistoryFault: The repository cannot be written, or a name was taken meanwhile. Then none is made.
    """
    lines = "".join(f"create refs/tags/{tag} {tag_object}\n" for tag, tag_object in tags.items())
    with Folder(repo.common_dir).locked() as lock:
        repo.git.write("update-ref", "--stdin", stdin=os.fsencode(lines), lock=lock)


def why_commit_stays(repo: Repository, made: Committed) -> str:
    """Why a commit cannot be taken back; "" when it can."""
    short = made.commit[:8]
    try:
        refuse_in_operation(repo, "taking a commit back")
    except UsageFault as fault:
        return str(fault)
    if repo.head() != made.commit:
        return f"HEAD is no longer the commit {short}: what came after stands on it. `git revert {short}` is the way."
    if (repo.git.word("symbolic-ref", "--quiet", "HEAD") or "") != made.branch:
        return f"HEAD is on another branch now than when {short} was made."
    if remote := next(iter(_refs(repo, "refs/remotes/", "--contains", made.commit)), ""):
        name = remote.split(" ")[1].removeprefix("refs/remotes/")
        return f"The commit {short} was pushed: {name} has it. `git revert {short}` takes it back for everybody."
    return ""


def take_commit_back(repo: Repository, made: Committed) -> tuple[str, ...]:
    """Moves HEAD, and its branch, back to before a commit; files stay as they are, and the index of its files becomes
    what it was before the commit.

    Returns:
        Paths from the repository's top where somebody staged another text since: they stay staged.

    Raises:
        UsageFault: As ``why_commit_stays`` says.
        HistoryFault: HEAD moved in this moment, a hook refused, or the repository cannot be written.
    """
    if why := why_commit_stays(repo, made):
        raise UsageFault(why)
    now = entries(repo, [entry.path for entry in made.after])
    # HEAD first: a kill in between leaves the edit staged, which no later commit turns into a loss.
    with Folder(repo.common_dir).locked() as lock:
        args = ("update-ref", "-m", f"promptlab: take back {made.commit[:8]}")
        if made.parent:
            repo.git.write(*args, "HEAD", made.parent, made.commit, lock=lock)
        else:
            repo.git.write(*args, "-d", "HEAD", made.commit, lock=lock)
    as_committed = [before for before, after in zip(made.before, made.after, strict=True) if now[after.path] == after]
    try:
        put(repo, as_committed)
    except HistoryFault as fault:
        raise HistoryFault(
            f"The commit is taken back, and its files are staged as they were in it: {fault}"
        ) from fault
    return tuple(after.path for after in made.after if now[after.path] != after)


def _refs(repo: Repository, below: str, *options: str) -> Iterable[str]:
    return os.fsdecode(
        repo.git.read("for-each-ref", "--format=%(objectname) %(refname)", *options, below)
    ).splitlines()

"""Puts files of a run on the current branch, beside whatever the person has staged, edited or left untracked.

The order matters: the files of the working tree first, then their entries in the person's index, the branch last. A
kill before the branch moved leaves files that are staged as new, which hurts nobody; the other way round the person's
next commit would delete what the branch has. Until the branch moved, everything can be taken out again.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple

import msgspec

from promptlab.errors import HistoryFault
from promptlab.history import landing
from promptlab.history.git import explain, plain
from promptlab.history.hooks import ask_pre_commit
from promptlab.history.objects import commit_of, filtered_blob
from promptlab.history.pending import Folder, Record
from promptlab.history.repository import Repository, inside
from promptlab.history.tagging import tagger_of
from promptlab.history.values import Published

_TRIES = 8  # how often a branch may move while we commit on it
_PATIENCE = 5.0  # seconds that another git may hold the index
_HEADS = "refs/heads/"


class _Place(NamedTuple):
    """Where a commit would go: the branch's full name and the commit it stands on, None for the first one."""

    branch: str
    head: str | None


def publish(
    repo: Repository, run_id: str, subject: str, files: Mapping[str, bytes], message: str, *, hooks: bool = False
) -> Published:
    """Commits files of a saved run on the current branch; index and working tree stay as the person has them.

    Args:
        repo: The repository.
        run_id: ``20261121T195012Z-4f2a9c``.
        subject: What the run is filed under.
        files: Path relative to the workspace to bytes.
        message: The commit's message.
        hooks: The person's pre-commit hook is asked first.

    Raises:
        HistoryFault: HEAD is on no branch, an operation is in progress, something else lies at a path, git ignores
            it, the index stays locked, no identity, signing failed, a hook refused. Nothing is staged or moved then.
        NotFound: A path leads out of the repository.
    """
    folder = Folder(repo.common_dir)
    record = Record(run_id, subject, f"run/{subject}/{run_id}", publish=True)
    with folder.locked() as lock:
        try:
            return put_on_branch(repo, folder, lock, record, files, message, hooks=hooks)
        finally:
            folder.sweep()
            folder.remove(run_id)


def put_on_branch(
    repo: Repository,
    folder: Folder,
    lock: int,
    record: Record,
    files: Mapping[str, bytes],
    message: str,
    *,
    hooks: bool,
) -> Published:
    """As ``publish``, while the lock is held; the record of what is in flight is written and left there.

    Raises:
        HistoryFault: As ``publish``.
        NotFound: As ``publish``.
    """
    place = _place(repo)
    data = {repo.tree_path(path): content for path, content in files.items()}
    tagger_of(repo)  # asked first: without an identity nothing is written at all
    blobs = {path: filtered_blob(repo, path, content) for path, content in data.items()}
    size = sum(map(len, files.values()))
    done = Published(place.branch.removeprefix(_HEADS), place.head or "", tuple(files), size, before=True)
    if place.head and _has(repo, place.head, blobs):
        return done
    _refuse_ignored(repo, blobs)
    for path, blob in _staged(repo, blobs).items():
        if blob != blobs[path]:
            raise landing.taken(path)
    landing.refuse_taken(repo.top, data)
    # Before anything of the person's is touched: what can fail in a commit, such as its signature, fails here.
    commit = commit_of(repo, folder, place.head, blobs, message)
    record = msgspec.structs.replace(record, commit=commit, branch=place.branch, blobs=blobs)
    folder.write(record)
    try:
        for path, content in data.items():
            landing.land(repo.top, path, content)
        _stage(repo, blobs, lock)
        if hooks:
            ask_pre_commit(repo, folder, commit, blobs)
        commit = _move(repo, folder, lock, record, place.head, message)
    except BaseException:
        with contextlib.suppress(HistoryFault):
            withdraw(repo, blobs, lock)
        raise
    return msgspec.structs.replace(done, commit=commit, before=False)


def is_published(repo: Repository, record: Record) -> bool:
    """Whether the branch has all that a record in flight was to put there."""
    return bool(record.blobs) and _has(repo, record.branch, record.blobs)


def clean_up(repo: Repository, record: Record, lock: int) -> None:
    """Takes out what a kill left of a publication: lock files of ours, entries of the index, files.

    Raises:
        HistoryFault: As ``withdraw``.
    """
    if not record.branch.startswith(_HEADS) or repo.git.try_read("check-ref-format", record.branch).code:
        return
    ref_lock = repo.common_dir / f"{record.branch}.lock"
    with contextlib.suppress(OSError):
        if record.commit and ref_lock.read_text().strip() == record.commit:
            ref_lock.unlink()
            # Git takes it, empty, for the reflog of HEAD while it moves the branch.
            head_lock = repo.git_dir / "HEAD.lock"
            if not head_lock.read_bytes():
                head_lock.unlink()
    withdraw(repo, record.blobs, lock)


def withdraw(repo: Repository, blobs: Mapping[str, str], lock: int) -> None:
    """Takes out of index and working tree what HEAD does not have and is still as we put it there.

    Raises:
        HistoryFault: The index is locked or cannot be written; nothing is taken out then.
    """
    # A record says what is ours, and a record is a file: no path of it may lead out of the working tree.
    blobs = {path: blob for path, blob in blobs.items() if inside("", path) == path}
    staged, in_head = _staged(repo, blobs), _blobs_at(repo, "HEAD", blobs)
    ours = [path for path, blob in blobs.items() if staged.get(path, blob) == blob and in_head.get(path) != blob]
    # A line of zeros takes a path out of the index.
    entries = (f"0 {'0' * len(blobs[path])}\t".encode() + os.fsencode(path) for path in ours if path in staged)
    if lines := b"".join(entry + b"\0" for entry in entries):
        _change_index(repo, lock, "--index-info", stdin=lines)
    for path in ours:
        landing.take_back(repo.top, path, partial(_is_blob, repo, path, blobs[path]))


def _is_blob(repo: Repository, path: str, blob: str, data: bytes) -> bool:
    return filtered_blob(repo, path, data) == blob


def _place(repo: Repository) -> _Place:
    if operation := repo.operation():
        raise HistoryFault(f"Nothing can be published while a {operation} is in progress: finish it or end it first.")
    branch = repo.git.word("symbolic-ref", "--quiet", "HEAD")
    if branch is None or not branch.startswith(_HEADS):
        raise HistoryFault("HEAD is on no branch to publish to: `git switch BRANCH` first, then try again.")
    return _Place(branch, repo.head())


def _has(repo: Repository, commit: str, blobs: Mapping[str, str]) -> bool:
    """Whether a commit has exactly these blobs at these paths."""
    return _blobs_at(repo, commit, blobs) == blobs


def _blobs_at(repo: Repository, commit: str, paths: Iterable[str]) -> dict[str, str]:
    """Path to blob id of those paths that a commit has; none where there is no such commit."""
    answer = repo.git.try_read("ls-tree", "-z", "--full-tree", "--end-of-options", commit, *paths)
    return _listed(answer.out, 2) if answer.code == 0 else {}


def _staged(repo: Repository, paths: Iterable[str]) -> dict[str, str]:
    """Path to blob id of those paths that the person's index has."""
    return _listed(repo.git.read("ls-files", "--stage", "-z", "--", *paths), 1)


def _listed(listing: bytes, field: int) -> dict[str, str]:
    """Reads entries such as ``<mode> <type> <blob><tab><path>``, the blob in the field of that number."""
    entries = (entry.partition(b"\t") for entry in listing.split(b"\0") if entry)
    return {os.fsdecode(path): head.split()[field].decode() for head, _, path in entries}


def _refuse_ignored(repo: Repository, paths: Iterable[str]) -> None:
    asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
    # check-ignore knows no literal pathspecs; what stands on its standard input is taken literally anyway.
    said = repo.git.try_read("--no-literal-pathspecs", "check-ignore", "--no-index", "-z", "--stdin", stdin=asked)
    if ignored := os.fsdecode(said.out.partition(b"\0")[0]):
        raise HistoryFault(
            f"git ignores {plain(ignored)}, so it cannot be published: take results/ out of the ignored paths"
            " (.gitignore, .git/info/exclude), then try again."
        )


def _stage(repo: Repository, paths: Iterable[str], lock: int) -> None:
    # --add reads the files that were just written, so that the entries carry their times and sizes.
    _change_index(repo, lock, "--add", "--stdin", stdin=b"".join(os.fsencode(path) + b"\0" for path in paths))


def _change_index(repo: Repository, lock: int, *how: str, stdin: bytes) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            repo.git.write_index("update-index", "-z", *how, stdin=stdin, lock=lock)
            return
        except HistoryFault as fault:
            if "index.lock" not in str(fault) or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _move(repo: Repository, folder: Folder, lock: int, record: Record, head: str | None, message: str) -> str:
    """The commit that the branch stands on in the end: ours, or one of the person's that took our entries along."""
    for attempt in range(_TRIES):
        order = f"update {record.branch} {record.commit} {head or '0' * len(record.commit)}\n"
        why = f"promptlab: publish {record.run}"
        answer = repo.git.move("update-ref", "--create-reflog", "-m", why, "--stdin", stdin=order.encode(), lock=lock)
        if answer.code == 0:
            if repo.git.word("symbolic-ref", "--quiet", "HEAD") != record.branch:
                withdraw(repo, record.blobs, lock)
            return record.commit
        time.sleep(0.01 * 2**attempt)
        place = _place(repo)
        if place.branch != record.branch:
            raise HistoryFault("The branch was switched meanwhile: nothing was published, try again.")
        if place.head == head:
            raise HistoryFault(explain("update-ref", answer))
        head = place.head
        if head and _has(repo, head, record.blobs):
            return head
        record = msgspec.structs.replace(record, commit=commit_of(repo, folder, head, record.blobs, message))
        folder.write(record)
    raise HistoryFault(f"{plain(record.branch)} moves all the time: nothing was published, try again.")

"""Saves a run as a commit on no branch, held by an annotated tag.

HEAD, the index, the working tree, an operation in progress and the branch's hooks are not involved: the commit is put
together in an index of our own, and the only ref that is made is the tag's. The order matters: first a record on the
disk, then objects that nothing points at, the ref last, so that a kill leaves either nothing or a whole run.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from promptlab.errors import HistoryFault
from promptlab.history.git import plain
from promptlab.history.objects import commit_of, filtered_blob, plain_blob
from promptlab.history.pending import Folder, Record
from promptlab.history.publishing import clean_up, is_published, put_on_branch
from promptlab.history.repository import Repository
from promptlab.history.tagging import exists, line, make_tag, possible, tagger_of
from promptlab.history.trailers import TAG
from promptlab.history.values import PendingRun, RunFiles, SavedRun


def save_run(repo: Repository, run_id: str, subject: str, files: RunFiles, message: str) -> SavedRun:
    """Commits a run's inputs and results on top of HEAD, on no branch, and tags the commit.

    Args:
        repo: The repository.
        run_id: ``20261121T195012Z-4f2a9c``.
        subject: What the run is filed under, as ``support-triage``.
        files: Inputs exactly as used, uncommitted edits included, and the results.
        message: Text of commit and tag, as ``trailers.message`` makes it.

    Raises:
        HistoryFault: No identity, the tag exists or is refused, signing failed, or the repository cannot be written.
            Nothing is staged or moved then.
        NotFound: A file's path leads out of the repository.
    """
    tag = f"run/{subject}/{run_id}"
    results_path = f"results/{subject}/{run_id}"
    if not _ours(repo, tag):
        raise HistoryFault(f"A run cannot be filed as {plain(tag)!r}: git does not accept that as the name of a tag.")
    inputs = {repo.tree_path(path): data for path, data in files.inputs.items()}
    results = {repo.tree_path(f"{results_path}/{name}"): data for name, data in files.results.items()}
    # Asked first: without an identity nothing is written at all.
    tagger = tagger_of(repo)
    folder = Folder(repo.common_dir)
    with folder.locked() as lock:
        if exists(repo, tag):
            raise HistoryFault(f"The tag {tag} is there already: this run was saved before.")
        try:
            record = Record(run_id, subject, tag, publish=bool(files.published))
            folder.write(record)
            commit = commit_of(repo, folder, repo.head(), _blobs(repo, inputs, results), message)
            folder.write(msgspec.structs.replace(record, commit=commit))
            make_tag(repo, tag, commit, tagger, message, lock)
            saved = SavedRun(tag, commit, results_path)
            if files.published:
                saved = _published(repo, folder, lock, record, files, message, saved)
        finally:
            # Whatever ended the save was told to the caller; only a kill leaves the record for the next start.
            folder.sweep()
            folder.remove(run_id)
    return saved


def _published(
    repo: Repository, folder: Folder, lock: int, record: Record, files: RunFiles, message: str, saved: SavedRun
) -> SavedRun:
    """The branch's part. The run itself is safe by now: what keeps it off the branch is told, and is no fault."""
    try:
        done = put_on_branch(repo, folder, lock, record, files.published, message, hooks=files.hooks)
    except HistoryFault as fault:
        return msgspec.structs.replace(saved, unpublished=str(fault))
    return msgspec.structs.replace(saved, published=done)


def recover(repo: Repository) -> list[PendingRun]:
    """What a kill left behind: run this when a workspace is opened.

    A run whose tag is there, and whose files are on the branch if they were to go there, was complete: its record is
    dropped. Of any other, what index and working tree have of it is taken out again, and the record stays until the
    caller saves or publishes it again under the same id, or gives it up with ``forget``.

    Raises:
        HistoryFault: The repository cannot be written.
    """
    folder = Folder(repo.common_dir)
    # Without a record there is nothing to mend, and a repository that cannot be written may be opened all the same.
    if not folder.records():
        return []
    found: list[PendingRun] = []
    with folder.locked() as lock:
        folder.sweep()
        for record in folder.records():
            tagged = exists(repo, record.tag)
            complete = tagged and (not record.publish or is_published(repo, record))
            if not complete:
                _unlock_tag(repo, record)
                clean_up(repo, record, lock)
            else:
                folder.remove(record.run)
            found.append(PendingRun(record.run, record.subject, complete, tagged))
    return found


def forget(repo: Repository, run_id: str) -> None:
    """Gives up an unfinished save, when the run's journal is no more."""
    Folder(repo.common_dir).remove(run_id)


def _blobs(repo: Repository, inputs: Mapping[str, bytes], results: Mapping[str, bytes]) -> dict[str, str]:
    # Inputs go through the filters that `git add` would use, so that an unchanged file is the same blob as in HEAD.
    # Results are read from the tag only, byte for byte: a filter such as LFS would put them elsewhere.
    return {path: filtered_blob(repo, path, data) for path, data in inputs.items()} | {
        path: plain_blob(repo, data) for path, data in results.items()
    }


def _unlock_tag(repo: Repository, record: Record) -> None:
    """Removes the lock file of a tag that was being made when the save died. A lock of anybody else stays."""
    lock = repo.common_dir / "refs" / "tags" / f"{record.tag}.lock"
    if not record.commit or not _ours(repo, record.tag) or not lock.is_file():
        return
    held = lock.read_bytes().strip()
    # Git makes the file empty, then writes the tag's id into it; that tag points at the commit we recorded.
    if (
        not held
        or repo.git.word("rev-parse", "--verify", "--quiet", "--end-of-options", f"{line(held)}^{{commit}}")
        == record.commit
    ):
        lock.unlink()


def _ours(repo: Repository, tag: str) -> bool:
    return bool(TAG.fullmatch(tag)) and possible(repo, tag)

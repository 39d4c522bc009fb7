"""Blobs and commits that nothing points at yet, put together without the person's index."""

from __future__ import annotations

import os
from collections.abc import Mapping

from promptlab.history.pending import Folder
from promptlab.history.repository import Repository
from promptlab.history.tagging import PASSPHRASE, encoded, line, wanted


def filtered_blob(repo: Repository, path: str, data: bytes) -> str:
    """The blob that `git add` would make of these bytes at this path, through the person's filters."""
    return line(repo.git.write("hash-object", "-w", "--stdin", f"--path={path}", stdin=data))


def plain_blob(repo: Repository, data: bytes) -> str:
    """The blob of exactly these bytes."""
    return line(repo.git.write("hash-object", "-w", "--stdin", "--no-filters", stdin=data))


def commit_of(repo: Repository, folder: Folder, parent: str | None, blobs: Mapping[str, str], message: str) -> str:
    """A commit of a parent's tree plus some files, signed where the person's configuration wants it.

    Args:
        repo: The repository.
        folder: Where the temporary index lies; its lock is held.
        parent: A commit, or None for the first one of a branch.
        blobs: Path from the repository's top to blob id.
        message: Its text.

    Returns:
        The commit's id.

    Raises:
        HistoryFault: Signing failed, or the repository cannot be written.
    """
    git = repo.git
    entries = b"".join(f"100644 {blob}\t".encode() + os.fsencode(path) + b"\0" for path, blob in blobs.items())
    index = {"GIT_INDEX_FILE": str(folder.temporary_index())}
    git.write("read-tree", parent or "--empty", env=index)
    # --replace: where HEAD has a folder and the working tree a file, or the other way round, what was used counts.
    git.write("update-index", "--replace", "-z", "--index-info", stdin=entries, env=index)
    tree = line(git.write("write-tree", env=index))
    parents = ("-p", parent) if parent else ()
    # commit-tree itself does not look at commit.gpgsign.
    sign = ("-S",) if wanted(repo, "commit.gpgsign") else ()
    return line(git.write("commit-tree", tree, *parents, *sign, "-F", "-", stdin=encoded(message), limit=PASSPHRASE))

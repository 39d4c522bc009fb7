"""The versions of a prompt: every distinct content that HEAD's history has seen, oldest first."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from promptlab.errors import InvalidFile
from promptlab.history import memo
from promptlab.history.git import plain
from promptlab.history.memo import Parsed
from promptlab.history.repository import Repository
from promptlab.history.values import Version
from promptlab.workspace.identity import content_hash
from promptlab.workspace.toml import parse


class _Change(NamedTuple):
    """One commit that wrote the file, newest first in git's order. ``path`` is relative to the repository's top."""

    commit: str
    time: int
    author: str
    subject: str
    blob: str
    path: str


def versions(repo: Repository, name: str, path: str) -> list[Version]:
    """The distinct contents of a prompt, oldest first.

    History is HEAD's first-parent line: what a merge brought in counts as of the merge. Renames are followed. A
    content that comes back after a revert keeps its first number, and a file that cannot be parsed is shown with its
    error and number 0 instead of stopping the list.

    Args:
        repo: The repository.
        name: The prompt's name, the key of tags that will pin a number to a content (``<name>@v<n>``).
        path: The file's path now, relative to the workspace.

    Raises:
        HistoryFault: Git failed.
    """
    changes = _changes(repo, repo.tree_path(path))
    parsed = _parsed(repo, {change.blob for change in changes})
    found: list[Version] = []
    seen: set[str] = set()
    number = 0
    for change in reversed(changes):
        result = parsed.get(change.blob)
        # A blob that a damaged repository lost is no version one could open.
        if result is None or (identity := result.content or result.blob) in seen:
            continue
        seen.add(identity)
        number += bool(result.content)
        found.append(
            Version(
                number=number if result.content else 0,
                content=result.content,
                blob=change.blob,
                commit=change.commit,
                time=change.time,
                author=change.author,
                subject=change.subject,
                path=repo.workspace_path(change.path),
                error=result.error,
            )
        )
    return found


def version_bytes(repo: Repository, wanted: Iterable[Version]) -> dict[str, bytes]:
    """The bytes of many versions by blob id, from one process."""
    return repo.blobs(version.blob for version in wanted if version.blob)


def at_revision(repo: Repository, rev: str, path: str) -> bytes:
    """The bytes of a file at any git revision: ``main~20``, a tag, a hash.

    Raises:
        NotFound: No such revision, or no such file in it.
    """
    return repo.read_file(repo.rev_parse(rev), path)


def _parsed(repo: Repository, blobs: set[str]) -> dict[str, Parsed]:
    """The content hash, or the error, of each blob; from the memo where it was parsed before."""
    # The hash of nothing changes with the hashing rule, and a memo of another rule must not be read.
    file = repo.common_dir / "promptlab" / f"contents-{content_hash({})}.jsonl"
    known = memo.load(file)
    fresh = {blob: _parse(blob, data) for blob, data in repo.blobs(sorted(blobs - known.keys())).items()}
    if fresh:
        memo.add(file, fresh)
    return known | fresh


def _parse(blob: str, data: bytes) -> Parsed:
    try:
        return Parsed(blob, content=content_hash(parse(data, "")))
    except InvalidFile as fault:
        problem = fault.problems[0]
        return Parsed(blob, error=f"line {problem.line}: {problem.message}" if problem.line else problem.message)


def _changes(repo: Repository, full: str) -> list[_Change]:
    head = repo.head()
    if head is None:
        return []
    out = repo.git.read(
        *("log", "--first-parent", "--diff-merges=first-parent", "--follow", "-M", "--raw", "--no-abbrev", "-z"),
        *("--no-color", "--no-ext-diff", "--no-textconv", "--no-notes", "--format=%H%x00%at%x00%an%x00%s"),
        *("--end-of-options", head, "--", full),
    )
    return list(_read_log(out))


def _read_log(out: bytes) -> Iterator[_Change]:
    """Reads ``log -z --raw``: per commit four fields, then ``:modes blobs status`` and one or two paths."""
    fields = iter(out.split(b"\0"))
    header: list[str] = []
    for field in fields:
        if len(header) == 4 and field.lstrip(b"\n").startswith(b":"):
            blob, status = field.split()[3:5]
            path = next(fields)
            if status[:1] in b"RC":
                path = next(fields)
            commit, time, author, subject = header
            # A submodule or symbolic link at the path is no prompt file, nor is its removal.
            if field.split()[1].startswith(b"100"):
                yield _Change(commit, int(time), plain(author), plain(subject), blob.decode(), os.fsdecode(path))
            # `--follow` goes on into the file that this one was copied from: that is another prompt's past.
            if status[:1] == b"C":
                return
            header = []
        else:
            header = [*header[-3:], field.decode("utf-8", "replace").lstrip("\n")]

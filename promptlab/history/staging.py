"""The person's own index: what differs from HEAD, what stands at a path, and putting that back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from promptlab.history.repository import Repository
from promptlab.history.values import Entry

Kind = Literal["new", "changed", "deleted", "ignored", "conflict"]
_KINDS: Mapping[str, Kind] = {"?": "new", "!": "ignored", "u": "conflict"}


class Edit(Struct, frozen=True):
    """A file that differs from HEAD.

    Attributes:
        path: Relative to the workspace.
        half: The index has another text than the working tree: a part of the edit is staged.
    """

    path: str
    kind: Kind
    half: bool = False


def edits(repo: Repository, paths: Sequence[str]) -> list[Edit]:
    """What differs from HEAD, in index or working tree, at or below paths of the workspace.

    Raises:
        HistoryFault: Git failed.
        NotFound: A path leaves the repository.
    """
    found: list[Edit] = []
    for kind, state, full in _status(repo, [repo.tree_path(path) for path in paths]):
        path = repo.workspace_path(full)
        if kind in _KINDS:
            found.append(Edit(path, _KINDS[kind]))
            continue
        staged, unstaged = state
        if unstaged == "D" or (staged == "D" and unstaged == "."):
            what: Kind = "deleted"
        else:
            what = "new" if staged == "A" or (staged, unstaged) == (".", "A") else "changed"
        found.append(Edit(path, what, half=staged != "." and unstaged != "."))
    return _merged(found)


def staged_elsewhere(repo: Repository, paths: Iterable[str]) -> int:
    """How many other files have something staged, besides these paths of the workspace."""
    ours = {repo.tree_path(path) for path in paths}
    out = repo.git.read("diff-index", "--cached", "--name-only", "-z", "--no-renames", _base(repo), "--")
    return sum(os.fsdecode(path) not in ours for path in out.split(b"\0") if path)


def entries(repo: Repository, full: Sequence[str]) -> dict[str, Entry]:
    """What the index has at paths from the repository's top; each path has an entry.

    Raises:
        HistoryFault: Git failed.
    """
    found = {path: Entry(path) for path in full}
    if not full:
        return found
    out = repo.git.read("ls-files", "--stage", "-z", "--", *full)
    for line in out.split(b"\0"):
        head, _, path = line.partition(b"\t")
        name = os.fsdecode(path)
        if name in found:
            mode, blob, _stage = head.decode().split(" ")
            found[name] = Entry(name, mode, blob)
    for kind, state, path in _status(repo, full):
        # Nothing staged, and new in the working tree, is how git says that it only was told of the file.
        if kind == "1" and state == ".A" and path in found and found[path].mode:
            found[path] = Entry(path, intent=True)
    return found


def put(repo: Repository, wanted: Iterable[Entry]) -> None:
    """Makes the index have these entries, and leaves every other as it is.

    Raises:
        HistoryFault: Somebody holds the index, or the repository cannot be written.
    """
    wanted = list(wanted)
    nothing = "0" * len(_base(repo))
    lines = "".join(f"{entry.mode or 0} {entry.blob or nothing}\t{entry.path}\0" for entry in wanted)
    if wanted:
        repo.git.write_index("update-index", "--add", "-z", "--index-info", stdin=os.fsencode(lines))
    if told := [entry.path for entry in wanted if entry.intent]:
        repo.git.write_index("add", "--intent-to-add", "--", *told)
    if wanted:
        repo.git.write_index("update-index", "-q", "--refresh", ok=(0, 1))


def _status(repo: Repository, full: Sequence[str]) -> list[tuple[str, str, str]]:
    """Kind, two letters and path from the top of what differs below these paths."""
    out = repo.git.read(
        *("status", "--porcelain=v2", "-z", "--untracked-files=all", "--ignored=matching", "--no-renames"),
        *("--ignore-submodules=all", "--", *full),
    )
    found: list[tuple[str, str, str]] = []
    for record in out.split(b"\0"):
        text = os.fsdecode(record)
        kind = text[:1]
        if kind in ("?", "!"):
            found.append((kind, "", text[2:]))
        elif kind in ("1", "u"):
            fields = text.split(" ", 8 if kind == "1" else 10)
            found.append((kind, fields[1], fields[-1]))
    return found


def _merged(found: Sequence[Edit]) -> list[Edit]:
    """One edit a path: a file taken out of the index only is both deleted and untracked, and changes nothing else."""
    by_path: dict[str, Edit] = {}
    for edit in found:
        there = by_path.get(edit.path)
        by_path[edit.path] = Edit(edit.path, "changed", half=True) if there else edit
    return sorted(by_path.values(), key=lambda edit: edit.path)


def _base(repo: Repository) -> str:
    """HEAD, or the empty tree where there is no commit yet."""
    return repo.head() or repo.git.read("hash-object", "-t", "tree", "--stdin", stdin=b"").decode().strip()

"""The contents that one file had along HEAD's first-parent history, through renames, remembered between calls.

Git follows a rename while the file stays similar. A prompt that says who it is (its `id` key) is also followed where
it was renamed and rewritten in one commit, and is not taken for a similar prompt with another id.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from promptlab.errors import InvalidFile
from promptlab.history import memo
from promptlab.history.git import plain
from promptlab.history.memo import Parsed
from promptlab.history.repository import Repository
from promptlab.history.values import Version
from promptlab.workspace.identity import content_hash
from promptlab.workspace.toml import parse

# The hash of nothing changes with the hashing rule, and a memory of another rule must not be read.
_RULE = content_hash({})


class Timeline(msgspec.Struct, frozen=True):
    """What is remembered of one file.

    Attributes:
        head: The commit it was read at.
        shallow: Hash of git's list of the commits where a shallow clone ends.
        versions: Distinct contents, oldest first, without numbers.
    """

    head: str
    shallow: str
    versions: tuple[Version, ...]


class Change(NamedTuple):
    """One commit that wrote the file. ``path`` is relative to the repository's top, ``old`` the blob before it."""

    commit: str
    time: int
    author: str
    subject: str
    status: str
    old: str
    blob: str
    path: str


def timeline(repo: Repository, full: str) -> tuple[Version, ...]:
    """The distinct contents of a file, oldest first, without numbers.

    Args:
        repo: The repository.
        full: The file's path now, from the repository's top.

    Raises:
        HistoryFault: Git failed.
    """
    head = repo.head()
    if head is None:
        return ()
    file = _file(repo, full)
    known = _load(file)
    shallow = _shallow(repo)
    if known is not None and known.shallow == shallow:
        if known.head == head:
            return known.versions
        newer = _newer(repo, known.head, head, full)
        if newer is not None:
            parsed = {blob: _parse(blob, data) for blob, data in repo.blobs({c.blob for c in newer}).items()}
            found = _distinct(repo, known.versions, newer, parsed)
            _keep(file, Timeline(head, shallow, found))
            return found
    changes, parsed = _whole(repo, head, full)
    found = _distinct(repo, (), changes, parsed)
    _keep(file, Timeline(head, shallow, found))
    return found


def _distinct(
    repo: Repository, before: tuple[Version, ...], changes: list[Change], parsed: dict[str, Parsed]
) -> tuple[Version, ...]:
    """``before`` and each content that ``changes``, newest first, brought for the first time."""
    found = list(before)
    seen = {version.content or version.blob for version in before}
    for change in reversed(changes):
        result = parsed.get(change.blob)
        # A blob that a damaged repository lost is no version one could open.
        if result is None or (identity := result.content or result.blob) in seen:
            continue
        seen.add(identity)
        found.append(
            Version(
                number=0,
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
    return tuple(found)


def _newer(repo: Repository, old: str, head: str, full: str) -> list[Change] | None:
    """Changes since ``old``, or None when that is not behind HEAD or the file was made or moved since."""
    # --sparse: every commit, also those that did not touch the file, so that the line down to ``old`` is seen.
    out = repo.git.try_read(*_LOG, "--sparse", "--no-renames", "--end-of-options", f"{old}..{head}", "--", full)
    commits = list(_commits(out.out))
    if out.code or not commits or commits[-1].parents[:1] != [old]:
        return None
    changes = [change for commit in commits for change in commit.changes]
    return changes if all(change.status in "MT" for change in changes) else None


def _whole(repo: Repository, head: str, full: str) -> tuple[list[Change], dict[str, Parsed]]:
    """Every change, newest first, through renames; and what each blob is."""
    memory = _Blobs(repo)
    changes: list[Change] = []
    start: tuple[str, str] | None = (head, full)
    while start:
        changes += memory.until_another(list(_log(repo, *start)))
        start = memory.moved_from(changes[-1]) if changes else None
    parsed = memory.parsed
    memory.keep()
    return changes, parsed


class _Blobs:
    """What the blobs of one reading parse to; each is parsed once ever."""

    def __init__(self, repo: Repository) -> None:
        self.repo = repo
        self.file = repo.common_dir / "promptlab" / f"contents-{_RULE}.jsonl"
        self.known = {entry.blob: entry for entry in memo.load(self.file, Parsed)}
        self.fresh: dict[str, Parsed] = {}

    @property
    def parsed(self) -> dict[str, Parsed]:
        return self.known | self.fresh

    def learn(self, blobs: set[str]) -> None:
        wanted = sorted(blobs - self.known.keys() - self.fresh.keys())
        self.fresh |= {blob: _parse(blob, data) for blob, data in self.repo.blobs(wanted).items()}

    def id_of(self, blob: str) -> str:
        result = self.fresh.get(blob) or self.known.get(blob)
        return result.id if result else ""

    def keep(self) -> None:
        if self.fresh:
            memo.add(self.file, self.fresh.values())

    def until_another(self, changes: list[Change]) -> list[Change]:
        """Up to where git took a prompt with another id for the one before it."""
        self.learn({change.blob for change in changes} | {change.old for change in changes if change.status == "R"})
        for at, change in enumerate(changes):
            ids = {self.id_of(change.old), self.id_of(change.blob)} - {""}
            if change.status == "R" and len(ids) == 2:
                return [*changes[:at], change._replace(status="A")]
        return changes

    def moved_from(self, first: Change) -> tuple[str, str] | None:
        """Commit and path of the file with the same id that the commit took away."""
        prompt = self.id_of(first.blob)
        if first.status != "A" or not prompt:
            return None
        parent = self.repo.git.word("rev-parse", "--verify", "--quiet", f"{first.commit}^1")
        if parent is None:
            return None
        out = self.repo.git.read(
            *("diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--diff-filter=D"),
            *("--end-of-options", parent, first.commit),
        )
        fields = out.split(b"\0")
        pairs = zip(fields[::2], fields[1::2], strict=False)  # an empty field ends the last
        gone = {os.fsdecode(path): head.split()[2].decode() for head, path in pairs}
        candidates = {path: blob for path, blob in gone.items() if path.endswith(".toml")}
        self.learn(set(candidates.values()))
        path = next((path for path, blob in sorted(candidates.items()) if self.id_of(blob) == prompt), None)
        return (parent, path) if path else None


def _parse(blob: str, data: bytes) -> Parsed:
    try:
        parsed = parse(data, "")
    except InvalidFile as fault:
        problem = fault.problems[0]
        return Parsed(blob, error=f"line {problem.line}: {problem.message}" if problem.line else problem.message)
    name = parsed.get("id", "")
    return Parsed(blob, content=content_hash(parsed), id=name if isinstance(name, str) else "")


_LOG = (
    *("log", "--first-parent", "--diff-merges=first-parent", "--raw", "--no-abbrev", "-z"),
    *("--no-color", "--no-ext-diff", "--no-textconv", "--no-notes", "--format=%H%x00%P%x00%at%x00%an%x00%s"),
)
_HEADER = 5  # fields of a commit in that format


def _log(repo: Repository, range_: str, full: str) -> Iterator[Change]:
    """Commits of a range that wrote the file, newest first, as far as git itself can follow it."""
    out = repo.git.read(*_LOG, "--follow", "-M", "--end-of-options", range_, "--", full)
    for commit in _commits(out):
        yield from commit.changes
        if commit.copied:
            return  # `--follow` goes on into the file that this one was copied from: that is another prompt's past


class _Commit(NamedTuple):
    """A commit of the log. ``changes`` is what it did to the file: one change, or none."""

    parents: list[str]
    changes: tuple[Change, ...]
    copied: bool = False


def _commits(out: bytes) -> Iterator[_Commit]:
    """Reads ``log -z --raw``: per commit five fields, then ``:modes blobs status`` and one or two paths, if any."""
    fields = out.split(b"\0")
    at = 0
    while at + _HEADER <= len(fields):
        commit, parents, time, author, subject = (
            field.decode("utf-8", "replace").lstrip("\n") for field in fields[at : at + _HEADER]
        )
        at += _HEADER
        found: list[Change] = []
        copied = False
        while at < len(fields) and fields[at].startswith((b":", b"\n:")):
            _, mode, old, blob, status = fields[at].split()
            letter = status[:1].decode()
            at += 3 if letter in "RC" else 2
            copied = copied or letter == "C"
            # A submodule or symbolic link at the path is no prompt file, nor is its removal.
            if mode.startswith(b"100"):
                found.append(
                    Change(
                        commit=commit,
                        time=int(time),
                        author=plain(author),
                        subject=plain(subject),
                        status="A" if copied else letter,
                        old=old.decode(),
                        blob=blob.decode(),
                        path=os.fsdecode(fields[at - 1]),
                    )
                )
        yield _Commit(parents.split(), tuple(found), copied)


def _file(repo: Repository, full: str) -> Path:
    mark = hashlib.sha256(f"{repo.prefix}\0{full}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return repo.common_dir / "promptlab" / f"versions-{_RULE}-{mark}.json"


def _shallow(repo: Repository) -> str:
    try:
        return hashlib.sha256((repo.common_dir / "shallow").read_bytes()).hexdigest()
    except OSError:
        return ""


def _load(file: Path) -> Timeline | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Timeline)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _keep(file: Path, known: Timeline) -> None:
    """A file that may be deleted at any time; a repository that cannot be written is no fault."""
    torn = file.with_suffix(f".{os.getpid()}.new")
    with contextlib.suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        try:
            descriptor = os.open(torn, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(msgspec.json.encode(known))
            torn.replace(file)
        finally:
            torn.unlink(missing_ok=True)

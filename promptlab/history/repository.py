"""A workspace's git repository: where it stands, and any file of it at any revision."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path

from promptlab.errors import HistoryFault, NotFound
from promptlab.history import refs
from promptlab.history.git import Answer, Git, explain, plain
from promptlab.history.values import RepoState

# An operation that git left a mark of in its folder, the outermost first: a rebase marks a cherry-pick of its own.
_MARKS = (
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("MERGE_HEAD", "merge"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_LOG", "bisect"),
)
_BATCH = 2000  # objects asked of one process: bounds what is held in memory at once
_DAMAGED = 16  # tags passed over before the whole repository counts as damaged
_CAT_FILE = ("cat-file", "--batch", "--buffer")
_NEXT = "--promptlab-next"


class Repository:
    """An open repository. Holds no process and no lock, and may be used by several threads at once.

    Attributes:
        git: Runs git in the working tree's top folder.
        top: The working tree's top folder.
        prefix: The workspace's path below ``top`` with ``/`` between, "" when they are the same folder.
        git_dir: Git's folder of this working tree.
        common_dir: Git's folder that all linked working trees share.
    """

    def __init__(self, git: Git, top: Path, prefix: str, git_dir: Path, common_dir: Path) -> None:
        self.git = git
        self.top = top
        self.prefix = prefix
        self.git_dir = git_dir
        self.common_dir = common_dir

    @classmethod
    def open(cls, path: Path) -> Repository:
        """The repository that the workspace at ``path`` lies in.

        Raises:
            HistoryFault: No git, no repository, a bare one, or one that belongs to somebody else.
        """
        if not path.is_dir():
            raise HistoryFault(f"{path} is not a folder.")
        probe = Git(path)
        wanted = ("--show-toplevel", "--show-prefix", "--absolute-git-dir", "--git-common-dir")
        answer = probe.try_read(
            "rev-parse", "--is-bare-repository", *(part for want in wanted for part in (_NEXT, want))
        )
        if answer.code:
            raise HistoryFault(_why_not(path, answer))
        # Git prints an option it does not know as it is: the one mark that no path can contain as a line of its own.
        _, top, prefix, git_dir, common = (
            os.fsdecode(part) for part in answer.out.removesuffix(b"\n").split(f"\n{_NEXT}\n".encode())
        )
        # A relative common folder is relative to where git ran.
        common_dir = Path(os.path.realpath(path / common))
        git = Git(Path(top), _own_filters(probe))
        return cls(git, Path(top), prefix.rstrip("/"), Path(git_dir), common_dir)

    @classmethod
    def init(cls, path: Path) -> Repository:
        """Makes ``path`` a repository with an unborn branch ``main``, and opens it.

        Raises:
            HistoryFault: No git, or the folder cannot be written.
        """
        Git(path).write("init", "--quiet", "--initial-branch=main")
        return cls.open(path)

    def close(self) -> None:
        """Ends the use of the repository. Nothing is held between calls, so nothing is left to end."""

    def state(self) -> RepoState:
        """Where HEAD, index and working tree stand, from one ``git status`` that takes no lock.

        Raises:
            HistoryFault: Git failed.
        """
        out = self.git.read(
            *("status", "--porcelain=v2", "--branch", "-z"),
            *("--untracked-files=normal", "--ignore-submodules=dirty"),
        )
        head: str | None = None
        branch: str | None = None
        dirty = 0
        records = iter(out.split(b"\0"))
        for record in records:
            kind, _, rest = record.partition(b" ")
            if kind == b"#":
                key, _, value = os.fsdecode(rest).partition(" ")
                if key == "branch.oid" and value != "(initial)":
                    head = value
                elif key == "branch.head" and value != "(detached)":
                    branch = value
            elif kind:
                dirty += 1
                if kind == b"2":
                    next(records, None)  # a rename is followed by its old path
        return RepoState(str(self.top), self.prefix, head, branch, self.operation(), dirty)

    def operation(self) -> str | None:
        """The merge, rebase, cherry-pick, revert or bisect that the person is in the middle of."""
        return next((name for mark, name in _MARKS if (self.git_dir / mark).exists()), None)

    def head(self) -> str | None:
        """The commit that HEAD stands on, or None on an unborn branch."""
        # Not HEAD^{commit}: a branch whose commit is damaged or missing must not look unborn.
        return refs.head_of(self.git_dir, self.common_dir) or self.git.word(
            "rev-parse", "--verify", "--quiet", "HEAD"
        )

    def refs(self, *prefixes: str) -> dict[str, str]:
        """Full name of each ref that begins with one of the prefixes, and its object.

        Raises:
            HistoryFault: Git failed.
        """
        found = refs.refs_of(self.common_dir, prefixes)
        if found is not None:
            return found
        folders = dict.fromkeys(prefix.rpartition("/")[0] + "/" for prefix in prefixes)
        out = os.fsdecode(self.git.read("for-each-ref", "--format=%(objectname) %(refname)", *folders))
        pairs = (line.partition(" ") for line in out.splitlines())
        return {name: value for value, _, name in pairs if name.startswith(prefixes)}

    def rev_parse(self, rev: str) -> str:
        """The commit id that a revision such as ``main~20``, a tag or a hash names.

        Raises:
            NotFound: There is no such commit.
        """
        shown = plain(rev)
        if rev.startswith("-"):
            raise NotFound(f"{shown!r} is no git revision: a revision does not begin with '-'.")
        commit = None
        if rev and "\0" not in rev:
            commit = self.git.word("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
        if commit is None:
            raise NotFound(f"There is no commit {shown!r} in this repository: give a branch, a tag or a commit hash.")
        return commit

    def read_file(self, commit: str, path: str) -> bytes:
        """The bytes of a file as one commit has it.

        Args:
            commit: A commit id, as ``rev_parse`` gives it.
            path: Relative to the workspace, with ``/`` between.

        Raises:
            NotFound: The commit has no such file, or the path leaves the repository.
            HistoryFault: Git failed.
        """
        found = self.blobs([f"{commit}:{self.tree_path(path)}"])
        if not found:
            raise NotFound(f"{plain(path)} does not exist at {commit[:12]}.")
        return next(iter(found.values()))

    def tree_path(self, path: str) -> str:
        """The path from the repository's top of a path relative to the workspace.

        Raises:
            NotFound: The path is absolute, leaves the repository, or goes through a ``.git`` folder.
        """
        return inside(self.prefix, path)

    def workspace_path(self, full: str) -> str:
        """The path relative to the workspace of a path from the repository's top."""
        return posixpath.relpath(full, self.prefix) if self.prefix else full

    def blobs(self, names: Iterable[str]) -> dict[str, bytes]:
        """The bytes of many files with one process for each few thousand.

        Args:
            names: Blob ids, or ``<commit>:<path from the top>``.

        Returns:
            Name to bytes; names that are missing or no file are left out.

        Raises:
            HistoryFault: Git failed.
        """
        wanted = [name for name in dict.fromkeys(names) if "\n" not in name]
        found: dict[str, bytes] = {}
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            out = self.git.read(*_CAT_FILE, stdin=_lines(batch))
            found |= {name: data for name, kind, data in _objects(batch, out) if kind == b"blob"}
        return found

    def tags(self, objects: Iterable[str]) -> dict[str, bytes]:
        """The bytes of many annotated tags by their ids; other objects, and tags that are damaged, are left out.

        Raises:
            HistoryFault: Git failed.
        """
        wanted = list(dict.fromkeys(objects))
        found: dict[str, bytes] = {}
        start = damaged = 0
        while start < len(wanted):
            batch = wanted[start : start + _BATCH]
            answer = self.git.try_read(*_CAT_FILE, stdin=_lines(batch))
            read = list(_objects(batch, answer.out))
            found |= {name: data for name, kind, data in read if kind == b"tag"}
            start += len(read)
            if answer.code and (damaged := damaged + 1) > _DAMAGED:
                raise HistoryFault(explain("cat-file", answer))
            start += bool(answer.code)  # git's answer ends at one that is damaged
        return found


def _lines(names: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(name) + b"\n" for name in names)


def _objects(names: list[str], out: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """Name, kind and bytes of each object that ``cat-file --batch`` gave; one that is missing has no kind."""
    at = 0
    for name in names:
        end = out.find(b"\n", at)
        fields = out[at:end].split(b" ")
        # `<id> <type> <size>`, or the name itself and one word such as `missing`; a name may hold blanks.
        kind, size = (fields[1], int(fields[2])) if len(fields) == 3 and fields[2].isdigit() else (b"", -1)
        at = end + 1 + size + 1
        if end < 0 or at > len(out):
            return
        yield name, kind, out[end + 1 : at - 1]


def inside(prefix: str, path: str) -> str:
    """``path`` below ``prefix``, both with ``/`` between, as git names it from the repository's top.

    Raises:
        NotFound: The path is absolute, leaves the repository, or goes through a ``.git`` folder.
    """
    full = posixpath.normpath(posixpath.join(prefix, path)) if path else ""
    parts = full.split("/")
    if not path or path.startswith("/") or "\0" in path or parts[0] == ".." or ".git" in map(str.lower, parts):
        raise NotFound(f"{plain(path)!r} is not a path inside this repository.")
    return full


def _own_filters(git: Git) -> tuple[str, ...]:
    """Filters that the repository itself defines, which `git status` would run; a person's own ones it may run."""
    out = git.read(
        *("config", "--local", "--includes", "-z", "--name-only", "--get-regexp", r"^filter\..*\.(clean|process)$"),
        ok=(0, 1),
    )
    keys = [os.fsdecode(key) for key in out.split(b"\0") if key]
    return tuple(dict.fromkeys(key.removeprefix("filter.").rpartition(".")[0] for key in keys))


def _why_not(path: Path, answer: Answer) -> str:
    err = answer.err
    if "dubious ownership" in err:
        return (
            f"git does not trust the repository of {path}, because it belongs to another user: if you do, run"
            f" `git config --global --add safe.directory {path}`."
        )
    if answer.out.startswith(b"true"):
        return f"{path} is a bare repository: open a clone with a working tree instead."
    if "must be run in a work tree" in err:
        return f"{path} is inside a .git folder: open the working tree instead."
    if "not a git repository" in err:
        return (
            f"{path} is not in a git repository: run `git init` here, or `promptlab init`, to keep versions and runs."
        )
    return f"git cannot open the repository of {path}: {plain(err.strip().removeprefix('fatal: '))}"

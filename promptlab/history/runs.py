"""Past runs, as their tags tell them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator

import msgspec

from promptlab import __version__
from promptlab.errors import NotFound
from promptlab.history import memo, trailers
from promptlab.history.repository import Repository, inside
from promptlab.history.values import ColumnLine, RunRecord, ScoreLine

# The body of a signed tag comes without its signature; `contents` would have it.
_FIELDS = (
    "objectname",
    "refname:lstrip=2",
    "objecttype",
    "*objecttype",
    "*objectname",
    "*parent",
    "taggerdate:unix",
    "contents:subject",
    "contents:body",
)
_FORMAT = "%00".join(f"%({field})" for field in _FIELDS) + "%00"
_PREFIX = "refs/tags/run/"
_NAMES = 500  # refs named to one process
# What is remembered holds for the version that read it.
_RULE = hashlib.sha256(
    repr((__version__, *(kind.__struct_fields__ for kind in (RunRecord, ColumnLine, ScoreLine)))).encode()
).hexdigest()[:8]


class _Known(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a tag object is: a run, or not one. An object never changes."""

    tag_object: str
    record: RunRecord | None = None


def list_runs(repo: Repository) -> list[RunRecord]:
    """Every saved run, newest first. Tags below ``run/`` that promptlab did not make are passed over.

    A tag that was read once is not read again.

    Raises:
        HistoryFault: Git failed.
    """
    file = repo.common_dir / "promptlab" / f"runs-{_RULE}.jsonl"
    known = {entry.tag_object: entry for entry in memo.load(file, _Known)}
    # Where nothing is remembered, one process reads all of them, and their names with them.
    first = None if known else _everything(repo)
    refs = _refs(repo) if first is None else [(entry.tag_object, f"refs/tags/{name}") for name, entry in first]
    new = [name for tag_object, name in refs if tag_object not in known]
    if new:
        found = (
            first if first is not None else [each for listing in _listings(repo, new) for each in _entries(listing)]
        )
        read = {entry.tag_object: entry for _, entry in found if entry.tag_object not in known}
        memo.add(file, read.values())
        known |= read
    # A name that somebody gave to a run's tag object makes no second run of it.
    named = ((name, known[tag_object].record) for tag_object, name in refs if tag_object in known)
    records = [record for name, record in named if record is not None and name == f"refs/tags/{record.tag}"]
    return sorted(records, key=lambda record: record.id, reverse=True)


def read_results(repo: Repository, record: RunRecord) -> dict[str, bytes]:
    """The result files of a run by name: ``run.toml``, ``metrics.jsonl``, ``outputs.jsonl``.

    Raises:
        NotFound: The run's commit holds no results.
    """
    base, results = _results(repo, record)
    data = repo.blobs(results.values())
    return {path.removeprefix(base): data[blob] for path, blob in results.items() if blob in data}


def result_blobs(repo: Repository, record: RunRecord) -> dict[str, str]:
    """The blob ids of a run's result files by name.

    Raises:
        NotFound: The run's commit holds no results.
    """
    base, results = _results(repo, record)
    return {path.removeprefix(base): blob for path, blob in results.items()}


def read_inputs(repo: Repository, record: RunRecord, paths: Iterable[str]) -> dict[str, bytes]:
    """Files of the workspace as the run used them.

    Args:
        repo: The repository.
        record: The run.
        paths: Relative to the workspace, with ``/`` between.

    Returns:
        Path to bytes; paths that the run's commit does not have are left out.

    Raises:
        NotFound: The run's commit holds no results, or a path leads out of the repository.
    """
    base, _ = _results(repo, record)
    workspace = base.removesuffix(_folder(record))
    names = {f"{record.commit}:{inside(workspace, path)}": path for path in paths}
    return {names[name]: data for name, data in repo.blobs(names).items()}


def _refs(repo: Repository) -> list[tuple[str, str]]:
    """Tag object and full name of each tag of a run."""
    listing = os.fsdecode(repo.git.read("for-each-ref", "--format=%(objectname) %(refname)", _PREFIX)).splitlines()
    return [(tag_object, name) for tag_object, _, name in (line.partition(" ") for line in listing)]


def _everything(repo: Repository) -> list[tuple[str, _Known]] | None:
    """All tags of runs, in one process; None where one of them is damaged, which ends git's list."""
    answer = repo.git.try_read("for-each-ref", f"--format={_FORMAT}", _PREFIX)
    return list(_entries(answer.out)) if answer.code == 0 else None


def _listings(repo: Repository, names: list[str]) -> list[bytes]:
    """What git says of these tags."""
    if len(names) < _NAMES:
        answer = repo.git.try_read("for-each-ref", f"--format={_FORMAT}", *names)
        if answer.code == 0:
            return [answer.out]
    # One tag whose object is missing ends the whole list, so those that are whole are asked for by name.
    asked = "".join(f"{name}^{{commit}}\n" for name in names)
    said = repo.git.read("cat-file", "--batch-check=%(objecttype)", stdin=os.fsencode(asked)).splitlines()
    whole = [name for name, kind in zip(names, said, strict=True) if kind == b"commit"]
    return [
        repo.git.read("for-each-ref", f"--format={_FORMAT}", *whole[start : start + _NAMES])
        for start in range(0, len(whole), _NAMES)
    ]


def _entries(listing: bytes) -> Iterator[tuple[str, _Known]]:
    """Short name of each tag, and what it is."""
    fields = listing.decode("utf-8", "replace").split("\0")
    width = len(_FIELDS)
    for at in range(0, len(fields) - width, width):
        yield fields[at + 1], _Known(fields[at].lstrip("\n"), _record(fields[at + 1 : at + width]))


def _record(fields: list[str]) -> RunRecord | None:
    name, kind, target, commit, parents, time, subject, body = fields
    if (kind, target) != ("tag", "commit"):
        return None
    return trailers.parse(
        f"{subject}\n\n{body}",
        tag=name,
        commit=commit,
        parent=parents.partition(" ")[0],
        time=int(time or 0),
    )


def _results(repo: Repository, record: RunRecord) -> tuple[str, dict[str, str]]:
    """The results folder from the repository's top, and its files' blobs by path.

    The commit itself is asked what it added, because the workspace may have been moved since.
    """
    out = repo.git.read(
        *("diff-tree", "-r", "-z", "--root", "--raw", "--no-abbrev", "--no-renames", "--no-commit-id"),
        *("--end-of-options", record.commit),
    )
    folder = _folder(record)
    found: dict[str, str] = {}
    base = ""
    fields = iter(out.split(b"\0"))
    for head in fields:
        path = os.fsdecode(next(fields, b""))
        if f"/{folder}" in f"/{path}":
            start = f"/{path}".index(f"/{folder}")
            base = path[:start] + folder
            found[path] = head.split()[3].decode()
    if not found:
        raise NotFound(f"The commit of {record.tag} holds no results.")
    return base, found


def _folder(record: RunRecord) -> str:
    return f"results/{record.subject}/{record.id}/"

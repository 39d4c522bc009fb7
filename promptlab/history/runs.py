"""Past runs, as their tags tell them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence

import msgspec

from promptlab import __version__
from promptlab.errors import HistoryFault, NotFound
from promptlab.history import memo, trailers
from promptlab.history.annotated import Annotated, read_tags
from promptlab.history.git import explain, is_partial, last_line, plain
from promptlab.history.repository import Repository, inside
from promptlab.history.values import ColumnLine, RunRecord, ScoreLine

_PREFIX = "refs/tags/run/"
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
    known = {entry.tag_object: entry.record for entry in memo.load(file, _Known)}
    refs = repo.refs(_PREFIX)
    new = [tag_object for tag_object in refs.values() if tag_object not in known]
    if new:
        read = {tag_object: _record(tag) for tag_object, tag in read_tags(repo, new).items()}
        memo.add(file, (_Known(tag_object, record) for tag_object, record in read.items()))
        known |= read
    # A name that somebody gave to a run's tag object makes no second run of it.
    named = ((name, known.get(tag_object)) for name, tag_object in refs.items())
    records = [record for name, record in named if record is not None and name == f"refs/tags/{record.tag}"]
    return sorted(records, key=lambda record: record.id, reverse=True)


def lost_commits(repo: Repository, records: Sequence[RunRecord]) -> frozenset[str]:
    """The commits of these runs that git does not have any more, though it has their tags.

    One process for all of them, which looks no further than the commits: a file below one may be lost nevertheless.

    Raises:
        HistoryFault: Git failed.
    """
    asked = "".join(f"{record.commit}\n" for record in records)
    kinds = repo.git.read("cat-file", "--batch-check=%(objecttype)", stdin=asked.encode()).splitlines()
    pairs = zip(records, kinds, strict=True)
    return frozenset(record.commit for record, kind in pairs if kind != b"commit")


def read_results(repo: Repository, record: RunRecord) -> dict[str, bytes]:
    """The result files of a run by name: ``run.toml``, ``metrics.jsonl``, ``outputs.jsonl``.

    Raises:
        NotFound: The run's commit holds no results, or git has lost it or a file of it.
        HistoryFault: This is a partial clone without them.
    """
    base, results = _results(repo, record)
    data = repo.blobs(results.values())
    if missing := next((path for path, blob in results.items() if blob not in data), ""):
        raise _lost(record, f"{plain(missing)} is missing")
    return {path.removeprefix(base): data[blob] for path, blob in results.items()}


def result_blobs(repo: Repository, record: RunRecord) -> dict[str, str]:
    """The blob ids of a run's result files by name.

    Raises:
        NotFound, HistoryFault: As ``read_results``.
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
        NotFound: As ``read_results``, or a path leads out of the repository.
        HistoryFault: As ``read_results``.
    """
    base, _ = _results(repo, record)
    workspace = base.removesuffix(_folder(record))
    names = {f"{record.commit}:{inside(workspace, path)}": path for path in paths}
    return {names[name]: data for name, data in repo.blobs(names).items()}


def _record(tag: Annotated) -> RunRecord | None:
    if tag.kind != "commit":
        return None
    return trailers.parse(tag.text, tag=tag.name, commit=tag.target, time=tag.time)


def _results(repo: Repository, record: RunRecord) -> tuple[str, dict[str, str]]:
    """The results folder from the repository's top, and its files' blobs by path.

    The commit itself is asked what it added, because the workspace may have been moved since.
    """
    answer = repo.git.try_read(
        *("diff-tree", "-r", "-z", "--root", "--raw", "--no-abbrev", "--no-renames", "--no-commit-id"),
        *("--end-of-options", record.commit),
    )
    if answer.code > 0 and not is_partial(answer):
        raise _lost(record, last_line(answer.err))
    if answer.code:
        raise HistoryFault(explain("diff-tree", answer))
    folder = _folder(record)
    found: dict[str, str] = {}
    base = ""
    fields = iter(answer.out.split(b"\0"))
    for head in fields:
        path = os.fsdecode(next(fields, b""))
        if f"/{folder}" in f"/{path}":
            start = f"/{path}".index(f"/{folder}")
            base = path[:start] + folder
            found[path] = head.split()[3].decode()
    if not found:
        raise NotFound(f"The commit of {record.tag} holds no results.")
    return base, found


def _lost(record: RunRecord, why: str) -> NotFound:
    return NotFound(
        f"The run {record.id} cannot be opened: its tag is here, and its commit {record.commit[:8]} is not whole"
        f" ({plain(why)}). `git tag -d {record.tag}` and then `promptlab pull` fetch it again from a remote that"
        " has it."
    )


def _folder(record: RunRecord) -> str:
    return f"results/{record.subject}/{record.id}/"

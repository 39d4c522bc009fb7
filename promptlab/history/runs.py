"""Past runs, as their tags tell them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from promptlab.errors import NotFound
from promptlab.history import trailers
from promptlab.history.repository import Repository, inside
from promptlab.history.values import RunRecord

# The body of a signed tag comes without its signature; `contents` would have it.
_FIELDS = (
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


def list_runs(repo: Repository) -> list[RunRecord]:
    """Every saved run, newest first. Tags below ``run/`` that promptlab did not make are passed over.

    Raises:
        HistoryFault: Git failed.
    """
    answer = repo.git.try_read("for-each-ref", f"--format={_FORMAT}", _PREFIX)
    # One tag whose object is missing ends the whole list, so the others are asked for by name.
    listings = [answer.out] if answer.code == 0 else _listings_by_name(repo)
    records = (record for listing in listings for record in _records(listing))
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


def _listings_by_name(repo: Repository) -> list[bytes]:
    names = os.fsdecode(repo.git.read("for-each-ref", "--format=%(refname)", _PREFIX)).splitlines()
    asked = "".join(f"{name}^{{commit}}\n" for name in names)
    said = repo.git.read("cat-file", "--batch-check=%(objecttype)", stdin=os.fsencode(asked)).splitlines()
    whole = [name for name, kind in zip(names, said, strict=True) if kind == b"commit"]
    return [
        repo.git.read("for-each-ref", f"--format={_FORMAT}", *whole[start : start + _NAMES])
        for start in range(0, len(whole), _NAMES)
    ]


def _records(listing: bytes) -> Iterator[RunRecord]:
    fields = [field.decode("utf-8", "replace") for field in listing.split(b"\0")]
    width = len(_FIELDS)
    for at in range(0, len(fields) - width, width):
        record = _record(fields[at : at + width])
        if record:
            yield record


def _record(fields: list[str]) -> RunRecord | None:
    name, kind, target, commit, parents, time, subject, body = fields
    if (kind, target) != ("tag", "commit"):
        return None
    return trailers.parse(
        f"{subject}\n\n{body}",
        tag=name.lstrip("\n"),
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

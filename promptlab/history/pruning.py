"""Drops old runs: their tags go, and with the next ``git gc`` their commits."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from promptlab.errors import HistoryFault
from promptlab.history.marks import list_marks
from promptlab.history.pending import Folder
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs
from promptlab.history.values import Prunable, RunRecord

_FILES = ("outputs.jsonl", "metrics.jsonl", "examples.jsonl", "run.toml")


def prunable(
    repo: Repository, *, subject: str = "", keep: int | None = None, before: int | None = None
) -> list[Prunable]:
    """The runs that pruning would drop, oldest first. A run that a stage or a pinned number stands on is not one.

    Args:
        repo: The repository.
        subject: Only runs filed under this prompt; "" for all.
        keep: How many of the newest runs of each prompt stay, None for no such rule.
        before: Seconds since the epoch: later runs stay, None for no such rule.

    Raises:
        HistoryFault: Git failed.
    """
    marks = list_marks(repo)
    ids, commits = {mark.run for mark in marks}, {mark.commit for mark in marks}
    counted: dict[str, int] = {}
    chosen: list[RunRecord] = []
    for record in list_runs(repo):
        counted[record.subject] = counted.get(record.subject, 0) + 1
        newest = keep is not None and counted[record.subject] <= keep
        late = before is not None and record.time >= before
        named = record.id in ids or record.commit in commits
        if not newest and not late and not named and subject in ("", record.subject):
            chosen.append(record)
    return _sized(repo, chosen[::-1])


def prune(repo: Repository, runs: Iterable[Prunable]) -> None:
    """Deletes the tags of runs, here only. A tag that changed since it was looked at stays, and nothing else goes.

    Raises:
        HistoryFault: A tag changed, or the repository cannot be written.
    """
    lines = "".join(f"delete refs/tags/{run.record.tag} {run.tag_object}\n" for run in runs)
    with Folder(repo.common_dir).locked() as lock:
        try:
            repo.git.write("update-ref", "--stdin", stdin=os.fsencode(lines), lock=lock)
        except HistoryFault as fault:
            raise HistoryFault(f"Nothing was dropped: {fault}") from fault


def _sized(repo: Repository, records: Sequence[RunRecord]) -> list[Prunable]:
    start = f"{repo.prefix}/" if repo.prefix else ""
    asked = "".join(
        f"refs/tags/{record.tag}\n"
        + "".join(f"{record.commit}:{start}results/{record.subject}/{record.id}/{name}\n" for name in _FILES)
        for record in records
    )
    out = repo.git.read("cat-file", "--batch-check=%(objecttype) %(objectsize) %(objectname)", stdin=asked.encode())
    lines = [line.split() for line in out.decode("utf-8", "replace").splitlines()]
    width = len(_FILES) + 1
    return [
        Prunable(
            record,
            tag_object=lines[at * width][2],
            size=sum(int(line[1]) for line in lines[at * width + 1 : (at + 1) * width] if line[0] == "blob"),
        )
        for at, record in enumerate(records)
    ]

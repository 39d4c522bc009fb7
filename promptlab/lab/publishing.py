"""What of a run goes on the branch: a summary of at most 2 KB, or all of it where `[results] mode` says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from promptlab.errors import HistoryFault, PromptlabError, UsageFault
from promptlab.history.git import plain
from promptlab.history.values import PendingRun, Published, SavedRun
from promptlab.lab.message import run_message, title
from promptlab.lab.table import RunTable

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab

LIMIT = 2048  # bytes of a summary
SUMMARY = "summary.toml"
_LONGEST = 160  # characters of a name or sentence in a summary


def folder_of(table: RunTable) -> str:
    """Where the files of a run lie, relative to the workspace."""
    return f"results/{table.subject}/{table.run}"


def whole(table: RunTable, results: Mapping[str, bytes]) -> dict[str, bytes]:
    """All files of a run by their path relative to the workspace."""
    return {f"{folder_of(table)}/{name}": data for name, data in results.items()}


def publish(lab: Lab, ref: str) -> Published:
    """Commit a run's summary on the current branch, or all of it in branch mode; a run that is not saved is saved.

    Raises:
        NotFound: No such run.
        UsageFault: It is still going on.
        HistoryFault: There is no branch to commit on, something is in the way, or git refused. Nothing was changed.
    """
    from promptlab.history.publishing import publish as put

    table = lab.open_run(ref)
    if table.state == "running":
        raise UsageFault("The run is still going on: publish it when it has ended.")
    if not table.tag:
        saved = _save(lab, table.run)
        if saved is not None and saved.published is not None:
            return saved.published
        if saved is not None and saved.unpublished:
            raise HistoryFault(saved.unpublished)
        table = lab.open_run(table.run)  # as it was saved, and as everybody else reads it: with its tag
    record = lab.record(table.run)
    results = lab.results(record)
    wanted = lab.settings.results
    branch = wanted.mode == "branch"
    files = whole(table, results) if branch else {f"{folder_of(table)}/{SUMMARY}": summary(table)}
    message = run_message(table, record.plan, results)
    return put(lab.repository(), table.run, table.subject, files, message, hooks=wanted.hooks == "run")


def _save(lab: Lab, run: str) -> SavedRun | None:
    """Save a run; None where another promptlab did so in this moment."""
    try:
        return lab.save(run)
    except PromptlabError:
        if all(record.id != run for record in lab.records()):
            raise
        return None


def finish(lab: Lab, pending: PendingRun) -> SavedRun:
    """Save or publish again what a kill cut short.

    Raises:
        NotFound: Its journal is gone: nothing is left to save.
        HistoryFault: Git could not do it.
    """
    if not pending.tagged:
        return lab.save(pending.run)
    from promptlab.history.snapshot import forget

    record = lab.record(pending.run)
    saved = SavedRun(record.tag, record.commit, f"results/{record.subject}/{record.id}")
    try:
        published = publish(lab, pending.run)
    except HistoryFault as fault:
        # The run itself is safe, and what the kill left of it on the branch was taken out again.
        forget(lab.repository(), pending.run)
        return SavedRun(saved.tag, saved.commit, saved.results_path, unpublished=str(fault))
    return SavedRun(saved.tag, saved.commit, saved.results_path, published)


def summary(table: RunTable) -> bytes:
    """``summary.toml``: what the run was and what came out, with as many scores as fit; the primary ones first."""
    import tomli_w

    columns: list[dict[str, object]] = [
        {"column": v.column, "label": plain(v.label, _LONGEST), "content": v.content} for v in table.variants
    ]
    scores = _scores(table)
    verdict = table.verdict(table.candidate) if table.primary else None
    head: dict[str, object] = {
        "format": 1,
        "run": table.run,
        "tag": table.tag,
        "title": plain(title(table), _LONGEST),
        "evalset": plain(table.evalset, _LONGEST),
        "evalset_content": table.evalset_content,
        "examples": len(table.examples),
        "trials": table.trials,
        "state": table.state,
    }
    if verdict is not None:
        head["verdict"] = plain(verdict.sentence, 2 * _LONGEST)
    lists = {"columns": columns, "scores": scores}
    left_out = 0
    while len(data := tomli_w.dumps({**head, "left_out": left_out, **lists}).encode()) > LIMIT:
        (scores or columns).pop()
        left_out += 1
    return data


def _scores(table: RunTable) -> list[dict[str, object]]:
    """The means of all columns, those of the primary metric first."""
    metrics = sorted(table.infos, key=lambda metric: metric != table.primary)
    return [
        {
            "column": variant.column,
            "metric": plain(metric, _LONGEST),
            "mean": float(f"{mean.mean:.4g}"),
            "low": float(f"{mean.low:.4g}"),
            "high": float(f"{mean.high:.4g}"),
            "n": mean.n,
            "missing": mean.missing,
        }
        for metric in metrics
        for variant in table.variants
        if (mean := table.mean(variant.column, metric)) is not None
    ]

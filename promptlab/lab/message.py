"""The message of a run's commit and tag: one line for people, trailers for machines."""

from __future__ import annotations

from collections.abc import Mapping

from promptlab.compare.values import Verdict
from promptlab.history import trailers
from promptlab.history.values import ColumnLine, ScoreLine
from promptlab.lab import wording
from promptlab.lab.table import RunTable


def title(table: RunTable) -> str:
    """Such as ``run triage on support: exact 74.2 % triage@v3 · mini, BETTER by +70.8 points; 1 more column``."""
    prompts = ", ".join(dict.fromkeys(variant.prompt for variant in table.variants))
    head = f"run {prompts} on {table.evalset}"
    best = table.candidate
    mean = table.mean(best, table.primary) if table.primary else None
    if mean is None:
        return head
    info = table.infos[table.primary]
    text = f"{head}: {table.primary} {wording.number(mean.mean, info)} {table.variant(best).label}"
    verdict = table.verdict(best)
    if verdict:
        text = f"{text}, {_outcome(verdict, wording.effect(verdict.effect, info, verdict.scale))}"
    more = len(table.variants) - len({best, table.baseline})
    return f"{text}; {wording.plural(more, 'more column')}" if more else text


def _outcome(verdict: Verdict, effect: str) -> str:
    """A verdict in a few words; the effect only as far as the verdict stands by it."""
    match verdict.status:
        case "INVALID":
            return "INVALID"
        case "INCONCLUSIVE":
            return f"INCONCLUSIVE ({effect})"
        case _:
            return f"{verdict.status} by {effect}"


def run_message(table: RunTable, digest: str, results: Mapping[str, bytes]) -> str:
    """Title and trailers, as reference readers of git see them."""
    columns = [
        ColumnLine(v.column, v.prompt, v.content, v.version, v.model, v.identity, v.overrides) for v in table.variants
    ]
    scores = [
        line
        for variant in table.variants
        for metric in sorted(table.infos, key=lambda metric: metric != table.primary)
        if (line := _score_line(table, variant.column, metric)) is not None
    ]
    return trailers.message(
        title=title(table),
        run=table.run,
        evalset=table.evalset,
        evalset_content=table.evalset_content,
        n=len(table.examples),
        columns=columns,
        scores=scores,
        partial=table.state != "complete",
        plan=digest,
        results=results,
    )


def _score_line(table: RunTable, column: str, metric: str) -> ScoreLine | None:
    mean = table.mean(column, metric)
    if mean is None:
        return None
    return ScoreLine(column, metric, mean.mean, mean.n, table.standard_error(column, metric), mean.missing)

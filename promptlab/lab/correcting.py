"""Scores against what people corrected answers to, read from the reviews when the answers are there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import structs

from promptlab.lab.tracing import scores_of
from promptlab.lab.values import CellScored
from promptlab.scoring.families.corrections import NEEDS
from promptlab.scoring.metric import Beside
from promptlab.workspace.reviews import Review, example_hash
from promptlab.workspace.values import MetricSpec

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable


def asked_of(table: RunTable) -> list[MetricSpec]:
    """The metrics of a run that need corrections."""
    return [spec for spec in table.metrics if table.infos[spec.name].needs == NEEDS]


def score_corrected(table: RunTable, reviews: Iterable[Review], problem: str = "") -> None:
    """Give a table the scores that need corrections; a text that was not stored keeps those that it has.

    Args:
        table: The run.
        reviews: Those that stand.
        problem: Why nobody's reviews are known.
    """
    asked = asked_of(table)
    corrections: dict[tuple[str, str], list[str]] = {}
    for review in reviews:
        if review.kind == "correction":
            corrections.setdefault((review.example, review.content), []).append(review.text)
    for example in table.examples if asked else ():
        known = corrections.get((example.id, example_hash(example)), [])
        for variant in table.variants:
            for trial in range(table.trials):
                outcome = table.outcome(variant.column, example.id, trial)
                if outcome is None or not outcome.stored:
                    continue
                trace = table.trace(variant.column, example.id, trial)
                found = scores_of(asked, example, outcome, table.prompts[variant.column], trace, Beside(known))
                if problem:
                    found = tuple(
                        structs.replace(score, value=None, missing=problem) if outcome.fault is None else score
                        for score in found
                    )
                table.add(CellScored(variant.column, example.id, trial, outcome, found))

"""Answers of a table that wait for a score from elsewhere: from a model, or a process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from promptlab.lab.tracing import seen_by
from promptlab.lab.values import CellScored
from promptlab.models.values import Outcome
from promptlab.scoring.values import Score
from promptlab.workspace.values import Example, MetricSpec

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable


class Answer(NamedTuple):
    """What a metric looks at, or why there is nothing to look at."""

    text: str
    missing: str = ""


class Unscored(NamedTuple):
    """A cell without a score of some metric."""

    column: str
    example: Example
    trial: int
    answer: Answer


def unscored(table: RunTable, spec: MetricSpec) -> Iterator[Unscored]:
    """Every cell that has an answer, or a fault in its place, and no score of the metric."""
    for variant in table.variants:
        for example in table.examples:
            for trial in range(table.trials):
                outcome = table.outcome(variant.column, example.id, trial)
                if outcome is None or spec.name in table.trial_scores(variant.column, example.id, trial):
                    continue
                answer = answer_of(table, spec, variant.column, example.id, trial)
                if answer is None and outcome.fault is not None:
                    answer = Answer("", f"error: {outcome.fault.message}")
                if answer is not None:
                    yield Unscored(variant.column, example, trial, answer)


def answer_of(table: RunTable, spec: MetricSpec, column: str, example: str, trial: int) -> Answer | None:
    """What a metric looks at; None where nothing came, or nothing was stored."""
    outcome = table.outcome(column, example, trial)
    if outcome is None or (outcome.fault is not None and not spec.on) or not outcome.stored:
        return None
    seen = seen_by(spec, outcome, table.trace(column, example, trial))
    return Answer("", seen) if isinstance(seen, str) else Answer(seen.text)


def outcome_of(cell: Unscored) -> Outcome:
    """The answer as an outcome of its own."""
    return Outcome("", cell.answer.text)


def add(table: RunTable, column: str, example: str, trial: int, score: Score) -> CellScored:
    """Put the score of an answer into the table."""
    outcome = table.outcome(column, example, trial)
    assert outcome is not None, "only answers are scored"
    event = CellScored(column, example, trial, outcome, (score,))
    table.add(event)
    return event

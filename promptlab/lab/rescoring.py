"""Stored outcomes under other metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptlab.errors import InvalidFile
from promptlab.lab.comparing import scorer_of
from promptlab.lab.table import RunTable
from promptlab.lab.tracing import scores_of
from promptlab.lab.values import CellScored
from promptlab.scoring import catalogue
from promptlab.scoring.values import Score
from promptlab.workspace.values import Decision, MetricSpec, Prompt


def rescored(
    table: RunTable,
    metrics: Sequence[MetricSpec],
    judges: Mapping[str, Prompt],
    judge_models: Mapping[str, str],
) -> RunTable:
    """A copy of the table with scores of the given metrics only; judge metrics are left to be asked.

    A text that was not stored keeps the scores that the same scorer gave; its others are missing.
    The decision keeps its thresholds; its primary metric stays only where it is among the new ones.

    Raises:
        InvalidFile: A metric is not in the catalogue or its options are wrong.
    """
    problems = [problem for spec in metrics for problem in catalogue.validate(spec, "the metrics asked for")]
    if problems:
        raise InvalidFile(*problems)
    names = {spec.name for spec in metrics}
    old = table.decision
    fresh = RunTable(
        subject=table.subject,
        evalset=table.evalset,
        evalset_content=table.evalset_content,
        examples=table.examples,
        variants=table.variants,
        baseline=table.baseline,
        trials=table.trials,
        metrics=metrics,
        decision=Decision(
            primary=old.primary if old.primary in names else None,
            min_effect=old.min_effect,
            alpha=old.alpha,
            cluster_by=old.cluster_by,
            trials=old.trials,
        ),
        prompts=table.prompts,
        judges=judges,
        currency=table.currency,
    )
    fresh.sequential = table.sequential
    fresh.judge_models = dict(judge_models)
    fresh.run, fresh.tag, fresh.time, fresh.state = table.run, table.tag, table.time, table.state
    for variant in table.variants:
        prompt = table.prompts[variant.column]
        for example in table.examples:
            for trial in range(table.trials):
                outcome = table.outcome(variant.column, example.id, trial)
                if outcome is not None:
                    trace = table.trace(variant.column, example.id, trial)
                    if outcome.stored:
                        scores = scores_of(metrics, example, outcome, prompt, trace)
                    else:
                        scores = _as_before(table, fresh, variant.column, example.id, trial)
                    fresh.add(CellScored(variant.column, example.id, trial, outcome, scores, trace))
    return fresh


def _as_before(table: RunTable, fresh: RunTable, column: str, example: str, trial: int) -> tuple[Score, ...]:
    """The scores of a text that was not stored: those that the same definition gave when it was there."""
    old = table.trial_scores(column, example, trial)
    fresh.keep_rows(column, example, trial, table.rows_of(column, example, trial))
    return tuple(
        old[name]
        if name in old and scorer_of(table, name) == scorer_of(fresh, name)
        else Score(name, missing="the output was not stored with the run")
        for name in fresh.infos
    )

"""Stored outcomes under other metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptlab.errors import InvalidFile
from promptlab.lab.table import RunTable
from promptlab.lab.values import CellScored
from promptlab.scoring import catalogue
from promptlab.scoring.metrics import score
from promptlab.workspace.values import Decision, MetricSpec, Prompt


def rescored(table: RunTable, metrics: Sequence[MetricSpec], judges: Mapping[str, Prompt]) -> RunTable:
    """A copy of the table with scores of the given metrics only; judge metrics are left to be asked.

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
    fresh.run, fresh.tag, fresh.time, fresh.state = table.run, table.tag, table.time, table.state
    for variant in table.variants:
        contract = table.prompts[variant.column].output
        for example in table.examples:
            for trial in range(table.trials):
                outcome = table.outcome(variant.column, example.id, trial)
                if outcome is not None:
                    scores = score(metrics, example, outcome, contract)
                    fresh.add(CellScored(variant.column, example.id, trial, outcome, scores))
    return fresh

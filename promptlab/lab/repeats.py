"""Scores of all trials of an example together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.scoring.families.trials import OVER_TRIALS, Trial
from promptlab.scoring.metric import Missing
from promptlab.scoring.values import Score
from promptlab.workspace.values import MetricSpec

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable


def over_trials(table: RunTable, spec: MetricSpec, column: str, example: str) -> Score:
    """One score from all trials that have an answer; missing with the reason."""
    trials: list[Trial] = []
    for trial in range(table.trials):
        outcome = table.outcome(column, example, trial)
        if outcome is None or outcome.fault is not None:
            continue
        if not outcome.stored:
            return Score(spec.name, missing="the answers were not stored with the run")
        score = table.trial_scores(column, example, trial).get(spec.name)
        trials.append(Trial(outcome.text, score.value if score is not None else None))
    try:
        value = OVER_TRIALS[spec.id](spec.options, trials)
    except Missing as reason:
        return Score(spec.name, missing=str(reason))
    return Score(spec.name, value, detail=f"of {len(trials)} trials together")

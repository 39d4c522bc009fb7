"""Narrowing the timeline to the runs of one model or one eval set, so that its scores stand on one ruler."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from promptlab.lab.trend import Trend
from promptlab.lab.values import PromptPast, PromptRun

_MODEL, _EVALSET = "model ", "eval set "


def choices_of(runs: Sequence[PromptRun]) -> tuple[str, ...]:
    """What the runs can be narrowed to: their models, then the eval sets of those that are saved."""
    models = dict.fromkeys(line.model for run in runs for line in run.columns)
    evalsets = dict.fromkeys(run.run.record.evalset for run in runs if run.run.record)
    return (*(f"{_MODEL}{name}" for name in models), *(f"{_EVALSET}{name}" for name in evalsets))


def narrowed(runs: list[PromptRun], only: str) -> list[PromptRun]:
    """The runs that ``only`` names, each with what it says of that model alone; the very same list for ""."""
    if only.startswith(_EVALSET):
        name = only.removeprefix(_EVALSET)
        return [run for run in runs if run.run.record and run.run.record.evalset == name]
    if not only.startswith(_MODEL):
        return runs
    model = only.removeprefix(_MODEL)
    return [found for run in runs if (found := _of_model(run, model)).columns]


def _of_model(run: PromptRun, model: str) -> PromptRun:
    columns = tuple(line for line in run.columns if line.model == model)
    letters = {line.column for line in columns}
    scores = tuple(score for score in run.scores if score.column in letters)
    record = run.run.record
    if record is not None:
        record = msgspec.structs.replace(record, columns=columns, scores=scores)
    return PromptRun(msgspec.structs.replace(run.run, record=record), columns, scores)


def with_trend(past: PromptPast, trend: Trend) -> PromptPast:
    """A prompt's past with the means of other runs."""
    return msgspec.structs.replace(
        past,
        trend=tuple(trend.means.get(version.content) for version in past.versions),
        metric=trend.metric,
        basis=trend.basis,
        means=trend.means,
    )

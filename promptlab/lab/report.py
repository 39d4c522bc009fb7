"""A run as plain data: what `--json` prints, and what the text output is written from."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from promptlab.compare.values import GuardrailVerdict, Interval, Verdict
from promptlab.lab.builds import builds_of
from promptlab.lab.judged import Judging, judgings
from promptlab.lab.sequential import Saving, saving_of
from promptlab.lab.stepping import StepSummary, steps_of
from promptlab.lab.table import RunTable
from promptlab.runs.traces import Trace
from promptlab.scoring.values import Reply


class ColumnReport(Struct, frozen=True):
    """One column of a run, summed up.

    Attributes:
        against: The column that the verdict holds it against.
        identity: Of the model: GGUF digest, or endpoint and model name.
        builds: What the endpoint said of the builds that answered.
    """

    column: str
    label: str
    subject: str
    prompt: str
    version: str
    content: str
    model: str
    metrics: dict[str, Interval]
    cells: int
    failed: int
    cached: int
    latency_p50: float | None
    latency_p95: float | None
    tokens_in: int
    tokens_out: int
    cost: float | None
    against: str
    verdict: Verdict | None
    guardrails: tuple[GuardrailVerdict, ...]
    steps: list[StepSummary] = []
    identity: str = ""
    builds: tuple[str, ...] = ()


class RunReport(Struct, frozen=True):
    """One run, summed up.

    Attributes:
        doubts: Which judge metrics prove nothing, and why.
        judging: What judges did and cost, which is no part of what the columns did and cost.
        until_clear: What a run that stops when it is clear saved; None for one that asks everything.
    """

    run: str
    tag: str
    state: str
    subject: str
    evalset: str
    examples: int
    trials: int
    baseline: str
    primary: str
    columns: list[ColumnReport]
    doubts: dict[str, str]
    judging: tuple[Judging, ...]
    until_clear: Saving | None = None


class CellReport(Struct, frozen=True):
    """One cell: what came back and what it scored.

    ``text`` is "" where it was not stored with the run; ``trace`` tells how a chain came to it.
    """

    column: str
    label: str
    trial: int
    text: str
    stored: bool
    fault: str
    scores: dict[str, float | None]
    missing: dict[str, str]
    details: dict[str, str]
    replies: dict[str, tuple[Reply, ...]]
    latency: float
    cached: bool
    trace: Trace | None = None


class ExampleReport(Struct, frozen=True):
    """One example of a run across all columns."""

    example: str
    vars: dict[str, object]
    expected: object
    tags: list[str]
    cells: list[CellReport]


def run_report(table: RunTable) -> RunReport:
    return RunReport(
        run=table.run,
        tag=table.tag,
        state=table.state,
        subject=table.subject,
        evalset=table.evalset,
        examples=len(table.examples),
        trials=table.trials,
        baseline=table.baseline,
        primary=table.primary,
        columns=[_column(table, variant.column) for variant in table.variants],
        doubts=table.doubts,
        judging=judgings(table),
        until_clear=saving_of(table),
    )


def _column(table: RunTable, column: str) -> ColumnReport:
    summary, verdict = table.summary(column), table.verdict(column)
    variant = summary.variant
    return ColumnReport(
        column=column,
        label=variant.label,
        subject=variant.subject,
        prompt=variant.prompt,
        version=variant.version,
        content=variant.content,
        model=variant.model,
        metrics=summary.means,
        cells=summary.done,
        failed=summary.failed,
        cached=summary.cached,
        latency_p50=summary.latency_p50,
        latency_p95=summary.latency_p95,
        tokens_in=summary.tokens_in,
        tokens_out=summary.tokens_out,
        cost=summary.cost,
        against=table.baseline_of(column) if verdict else "",
        verdict=verdict,
        guardrails=table.guardrails(column),
        steps=steps_of(table, column),
        identity=variant.identity,
        builds=builds_of(table, column),
    )


def example_report(table: RunTable, example: str) -> ExampleReport:
    """One example of a run.

    Raises:
        KeyError: The run has no such example.
    """
    value = table.example(example)
    cells: list[CellReport] = []
    for variant in table.variants:
        for trial in range(table.trials):
            outcome = table.outcome(variant.column, example, trial)
            if outcome is None:
                continue
            scores = tuple(table.trial_scores(variant.column, example, trial).values())
            cells.append(
                CellReport(
                    column=variant.column,
                    label=variant.label,
                    trial=trial,
                    text=outcome.text,
                    stored=outcome.stored,
                    fault=outcome.fault.message if outcome.fault else "",
                    scores={score.metric: score.value for score in scores},
                    missing={score.metric: score.missing for score in scores if score.missing},
                    details={score.metric: score.detail for score in scores if score.detail},
                    replies={score.metric: score.replies for score in scores if score.replies},
                    latency=outcome.latency,
                    cached=outcome.cached,
                    trace=table.trace(variant.column, example, trial),
                )
            )
    return ExampleReport(example, value.vars, value.expected, list(value.tags), cells)


class Gate(Struct, frozen=True):
    """One `--fail-on` or `--min` that a column did not pass."""

    column: str
    sentence: str


def gates(table: RunTable, fail_on: Literal["worse", "not-better"] | None, minimums: dict[str, float]) -> list[Gate]:
    """What the candidates fail. The baseline's version is not gated, on any model: the others are held against it."""
    failed: list[Gate] = []
    for column in table.candidates or (table.baseline,):
        label = table.variant(column).label
        verdict = table.verdict(column)
        if fail_on and verdict and _fails(fail_on, verdict):
            failed.append(Gate(column, f"{label} is {verdict.status} on {verdict.metric}."))
        if fail_on:
            broken = [guard for guard in table.guardrails(column) if guard.status == "BROKEN"]
            failed += [Gate(column, f"{label} breaks the guardrail on {guard.metric}.") for guard in broken]
        for metric, least in minimums.items():
            mean = table.mean(column, metric)
            if doubt := table.doubts.get(metric):
                failed.append(Gate(column, f"{metric} can decide nothing, since its judge failed the audit: {doubt}"))
            elif mean is None:
                failed.append(Gate(column, f"{label} has no value for {metric}, {least:g} is required."))
            elif mean.mean < least:
                failed.append(Gate(column, f"{label} reaches {mean.mean:.4g} on {metric}, {least:g} is required."))
    return failed


def _fails(fail_on: Literal["worse", "not-better"], verdict: Verdict) -> bool:
    """INVALID fails both gates: a comparison that cannot be made proves nothing."""
    if fail_on == "worse":
        return verdict.status in ("WORSE", "INVALID")
    return verdict.status != "BETTER"

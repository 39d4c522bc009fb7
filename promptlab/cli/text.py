"""A run, a comparison, a diff as text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from promptlab.cli.output import line, safe, styled, table
from promptlab.cli.tracing import print_steps
from promptlab.compare.values import DiffSpan, Verdict
from promptlab.lab import RunTable, wording
from promptlab.lab.builds import builds_lines
from promptlab.lab.judged import judgings
from promptlab.lab.parts import Breakdown, Confusion
from promptlab.lab.ranking import Changes, Ranking
from promptlab.lab.sequential import saving_of
from promptlab.lab.stepping import steps_of
from promptlab.lab.values import Comparison, SubjectDiff

SHOWN = 40  # changed outputs that are printed; the rest is counted
MARKS = {"removed": ("[-", "-]", "red"), "added": ("{+", "+}", "green")}


def print_run(run: RunTable) -> None:
    """Columns with their means and intervals, then a verdict for each column against the baseline."""
    tag = f" · {run.tag}" if run.tag else ""
    line(f"run {run.run} · {run.subject} on {run.evalset} · {wording.plural(len(run.examples), 'example')}{tag}")
    metrics = sorted(run.infos, key=lambda metric: metric != run.primary)
    rows: list[Sequence[str]] = []
    for variant in run.variants:
        summary = run.summary(variant.column)
        rows.append(
            (
                variant.column,
                variant.label,
                *(wording.mean(summary.means.get(metric), run.infos[metric]) for metric in metrics),
                wording.seconds(summary.latency_p50) if summary.latency_p50 is not None else "–",
                f"{summary.cost:.4g} {run.currency}".rstrip() if summary.cost is not None else "–",
                str(summary.failed),
            )
        )
    heads = [f"{metric} †" if metric in run.doubts else metric for metric in metrics]
    table(("", "column", *heads, "p50", "cost", "failed"), rows)
    for metric in metrics:
        if gap := gap_of(run, metric):
            line(gap)
    print_steps({variant.column: steps_of(run, variant.column) for variant in run.variants})
    if saving := saving_of(run):
        line(f"until clear: {saving.sentence}")
    for metric, doubt in run.doubts.items():
        line(f"† {metric}: {doubt}")
    for judging in judgings(run):
        line(judging.sentence)
    for build in builds_lines(run):
        line(build)
    for variant in run.variants:
        if verdict := run.verdict(variant.column):
            print_verdict(f"{variant.column} against {run.baseline_of(variant.column)}", verdict)
        for guard in run.guardrails(variant.column):
            line(f"  guardrail {guard.sentence}")


def gap_of(run: RunTable, metric: str) -> str:
    """How many answers have no score of a metric, and why; "" where each has one, or none is wanted."""
    answers = 0
    reasons: Counter[str] = Counter()
    for variant in run.variants:
        for example in run.examples:
            for trial in range(run.trials):
                outcome = run.outcome(variant.column, example.id, trial)
                score = run.trial_scores(variant.column, example.id, trial).get(metric)
                if outcome is None or outcome.fault is not None or score is None:
                    continue
                answers += 1
                if score.value is None:
                    reasons[score.missing] += 1
    if not reasons:
        return ""
    ((reason, _),) = reasons.most_common(1)
    others = f" (and {wording.plural(len(reasons) - 1, 'other reason')})" if len(reasons) > 1 else ""
    said = f"{metric}: {reasons.total()} of {answers} answers have no score: {reason}{others}"
    return f"{said.removesuffix('.')}."


def print_verdict(head: str, verdict: Verdict) -> None:
    line(f"{head}: {verdict.sentence}")
    for note in verdict.notes:
        line(f"  {note}")


def print_parts(parts: Breakdown, run: RunTable) -> None:
    """A metric on each part of the examples, and how far each column is from its baseline there."""
    info = run.infos[parts.metric]
    rows: list[Sequence[str]] = []
    for part in parts.parts:
        change = "–"
        if part.effect is not None:
            effect, low, high = (wording.effect(value, info, part.scale) for value in part.effect)
            change = f"{effect} [{low}, {high}], {part.better} better, {part.worse} worse"
        mean = wording.mean(part.mean, info)
        rows.append((part.value or f"no {parts.by}", str(part.examples), part.column, mean, change))
    table((parts.by, "examples", "", parts.metric, "against the baseline"), rows, right=frozenset({1}))


def print_ranking(ranking: Ranking, run: RunTable) -> None:
    """A verdict for every pair of columns, then their strengths."""
    info = run.infos[ranking.metric]
    rows: list[Sequence[str]] = []
    for pair in ranking.pairs:
        verdict = pair.verdict
        ends = (verdict.effect, verdict.low, verdict.high)
        effect, low, high = (wording.effect(value, info, verdict.scale) for value in ends)
        rows.append((f"{pair.after} against {pair.before}", verdict.status, f"{effect} [{low}, {high}]"))
    table((ranking.metric, "verdict", "difference"), rows)
    for variant in run.variants:
        line(f"{variant.column} {variant.label}")
    places = [
        (str(place), one.column, f"{one.strength:+.2f} [{one.low:+.2f}, {one.high:+.2f}]", f"{100 * one.best:.0f} %")
        for place, one in enumerate(ranking.standings, start=1)
    ]
    if places:
        table(("", "", "strength", "best"), places, right=frozenset({3}))
    for note in ranking.notes:
        line(note)


def print_changes(changes: Changes, run: RunTable) -> None:
    """Examples by how far they are from the baseline."""
    info = run.infos[changes.metric]
    rows = [
        (
            "▲" if change.delta > 0 else "▼",
            change.example,
            change.column,
            wording.number(change.before, info),
            wording.number(change.after, info),
        )
        for change in changes.changes[:SHOWN]
    ]
    table(("", "example", "", f"{changes.metric} before", "after"), rows, right=frozenset({3, 4}))
    _rest(len(changes.changes))
    line(f"the same: {wording.plural(changes.same, 'cell')}")


def print_confusion(confusion: Confusion) -> None:
    """A confusion matrix: a row for each right label, a column for each answer."""
    line(f"{confusion.column} {confusion.label}: right label down, answer across")
    rows = [
        (label, *(str(count) if count else "·" for count in counts))
        for label, counts in zip(confusion.labels, confusion.counts, strict=True)
    ]
    numbers = frozenset(range(1, len(confusion.labels) + 2))
    table(("", *confusion.labels, "(other)"), rows, right=numbers)
    if confusion.missing:
        line(f"without a score: {wording.plural(confusion.missing, 'answer')}")


def print_comparison(comparison: Comparison, infos: RunTable) -> None:
    line(f"before  {comparison.before}")
    line(f"after   {comparison.after}")
    rows = [
        (metric, wording.mean(old, infos.infos[metric]), wording.mean(new, infos.infos[metric]))
        for metric, old, new in comparison.means
    ]
    table(("metric", "before", "after"), rows)
    for verdict in comparison.verdicts[:1]:
        print_verdict(verdict.metric, verdict)
    for note in comparison.notes:
        line(note)
    for change in comparison.changed[:SHOWN]:
        mark = "▲ better" if change.delta > 0 else "▼ worse"
        line(f"{mark}  {change.example}")
        click.echo(f"    {spans_text(change.spans)}".replace("\n", "\n    "))
    _rest(len(comparison.changed))


def print_subject_diff(diff: SubjectDiff) -> None:
    before, after = diff.before, diff.after
    line(f"{before.asked} ({before.prompt.content}) → {after.asked} ({after.prompt.content})")
    if not diff.fields:
        line("The two are the same.")
    for field in diff.fields:
        line(f"@@ {field.field}")
        click.echo(spans_text(field.spans))
    for model, verdict in diff.verdicts:
        print_verdict(model, verdict)
    if diff.outputs:
        line(f"Stored outputs that differ: {len(diff.outputs)}")
    for output in diff.outputs[:SHOWN]:
        line(f"@@ {output.example} · {output.model}")
        click.echo(spans_text(output.spans))
    _rest(len(diff.outputs))


def _rest(count: int) -> None:
    if count > SHOWN:
        line(f"… and {count - SHOWN} more; --json has all of them.")


def spans_text(spans: Sequence[DiffSpan]) -> str:
    """A word diff as ``kept [-removed-] {+added+}``, coloured where the terminal has colours."""
    parts: list[str] = []
    for span in spans:
        text = safe(span.text)
        if span.op == "same":
            parts.append(text)
        else:
            left, right, colour = MARKS[span.op]
            parts.append(styled(f"{left}{text}{right}", colour))
    return "".join(parts)

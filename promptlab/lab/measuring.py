"""What a table's columns measure: one column's mean, two columns' verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from msgspec import structs

from promptlab.compare.paired import DRAWS
from promptlab.compare.values import GuardrailVerdict, Interval, Verdict
from promptlab.errors import UsageFault
from promptlab.lab.tracing import seen_by
from promptlab.scoring.values import MetricInfo
from promptlab.workspace.values import Guardrail, MetricSpec

if TYPE_CHECKING:
    from promptlab.compare.anytime import Range
    from promptlab.lab.table import RunTable
    from promptlab.models.values import Outcome

LEVEL = 0.95


def mean_of(table: RunTable, column: str, metric: str, among: Collection[str] | None = None) -> Interval | None:
    """A metric of a column with its interval, None without any value.

    Args:
        table: The run.
        column: The column's letter.
        metric: The metric's name.
        among: Ids of the examples that count; all where None.
    """
    from promptlab.compare.intervals import mean_interval

    values = _among(table.values(column, metric), among)
    present = {example: value for example, value in values.items() if value is not None}
    if not present:
        return None
    info, clusters = table.infos[metric], table.clusters()
    missing = len(values) - len(present)
    groups = [clusters[example] for example in present] if clusters else None
    if table.sequential is not None and (bounds := bounds_of(info)) is not None:
        from promptlab.compare.anytime import largest, mean_anytime

        return mean_anytime(list(present.values()), groups, bounds, largest(clusters), LEVEL, missing)
    if info.kind == "set":
        from promptlab.compare.resampling import set_interval
        from promptlab.scoring.sets import STATISTICS

        rows = _rows(table, column, metric, present)
        return set_interval(rows, STATISTICS[info.id], clusters, LEVEL, missing, _draws(table))
    found = mean_interval(
        list(present.values()),
        kind="binary" if info.kind == "preference" else info.kind,
        clusters=groups,
        level=LEVEL,
        missing=missing,
        trials=table.trials,
    )
    return within(found, info)


def within(found: Interval, info: MetricInfo) -> Interval:
    """No mean is above the highest grade or below the lowest, wherever t ends."""
    low = found.low if info.low is None else max(found.low, info.low)
    high = found.high if info.high is None else min(found.high, info.high)
    return structs.replace(found, low=low, high=high)


def verdict_of(
    before: tuple[RunTable, str], after: tuple[RunTable, str], metric: str, among: Collection[str] | None = None
) -> Verdict | None:
    """One column against another by the decision of the first; None where one of them has no outcome.

    Args:
        before: The table and column that is compared with.
        after: The one in question.
        metric: The metric's name, the same in both.
        among: Ids of the examples that count; all where None.

    Raises:
        UsageFault: The metric has no better and worse.
    """
    from promptlab.compare.verdict import decide
    from promptlab.scoring.catalogue import AMOUNTS

    table, (other, column) = before[0], after
    info, clusters = table.infos[metric], table.clusters()
    preferred = info.kind == "preference"
    baseline = _among(other.base_values(column, metric) if preferred else table.values(before[1], metric), among)
    candidate = _among(other.values(column, metric), among)
    if not baseline or not candidate:
        return None
    doubt = table.doubts.get(metric) or other.doubts.get(metric)
    if table.sequential is not None or other.sequential is not None:
        return _doubted(_anytime(table, baseline, candidate, metric), doubt)
    if info.kind == "set":
        from promptlab.compare.resampling import decide_set
        from promptlab.scoring.sets import STATISTICS

        both = [example for example, value in baseline.items() if None not in (value, candidate.get(example))]
        rows = _rows(table, before[1], metric, both), _rows(other, after[1], metric, both, table)
        return decide_set(
            baseline,
            candidate,
            rows,
            STATISTICS[info.id],
            metric=metric,
            direction=info.direction,
            decision=table.decision,
            clusters=clusters,
            draws=_draws(table),
        )
    verdict = decide(
        baseline,
        candidate,
        metric=metric,
        direction=info.direction,
        kind=info.kind,
        decision=table.decision,
        clusters=clusters,
        trials=max(table.trials, other.trials),
        unit=info.unit,
        ratio=info.kind == "numeric" and info.id in AMOUNTS,
    )
    return _doubted(_with_trials(verdict, before, after, metric), doubt)


def _with_trials(verdict: Verdict, before: tuple[RunTable, str], after: tuple[RunTable, str], metric: str) -> Verdict:
    """The verdict with what more trials an example could do where more examples could settle it."""
    from promptlab.compare.power import spread_within, trials_needed
    from promptlab.scoring.families.trials import OVER_TRIALS

    trials = min(before[0].trials, after[0].trials)
    open_ = verdict.status == "INCONCLUSIVE" and verdict.needed is not None and verdict.needed > verdict.n
    info = before[0].infos[metric]
    if (
        not open_
        or trials < 2
        or before[0].clusters()
        or verdict.scale == "ratio"
        or info.id in OVER_TRIALS
        or info.kind == "preference"
    ):
        return verdict
    differences = [delta.delta for delta in verdict.deltas if delta.delta is not None]
    within = sum(
        spread_within([side.trial_values(column, delta.example, metric) for delta in verdict.deltas])
        for side, column in (before, after)
    )
    found = trials_needed(differences, within, trials, before[0].decision.min_effect, verdict.alpha)
    note = "No number of trials an example would settle it: the examples themselves differ too much."
    if found is not None:
        note = f"Or about {max(found, trials + 1)} trials of each of these examples."
    return structs.replace(verdict, notes=(*verdict.notes, note))


def _anytime(
    table: RunTable, baseline: Mapping[str, float | None], candidate: Mapping[str, float | None], metric: str
) -> Verdict:
    """The verdict of a run that could stop at any moment."""
    from promptlab.compare.anytime import decide_anytime

    info = table.infos[metric]
    verdict = decide_anytime(
        baseline,
        candidate,
        metric=metric,
        direction=info.direction,
        kind="numeric" if info.kind == "set" else info.kind,
        decision=table.decision,
        bounds=bounds_of(info),
        clusters=table.clusters(),
        unit=info.unit,
    )
    note = "The run could stop at any moment (--until-clear): test and interval hold however often one looks."
    return structs.replace(verdict, notes=(*verdict.notes, note))


def bounds_of(info: MetricInfo) -> Range | None:
    """What single values of a metric lie between; None where it has no end, or is one of the whole column."""
    from promptlab.compare.anytime import Range

    if info.kind == "set" or info.low is None or info.high is None:
        return None
    return Range(info.low, info.high)


def guardrail_of(table: RunTable, column: str, guard: Guardrail) -> GuardrailVerdict | None:
    """What a guardrail says of a column; None for a metric of the whole column, which no guardrail can be on."""
    from promptlab.compare.guardrails import Anytime, check_guardrail

    info = table.infos[guard.metric]
    if info.kind == "set":
        return None
    return check_guardrail(
        table.base_values(column, guard.metric),
        table.values(column, guard.metric),
        guard,
        direction=info.direction,
        kind="binary" if info.kind == "preference" else info.kind,
        decision=table.decision,
        clusters=table.clusters(),
        trials=table.trials,
        unit=info.unit,
        anytime=None if table.sequential is None else Anytime(bounds_of(info)),
    )


def _draws(table: RunTable) -> int:
    """A running table is summed up with every repaint; its numbers are rough anyway."""
    return DRAWS if table.state != "running" else 500


def verdicts_of(table: RunTable, metric: str) -> dict[str, Verdict]:
    """Every column of a run against its baseline, corrected for being several; an A/A column claims nothing."""
    from promptlab.compare.several import corrected

    found: dict[str, Verdict] = {}
    for column in (variant.column for variant in table.variants if variant.column != table.baseline):
        verdict = verdict_of((table, table.baseline_of(column)), (table, column), metric)
        if verdict is not None:
            found[column] = verdict
    again = {column: _chance(verdict) for column, verdict in found.items() if table.is_again(column)}
    return corrected({column: verdict for column, verdict in found.items() if column not in again}) | again


def _chance(verdict: Verdict) -> Verdict:
    """What an A/A run found: whatever its numbers say, there is no difference to claim."""
    note = (
        "This is an A/A run: the same prompt and model with other seeds. What differs is chance, and a real "
        "difference has to be larger. It says nothing of the spread between examples."
    )
    if not verdict.better and not verdict.worse:
        note += " No score changed: perhaps the temperature is 0, and the seed decides nothing."
    verdict = structs.replace(verdict, notes=(*verdict.notes, note))
    if verdict.status not in ("BETTER", "WORSE"):
        return verdict
    rest = verdict.sentence.partition(": ")[2]
    return structs.replace(verdict, status="INCONCLUSIVE", sentence=f"INCONCLUSIVE: by chance {rest}")


def _doubted(verdict: Verdict, doubt: str | None) -> Verdict:
    """What a judge says that failed its audit settles nothing, whatever its numbers say."""
    if not doubt or verdict.status == "INVALID":
        return verdict
    said = verdict.sentence.partition(": ")[2]
    sentence = f"INCONCLUSIVE: {doubt} Its grades say: {said}"
    return structs.replace(verdict, status="INCONCLUSIVE", sentence=sentence)


def _among(values: Mapping[str, float | None], among: Collection[str] | None) -> Mapping[str, float | None]:
    return values if among is None else {example: value for example, value in values.items() if example in among}


def _rows(
    table: RunTable, column: str, metric: str, ids: Collection[str], labels: RunTable | None = None
) -> dict[str, list[float]]:
    """What each example adds to the totals: the mean of its trials. ``labels`` is the table whose labels count."""
    from promptlab.scoring.sets import row_of

    row = row_of(spec_of(table, metric), (labels or table).examples)
    as_stored = labels is None or labels.examples == table.examples
    rows: dict[str, list[float]] = {}
    for id in ids:
        trials: list[list[float]] = []
        for trial, outcome in scored_answers(table, column, id, metric):
            if outcome.stored:
                trials.append(row(table.example(id), outcome.text))
            elif as_stored:
                trials.append(table.rows_of(column, id, trial)[metric])
            else:
                raise UsageFault(
                    f"Outputs of the run {table.run} were not stored, so {metric} cannot be counted anew for a run "
                    "over other examples."
                )
        rows[id] = [sum(place) / len(trials) for place in zip(*trials, strict=True)]
    return rows


def counted(table: RunTable, column: str, example: str, trial: int) -> dict[str, list[float]]:
    """What one cell adds to each metric of the whole column that it has a score for."""
    from promptlab.scoring.sets import row_of

    outcome, scores = table.outcome(column, example, trial), table.trial_scores(column, example, trial)
    trace = table.trace(column, example, trial)
    return {
        spec.name: row_of(spec, table.examples)(table.example(example), seen.text)
        for spec in table.metrics
        if table.infos[spec.name].kind == "set"
        and outcome is not None
        and (score := scores.get(spec.name)) is not None
        and score.value is not None
        and not isinstance(seen := seen_by(spec, outcome, trace), str)
    }


def spec_of(table: RunTable, metric: str) -> MetricSpec:
    """The entry of a metric."""
    return next(spec for spec in table.metrics if spec.name == metric)


def scored_answers(table: RunTable, column: str, example: str, metric: str) -> list[tuple[int, Outcome]]:
    """The trials that have a score, and what came back."""
    found: list[tuple[int, Outcome]] = []
    for trial in range(table.trials):
        outcome = table.outcome(column, example, trial)
        score = table.trial_scores(column, example, trial).get(metric)
        if outcome is not None and score is not None and score.value is not None:
            seen = seen_by(spec_of(table, metric), outcome, table.trace(column, example, trial))
            found.append((trial, outcome if isinstance(seen, str) else seen))
    return found

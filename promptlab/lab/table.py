"""The grid of one run: examples × columns, filled as outcomes arrive, summed up on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import structs

from promptlab.compare.values import GuardrailVerdict, Interval, Verdict
from promptlab.lab.answers import Answers
from promptlab.lab.grid import Places
from promptlab.lab.planning import judges_of, prompts_of
from promptlab.lab.values import CellScored, ColumnSummary
from promptlab.models.values import Outcome
from promptlab.runs.traces import Trace
from promptlab.runs.values import Plan, Sequential, Variant
from promptlab.scoring.replies import EVEN
from promptlab.scoring.values import MetricInfo, Score
from promptlab.workspace.packed import held, ids_of, rows_of
from promptlab.workspace.values import Decision, Example, Message, MetricSpec, Prompt

RunState = Literal["running", "complete", "partial", "cancelled"]
Moment = tuple[int, RunState]
"""What a sum holds for: a table that ends is summed up once more, with as many draws as its numbers deserve."""
_ALIKE = 1000
"""Different scores of cells that are kept to be found again."""


class RunTable:
    """Everything that a run has to show: live while it runs, the same when it is opened again later.

    Attributes:
        run: The run's id, "" for a table of a plan that was not started.
        prompts: Column letter to the prompt as it was used.
        judges: Name of each judge metric to its judge as it was used.
        judge_models: Name of each metric that a model judges or embeds for to the identity of that model.
        currency: Of all costs, "" when there are none or they differ.
        revision: Rises with every cell that arrives; a screen repaints when it changed.
        tag: The tag that holds the run in git, "" when it is not saved.
        versions: Name of each metric to the version of its definition that the scores were made by.
        sequential: How a run that stops when it is clear does so; None for one that asks everything.
        doubts: Name of each judge metric whose judge failed its audit, and why: such a metric decides nothing.
    """

    def __init__(
        self,
        *,
        subject: str,
        evalset: str,
        evalset_content: str,
        examples: Sequence[Example],
        variants: Sequence[Variant],
        baseline: str,
        trials: int,
        metrics: Sequence[MetricSpec],
        decision: Decision,
        prompts: Mapping[str, Prompt],
        judges: Mapping[str, Prompt],
        currency: str = "",
    ) -> None:
        from promptlab.scoring.catalogue import described
        from promptlab.scoring.families.trials import OVER_TRIALS

        self.run = ""
        self.tag = ""
        self.time = 0
        self.state: RunState = "running"
        self.revision = 0
        self.subject = subject
        self.evalset = evalset
        self.evalset_content = evalset_content
        self.examples = held(examples)
        self.variants = tuple(variants)
        self.baseline = baseline
        self.trials = trials
        self.metrics = tuple(metrics)
        self.decision = decision
        self.prompts = dict(prompts)
        self.judges = dict(judges)
        self.judge_models: dict[str, str] = {}
        self.currency = currency
        self.doubts: dict[str, str] = {}
        self.sequential: Sequential | None = None
        self.infos: dict[str, MetricInfo] = described(metrics, judges, currency)
        self.versions = {name: info.version for name, info in self.infos.items()}
        self.primary = decision.primary or next(iter(self.infos), "")
        self._together = {spec.name: spec for spec in metrics if spec.id in OVER_TRIALS}
        self._places = Places([one.column for one in self.variants], rows_of(self.examples), trials)
        self._outcomes = Answers(len(self._places))
        self._scores: list[dict[str, Score] | None] = [None] * (len(self._places) + 1)
        self._alike: dict[tuple[Score, ...], dict[str, Score]] = {}
        self._rows: dict[int, dict[str, list[float]]] = {}
        self._traces: dict[int, Trace] = {}
        self._revisions: dict[str, int] = {variant.column: 0 for variant in self.variants}
        self._summaries: dict[str, tuple[Moment, ColumnSummary]] = {}
        self._verdicts: dict[str, tuple[Moment, dict[str, Verdict]]] = {}

    @classmethod
    def of_plan(cls, plan: Plan) -> RunTable:
        """The empty table of a plan."""
        table = cls(
            subject=plan.subject,
            evalset=plan.evalset,
            evalset_content=plan.evalset_content,
            examples=plan.examples,
            variants=plan.variants,
            baseline=plan.baseline,
            trials=plan.trials,
            metrics=plan.metrics,
            decision=plan.decision,
            prompts=prompts_of(plan),
            judges=judges_of(plan),
            currency=plan.currency,
        )
        table.judge_models = dict(plan.judge_models)
        table.sequential = plan.sequential
        return table

    # -- filling ----------------------------------------------------------------------------------

    def add(self, event: CellScored) -> None:
        """Take in a cell; a second event for the same cell adds its scores to those already there."""
        place = self._places.known(event.column, event.example, event.trial)
        self._outcomes.put(place, event.outcome)
        if event.trace is not None:
            self._traces[place] = event.trace
        before = self._scores[place]
        scores = {score.metric: score for score in event.scores}
        self._scores[place] = {**before, **scores} if before else self._shared(event.scores, scores)
        self._revisions[event.column] += 1
        self.revision += 1

    def _shared(self, scores: tuple[Score, ...], by_metric: dict[str, Score]) -> dict[str, Score]:
        """The same scores; of most cells they are those of many others, and need not be there twice."""
        if len(self._alike) > _ALIKE or any(score.replies for score in scores):
            return by_metric
        return self._alike.setdefault(scores, by_metric)

    def keep_rows(self, column: str, example: str, trial: int, rows: Mapping[str, list[float]]) -> None:
        """Take in what a cell adds to metrics of the whole column, where its text is not there to count it from."""
        self._rows[self._places.known(column, example, trial)] = dict(rows)

    def distrust(self, doubts: Mapping[str, str]) -> None:
        """Take in what audits of the judges found."""
        if self.doubts != doubts:
            self.doubts = dict(doubts)
            self.revision += 1

    @property
    def _now(self) -> Moment:
        return self.revision, self.state

    # -- cells ------------------------------------------------------------------------------------

    def variant(self, column: str) -> Variant:
        return next(variant for variant in self.variants if variant.column == column)

    def example(self, example: str) -> Example:
        return self.examples[self._places.row(example)]

    def outcome(self, column: str, example: str, trial: int = 0) -> Outcome | None:
        return self._outcomes.get(self._places.of(column, example, trial))

    def trace(self, column: str, example: str, trial: int = 0) -> Trace | None:
        """How a chain came to its outcome; None for a prompt, and where nothing came yet."""
        return self._traces.get(self._places.of(column, example, trial))

    def trial_scores(self, column: str, example: str, trial: int) -> dict[str, Score]:
        return self._scores[self._places.of(column, example, trial)] or {}

    def rows_of(self, column: str, example: str, trial: int) -> dict[str, list[float]]:
        """What a cell with an answer adds to each metric of the whole column."""
        known = self._rows.get(self._places.of(column, example, trial))
        if known is not None:
            return known
        from promptlab.lab.measuring import counted

        return counted(self, column, example, trial)

    def scores(self, column: str, example: str) -> dict[str, Score]:
        """Scores of a cell by metric; with several trials the mean of those that have a value."""
        if self.trials == 1 and not self._together:
            return self.trial_scores(column, example, 0)
        return {
            metric: self._mean_score(metric, column, example)
            for metric in self.infos
            if any(metric in self.trial_scores(column, example, trial) for trial in range(self.trials))
        }

    def _mean_score(self, metric: str, column: str, example: str) -> Score:
        if metric in self._together:
            from promptlab.lab.repeats import over_trials

            return over_trials(self, self._together[metric], column, example)
        if self.trials == 1:
            return self.trial_scores(column, example, 0)[metric]
        found = [self.trial_scores(column, example, trial).get(metric) for trial in range(self.trials)]
        values = [score.value for score in found if score is not None and score.value is not None]
        if values:
            return Score(metric=metric, value=sum(values) / len(values), detail=f"mean of {len(values)} trials")
        reason = next((score.missing for score in found if score is not None), "no outcome yet")
        return Score(metric=metric, missing=reason)

    def trial_values(self, column: str, example: str, metric: str) -> list[float]:
        """The values of a metric on the trials that have one."""
        found = (self.trial_scores(column, example, trial).get(metric) for trial in range(self.trials))
        return [score.value for score in found if score is not None and score.value is not None]

    def value(self, column: str, example: str, metric: str = "") -> float | None:
        score = self.scores(column, example).get(metric or self.primary)
        return score.value if score else None

    @property
    def unstored(self) -> int:
        """How many cells have an answer whose text was not stored with the run."""
        return sum(not outcome.stored for outcome in self._outcomes.facts())

    @property
    def candidates(self) -> tuple[str, ...]:
        """Columns with another version than the baseline; the other models of the baseline where all are the same."""
        base = self.variant(self.baseline)
        others = [v for v in self.variants if v.column != self.baseline]
        changed = [v for v in others if not _same_version(v, base)]
        return tuple(v.column for v in changed or others)

    @property
    def candidate(self) -> str:
        """The column that the run is about: the first with another version than the baseline, else the next."""
        return next(iter(self.candidates), self.baseline)

    def baseline_of(self, column: str) -> str:
        """The column that this one is held against: the baseline's prompt on the same model, where the run has it.

        The baseline's own prompt on another model is held against the baseline itself.
        """
        base, mine = self.variant(self.baseline), self.variant(column)
        if _same_version(mine, base):
            return self.baseline
        same_model = (v.column for v in self.variants if _same_version(v, base) and v.model == mine.model)
        return next(same_model, self.baseline)

    def is_again(self, column: str) -> bool:
        """Whether the column differs from its baseline in nothing but the seed: an A/A run."""
        base, mine = self.variant(self.baseline_of(column)), self.variant(column)
        if column == base.column or (mine.prompt, mine.content, mine.model) != (
            base.prompt,
            base.content,
            base.model,
        ):
            return False
        return structs.replace(mine.params, seed=base.params.seed) == base.params

    def delta(self, column: str, example: str, metric: str = "") -> float | None:
        """Difference to its baseline on one example, signed so that positive is better; None where one lacks."""
        metric = metric or self.primary
        mine, base = self.value(column, example, metric), self.base_value(column, example, metric)
        if mine is None or base is None:
            return None
        return base - mine if self.infos[metric].direction == "min" else mine - base

    def base_value(self, column: str, example: str, metric: str) -> float | None:
        """What a value of the column is held against: the baseline's, and for a preference that neither is better."""
        if self.infos[metric].kind == "preference":
            return EVEN
        return self.value(self.baseline_of(column), example, metric)

    # -- columns ----------------------------------------------------------------------------------

    def values(self, column: str, metric: str) -> dict[str, float | None]:
        """Example id to value for every example that has an outcome in the column."""
        metric, known = metric or self.primary, self._scores[self._places.column(column)][:: self.trials]
        places = zip(ids_of(self.examples), known, strict=False)
        if self.trials > 1 or self._together:
            return {id: self.value(column, id, metric) for id, scores in places if scores is not None}
        found = ((id, scores.get(metric)) for id, scores in places if scores is not None)
        return {id: score.value if score else None for id, score in found}

    def base_values(self, column: str, metric: str) -> dict[str, float | None]:
        """Example id to what the column's values of a metric are held against."""
        if self.infos[metric].kind == "preference":
            return dict.fromkeys(self.values(column, metric), EVEN)
        return self.values(self.baseline_of(column), metric)

    def clusters(self) -> dict[str, str] | None:
        """Example id to group where the decision says that examples of one group are not independent."""
        if self.decision.cluster_by != "group":
            return None
        return {example.id: example.group or example.id for example in self.examples}

    def mean(self, column: str, metric: str) -> Interval | None:
        """The metric of a column with its interval; None without any value."""
        from promptlab.lab.measuring import mean_of

        return mean_of(self, column, metric)

    def standard_error(self, column: str, metric: str) -> float | None:
        """Of the mean, cluster-robust where there are groups; None with fewer than two values."""
        from promptlab.compare.paired import mean_se

        present = {example: value for example, value in self.values(column, metric).items() if value is not None}
        clusters = self.clusters()
        groups = [clusters[example] for example in present] if clusters else None
        if len(set(groups or present)) < 2:
            return None
        return mean_se(list(present.values()), groups)

    def verdict(self, column: str, metric: str = "") -> Verdict | None:
        """The column against its baseline; None for the baseline itself and for metrics that never decide."""
        from promptlab.lab.measuring import verdicts_of

        metric = metric or self.primary
        if column == self.baseline or not metric or self.infos[metric].direction == "info":
            return None
        seen = self._verdicts.get(metric)
        if seen is None or seen[0] != self._now:
            seen = (self._now, verdicts_of(self, metric))
            self._verdicts[metric] = seen
        return seen[1].get(column)

    def guardrails(self, column: str) -> tuple[GuardrailVerdict, ...]:
        """What the decision's guardrails say of the column; HELD survives Holm's correction over all of them."""
        from promptlab.compare.guardrails import holm
        from promptlab.lab.measuring import guardrail_of

        if column == self.baseline:
            return ()
        guards = [guard for guard in self.decision.guardrails if guard.metric in self.infos]
        found = [verdict for guard in guards if (verdict := guardrail_of(self, column, guard))]
        adjusted = holm([verdict.p for verdict in found])
        return tuple(self._weighed(verdict, p) for verdict, p in zip(found, adjusted, strict=True))

    def _weighed(self, verdict: GuardrailVerdict, p: float) -> GuardrailVerdict:
        """A guardrail's verdict as far as its judge deserves belief and its p survives Holm's correction."""
        if doubt := self.doubts.get(verdict.metric):
            why = f"UNCLEAR, since its judge failed the audit ({doubt})"
        elif verdict.status == "HELD" and p >= self.decision.alpha:
            why = "UNCLEAR after Holm's correction"
        else:
            return verdict
        return structs.replace(verdict, status="UNCLEAR", sentence=f"{why}: {verdict.sentence}")

    def summary(self, column: str) -> ColumnSummary:
        now: Moment = (self._revisions[column], self.state)
        seen = self._summaries.get(column)
        if seen is None or seen[0] != now:
            seen = (now, self._summarise(column))
            self._summaries[column] = seen
        return seen[1]

    def _summarise(self, column: str) -> ColumnSummary:
        outcomes = self._outcomes.facts(self._places.column(column))
        answered = [outcome for outcome in outcomes if outcome.fault is None]
        latencies = sorted(outcome.latency for outcome in answered if outcome.latency > 0)
        tokens_out = sum(outcome.usage.completion for outcome in answered)
        busy = sum(latencies)
        means = {name: mean for name in self.infos if (mean := self.mean(column, name)) is not None}
        return ColumnSummary(
            variant=self.variant(column),
            means=means,
            done=len(outcomes),
            failed=len(outcomes) - len(answered),
            cached=sum(outcome.cached for outcome in outcomes),
            latency_p50=quantile(latencies, 0.5),
            latency_p95=quantile(latencies, 0.95),
            tokens_in=sum(outcome.usage.prompt for outcome in answered),
            tokens_out=tokens_out,
            tokens_per_second=tokens_out / busy if busy else None,
            cost=self._cost(answered),
        )

    def _cost(self, outcomes: Sequence[Outcome]) -> float | None:
        costs = [outcome.cost for outcome in outcomes if outcome.cost is not None]
        return sum(costs) if costs else None

    # -- what was sent ----------------------------------------------------------------------------

    def rendered(self, column: str, example: str) -> tuple[Message, ...]:
        """The messages that the column's model was sent for an example.

        Raises:
            TemplateFault: The prompt cannot be rendered with this example.
        """
        from promptlab.workspace.templates import render

        return render(self.prompts[column], self.example(example).vars).messages


def _same_version(one: Variant, other: Variant) -> bool:
    return (one.prompt, one.content, one.params) == (other.prompt, other.content, other.params)


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which ``share`` of the ordered values lie (linear interpolation), None without values."""
    if not ordered:
        return None
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)

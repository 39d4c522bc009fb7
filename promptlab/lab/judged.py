"""What the judges of a run did: how often they were asked, what that cost, and how often they were of two minds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from msgspec import Struct

from promptlab.compare.lengths import FEWEST, win_rate_at_equal_length
from promptlab.compare.values import Interval
from promptlab.lab.wording import plural
from promptlab.scoring.replies import LEAST_MASS, is_inconsistent
from promptlab.scoring.values import Reply, Score

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable


class Judging(Struct, frozen=True):
    """One judge metric of a run, over all columns. Nothing of it is in the tokens and costs of the columns.

    Attributes:
        judge: The judge's name.
        models: Names of the models that judged.
        calls: Replies, tries without a grade included; ``cached`` of them were known before.
        cost: In the currency of the run, None where the models have no price.
        pairs: Pairs of answers that were judged in both orders; ``inconsistent`` of them had another winner in the
            other order, and count as ties.
        spread: Mean standard deviation of the scores of several models, None with one.
        expected: Scores that are a mean over the probabilities of the grades, not a grade that was given.
        mass: Of those the mean share of what the model would say that is a grade; None without any.
        equal: Of pairs, column to its win rate if the answers were of one length, where enough were judged.
    """

    metric: str
    judge: str
    models: tuple[str, ...]
    calls: int
    cached: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    pairs: int
    inconsistent: int
    spread: float | None
    expected: int
    mass: float | None = None
    equal: dict[str, Interval] = {}

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        said = [f"{plural(self.calls, 'call')}{f', {self.cached:,} from the cache' if self.cached else ''}"]
        said.append(f"{self.tokens_in:,} tokens in, {self.tokens_out:,} out")
        if self.cost is not None:
            said.append(f"cost {self.cost:.4g}")
        if self.pairs:
            said.append(
                f"{self.inconsistent} of {plural(self.pairs, 'pair')} inconsistent between orders, taken as ties"
            )
        for column, rate in self.equal.items():
            said.append(f"at equal length {column} wins {rate.mean:.0%} [{rate.low:.0%}, {rate.high:.0%}]")
        if self.spread is not None:
            said.append(f"the models differ by {self.spread:.2g} (sd)")
        if self.expected:
            said.append(f"{plural(self.expected, 'score')} from probabilities")
        if self.mass is not None and self.mass < LEAST_MASS:
            said.append(f"only {self.mass:.1%} of what it would say are grades")
        return f"judge {self.metric} ({self.judge} on {', '.join(self.models)}): {'; '.join(said)}"


def judgings(table: RunTable) -> tuple[Judging, ...]:
    """One for each judge metric that has replies."""
    return tuple(found for metric in table.judges if (found := _judging(table, metric)) is not None)


def _judging(table: RunTable, metric: str) -> Judging | None:
    scores = [score for score in _scores(table, metric) if score.replies]
    replies = [reply for score in scores for reply in score.replies]
    if not replies:
        return None
    pairs = [pair for score in scores for pair in _by_model(score) if len(pair) == 2 and pair[0].about == "AB"]
    settled = [pair for pair in pairs if all(reply.value is not None for reply in pair)]
    models = tuple(dict.fromkeys(reply.model for reply in replies))
    spreads = [spread for score in scores if (spread := _spread(score)) is not None]
    costs = [reply.cost for reply in replies if reply.cost is not None]
    return Judging(
        metric=metric,
        judge=table.judges[metric].name,
        models=models,
        calls=sum(reply.calls for reply in replies),
        cached=sum(reply.cached for reply in replies),
        tokens_in=sum(reply.tokens_in for reply in replies),
        tokens_out=sum(reply.tokens_out for reply in replies),
        cost=sum(costs) if costs else None,
        pairs=len(settled),
        inconsistent=sum(map(is_inconsistent, settled)),
        spread=fmean(spreads) if spreads else None,
        expected=sum(score.replies[0].expected for score in scores),
        mass=mass_of(replies),
        equal=_at_equal_length(table, metric) if pairs else {},
    )


def _at_equal_length(table: RunTable, metric: str) -> dict[str, Interval]:
    """Words are counted; a pair of the same trials, as it was judged."""
    found: dict[str, Interval] = {}
    for column in (variant.column for variant in table.variants):
        wins: list[float] = []
        longer: list[float] = []
        for example in table.examples:
            for trial in range(table.trials):
                score = table.trial_scores(column, example.id, trial).get(metric)
                mine = table.outcome(column, example.id, trial)
                base = table.outcome(table.baseline_of(column), example.id, trial)
                if score is None or score.value is None or not (mine and base and mine.stored and base.stored):
                    continue
                wins.append(score.value)
                longer.append(len(mine.text.split()) - len(base.text.split()))
        if len(wins) >= FEWEST and (rate := win_rate_at_equal_length(wins, longer)) is not None:
            found[column] = rate
    return found


def mass_of(replies: Sequence[Reply]) -> float | None:
    """The mean share of what models would say that is a grade; None where no reply has one."""
    masses = [reply.mass for reply in replies if reply.mass is not None]
    return fmean(masses) if masses else None


def _scores(table: RunTable, metric: str) -> Iterator[Score]:
    for variant in table.variants:
        for example in table.examples:
            for trial in range(table.trials):
                score = table.trial_scores(variant.column, example.id, trial).get(metric)
                if score is not None:
                    yield score


def _by_model(score: Score) -> list[list[Reply]]:
    found: dict[str, list[Reply]] = {}
    for reply in score.replies:
        found.setdefault(reply.model, []).append(reply)
    return list(found.values())


def _spread(score: Score) -> float | None:
    """How far the means of several models are apart in one score."""
    means = [
        fmean(values)
        for said in _by_model(score)
        if (values := [reply.value for reply in said if reply.value is not None])
    ]
    return pstdev(means) if len(means) > 1 else None

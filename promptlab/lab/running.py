"""One run from start to end: answers, their scores, then what judges say of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

from msgspec import structs

from promptlab.errors import ModelFault
from promptlab.lab.custom import score_table
from promptlab.lab.embedding import Embedded
from promptlab.lab.table import RunTable
from promptlab.lab.tracing import scores_of
from promptlab.lab.unscored import add, answer_of, unscored
from promptlab.lab.values import CellScored, LabEvent
from promptlab.lab.weighing import Weighing
from promptlab.models.cache import Cache
from promptlab.models.values import Model
from promptlab.runs.execute import execute
from promptlab.runs.means import Means
from promptlab.runs.progress import Meter
from promptlab.runs.values import Cell, CellDone, Ended, ModelLoading, Plan, Progress
from promptlab.scoring.catalogue import SEARCHING
from promptlab.scoring.custom import CustomMetric
from promptlab.scoring.juries import Jury
from promptlab.scoring.replies import EVEN
from promptlab.scoring.values import JudgeItem, Score
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.templates import variables_of
from promptlab.workspace.values import MetricSpec, Prompt


class Judging:
    """A judge metric ready to be asked: its prompt and its models."""

    def __init__(self, spec: MetricSpec, prompt: Prompt, models: Sequence[Model]) -> None:
        self.spec = spec
        self.prompt = prompt
        self.models = tuple(models)

    @property
    def asked(self) -> str:
        """The models' names."""
        return ", ".join(model.name for model in self.models)

    @property
    def jury(self) -> Jury:
        """What the score of several models is."""
        return Jury.of(self.spec)


Scorer = Judging | CustomMetric | Embedded | Weighing
"""Whatever is asked for a score of every answer when the answers are there."""


def asked(models: Iterable[str], scorers: Iterable[Scorer]) -> set[str]:
    """The names of all models that a run asks, those of its judges too."""
    return {*models, *(model.name for one in scorers if isinstance(one, Judging) for model in one.models)}


async def run_plan(
    plan: Plan, table: RunTable, scorers: Sequence[Scorer], means: Means
) -> AsyncGenerator[LabEvent, None]:
    """Execute, score and judge; every event is in the table before it is yielded. The last one is Ended."""
    ended: Ended | None = None
    async with aclosing(answers(plan, table, means)) as events:
        async for event in events:
            if isinstance(event, Ended):
                ended = event
            else:
                yield event
    assert ended is not None, "the last event is Ended"
    if ended.state == "complete":
        async with aclosing(judge_table(table, scorers, means.cache, means.stop, means.meter)) as judged:
            async for event in judged:
                yield event
    ended = after_judging(ended, table, scorers, means)
    table.state = ended.state
    yield ended


def after_judging(ended: Ended, table: RunTable, scorers: Sequence[Scorer], means: Means) -> Ended:
    """How a run whose cells are done ended: cut short where somebody, or a limit, stopped the judging."""
    left = [one for one in scorers if _unfinished(table, one)]
    if ended.state != "complete" or not left:
        return ended
    limit = means.meter.used_up(0) or means.meter.reached
    if means.stop.is_set() or not limit:
        return structs.replace(ended, state="cancelled")
    names = ", ".join(one.spec.name for one in left)
    currency = table.currency or next(iter(means.currencies.values()), "")
    reason = f"{limit}: {means.meter.spent(currency)}. {names} did not judge every answer. {ended.reason}"
    return structs.replace(ended, state="partial", reason=reason.rstrip())


def _unfinished(table: RunTable, scorer: Scorer) -> bool:
    """Whether a model is still to be asked for a score."""
    match scorer:
        case CustomMetric():
            return False
        case Judging():
            return bool(_items(table, scorer))
        case _:
            return next(unscored(table, scorer.spec), None) is not None


async def answers(
    plan: Plan, table: RunTable, means: Means, part: Sequence[Cell] | None = None
) -> AsyncGenerator[LabEvent, None]:
    """Execute a plan, or a part of its cells, and score each answer as it arrives. Judges are not asked yet."""
    searching = any(spec.id in SEARCHING for spec in table.metrics)
    async with aclosing(execute(plan, means, part)) as events:
        async for event in events:
            if isinstance(event, CellDone):
                # A thread costs more than most scores do, so only those that may hold up the screen have one.
                scored = await asyncio.to_thread(_scored, event, table) if searching else _scored(event, table)
                table.add(scored)
                yield scored
            else:
                yield event


def _scored(event: CellDone, table: RunTable) -> CellScored:
    prompt, example = table.prompts[event.column], table.example(event.example)
    scores = scores_of(table.metrics, example, event.outcome, prompt, event.trace)
    return CellScored(event.column, event.example, event.trial, event.outcome, scores, event.trace)


async def judge_table(
    table: RunTable, judges: Sequence[Scorer], cache: Cache, stop: asyncio.Event, meter: Meter | None = None
) -> AsyncGenerator[CellScored | ModelLoading | Progress, None]:
    """Ask every judge, and whatever else gives scores, about every answer of the table that lacks its score.

    What cannot be used gives missing scores. What ``meter`` stops leaves the rest without any.
    """
    meter = meter or Meter()
    for judging in judges:
        match judging:
            case CustomMetric():
                events = score_table(table, judging, stop)
            case Judging():
                events = _judge(table, judging, cache, stop, meter)
            case _:
                events = judging.scores(table, cache, stop, meter)
        async with aclosing(events):
            async for event in events:
                yield event
        if stop.is_set():
            return


async def _judge(
    table: RunTable, judging: Judging, cache: Cache, stop: asyncio.Event, meter: Meter
) -> AsyncGenerator[CellScored | ModelLoading | Progress, None]:
    from promptlab.scoring.judge import judge_outcomes

    items: list[JudgeItem] = []
    for item, missing in _items(table, judging):
        known = _known(judging.spec.name, item, missing)
        if known is not None:
            yield _add(table, item.id, known)
        else:
            items.append(item)
    yield ModelLoading(judging.asked)
    done = 0
    try:
        graded = judge_outcomes(
            *(judging.prompt, judging.spec.name, judging.models, items, cache, meter), jury=judging.jury
        )
        async with aclosing(graded):
            async for one in graded:
                done += 1
                yield _add(table, one.id, one.score)
                if done % 20 == 0:
                    yield Progress(total=len(items), done=done, model=judging.asked)
                if stop.is_set():
                    return
    except ModelFault as fault:
        for item in items[done:]:
            yield _add(table, item.id, Score(judging.spec.name, missing=str(fault)))


def _items(table: RunTable, judging: Judging) -> list[tuple[JudgeItem, str]]:
    """Every answer of the table that this judge was not asked about yet, named by its place in it.

    A judge of pairs gets the baseline's answer beside it. Beside each why it cannot be asked: a step has no text.
    """
    found: list[tuple[JudgeItem, str]] = []
    pairs = table.infos[judging.spec.name].kind == "preference"
    told = "instructions" in variables_of(judging.prompt)
    for column in (variant.column for variant in table.variants):
        base = table.baseline_of(column)
        for example in table.examples:
            instructions = _instructions(table, column, example.id) if told else ""
            for trial in range(table.trials):
                if judging.spec.name in table.trial_scores(column, example.id, trial):
                    continue
                answer = answer_of(table, judging.spec, column, example.id, trial)
                against = answer_of(table, judging.spec, base, example.id, trial) if pairs else None
                if answer is None or (pairs and (column == base or against is None)):
                    continue
                place = _place(column, example.id, trial)
                missing = answer.missing or (against.missing if against else "")
                item = JudgeItem(place, example, answer.text, against.text if against else None, instructions)
                found.append((item, missing))
    return found


def _known(metric: str, item: JudgeItem, missing: str) -> Score | None:
    """The score of what no judge needs to be asked about."""
    if missing:
        return Score(metric, missing=missing)
    if item.against is not None and item.against.strip() == item.answer.strip():
        return Score(metric, EVEN, detail="the two answers are the same")
    return None


def _instructions(table: RunTable, column: str, example: str) -> str:
    """What the candidate was sent, as one text; "" where it cannot be rendered, and so has no answer."""
    try:
        return "\n\n".join(message.content for message in table.rendered(column, example))
    except TemplateFault:
        return ""


def _place(column: str, example: str, trial: int) -> str:
    return f"{column}\0{example}\0{trial}"


def _add(table: RunTable, place: str, graded: Score) -> CellScored:
    column, example, trial = place.split("\0")
    return add(table, column, example, int(trial), graded)

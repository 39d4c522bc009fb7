"""One run from start to end: answers, their scores, then what judges say of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import cast

from promptlab.errors import ModelFault
from promptlab.lab.custom import score_table
from promptlab.lab.embedding import Embedded
from promptlab.lab.table import RunTable
from promptlab.lab.tracing import scores_of
from promptlab.lab.unscored import add, answer_of
from promptlab.lab.values import CellScored, LabEvent
from promptlab.lab.weighing import Weighing
from promptlab.models.cache import Cache
from promptlab.models.values import Model
from promptlab.runs.execute import execute
from promptlab.runs.journal import Journal
from promptlab.runs.progress import Meter
from promptlab.runs.values import Cell, CellDone, Ended, ModelLoading, Plan, Progress
from promptlab.scoring.custom import CustomMetric
from promptlab.scoring.replies import EVEN, Settle
from promptlab.scoring.steps import StepGrades
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
    def how(self) -> Settle:
        """What the score of several models is."""
        return cast("Settle", self.spec.options.get("aggregate", "mean"))


Scorer = Judging | CustomMetric | Embedded | Weighing
"""Whatever is asked for a score of every answer when the answers are there."""


async def run_plan(
    plan: Plan,
    table: RunTable,
    models: Mapping[str, Model],
    judges: Sequence[Scorer],
    cache: Cache,
    journal: Journal,
    *,
    stop: asyncio.Event,
    use_cache: bool,
    currencies: Mapping[str, str],
    meter: Meter | None = None,
    grades: StepGrades | None = None,
) -> AsyncGenerator[LabEvent, None]:
    """Execute, score and judge; every event is in the table before it is yielded. The last one is Ended."""
    ended: Ended | None = None
    events = answers(plan, table, models, cache, journal, stop, use_cache, currencies, meter=meter, grades=grades)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Ended):
                ended = event
            else:
                yield event
    assert ended is not None, "the last event is Ended"
    if ended.state == "complete":
        judged = judge_table(table, judges, cache if use_cache else None, stop)
        async with aclosing(judged):
            async for event in judged:
                yield event
    table.state = "cancelled" if judges and stop.is_set() else ended.state
    yield Ended(run=ended.run, state=table.state, progress=ended.progress, reason=ended.reason)


async def answers(
    plan: Plan,
    table: RunTable,
    models: Mapping[str, Model],
    cache: Cache,
    journal: Journal,
    stop: asyncio.Event,
    use_cache: bool,
    currencies: Mapping[str, str],
    part: Sequence[Cell] | None = None,
    meter: Meter | None = None,
    grades: StepGrades | None = None,
) -> AsyncGenerator[LabEvent, None]:
    """Execute a plan, or a part of its cells, and score each answer as it arrives. Judges are not asked yet."""
    events = execute(
        *(plan, models, cache, journal),
        stop=stop,
        use_cache=use_cache,
        currencies=currencies,
        part=part,
        meter=meter,
        grades=grades,
    )
    async with aclosing(events):
        async for event in events:
            if isinstance(event, CellDone):
                scored = _scored(event, table)
                table.add(scored)
                yield scored
            else:
                yield event


def _scored(event: CellDone, table: RunTable) -> CellScored:
    prompt, example = table.prompts[event.column], table.example(event.example)
    scores = scores_of(table.metrics, example, event.outcome, prompt, event.trace)
    return CellScored(event.column, event.example, event.trial, event.outcome, scores, event.trace)


async def judge_table(
    table: RunTable, judges: Sequence[Scorer], cache: Cache | None, stop: asyncio.Event
) -> AsyncGenerator[CellScored | ModelLoading | Progress, None]:
    """Ask every judge, and whatever else gives scores, about every answer of the table that lacks its score.

    What cannot be used gives missing scores.
    """
    for judging in judges:
        match judging:
            case CustomMetric():
                events = score_table(table, judging, stop)
            case Judging():
                events = _judge(table, judging, cache, stop)
            case _:
                events = judging.scores(table, cache, stop)
        async with aclosing(events):
            async for event in events:
                yield event
        if stop.is_set():
            return


async def _judge(
    table: RunTable, judging: Judging, cache: Cache | None, stop: asyncio.Event
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
        graded = judge_outcomes(judging.prompt, judging.spec.name, judging.models, items, cache, how=judging.how)
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

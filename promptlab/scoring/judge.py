"""Judges: prompts that grade an answer, or prefer one of two, asked of one model or several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple

from msgspec import structs

from promptlab.errors import ModelFault
from promptlab.models.cache import Cache
from promptlab.models.values import Fault, Model, Outcome, Request, Usage
from promptlab.runs.plan import cell_key, cell_seed
from promptlab.runs.progress import Meter
from promptlab.scoring.asking import replies_of
from promptlab.scoring.juries import USUAL, Jury
from promptlab.scoring.questions import FIELDS, NotAsked, Question, constraint_for, is_weighed, questions, table_of
from promptlab.scoring.replies import read_reply, settle
from promptlab.scoring.values import JudgeItem, Reply, Score
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.values import Judge, Prompt

RETRIES = 2
"""How often a question is asked again, each time with another seed, whose reply has no grade."""
_RETRY_SEED = 7_000_003  # far from the seeds of trials and audits
_RENDERED_AT_ONCE = 200  # then the event loop gets a turn, for the screen


class Judged(NamedTuple):
    """One judged answer; ``outcomes`` are the judge's own, with their faults: none where nothing was asked."""

    id: str
    score: Score
    outcomes: tuple[Outcome, ...]


class _Open:
    """An item that waits for replies."""

    def __init__(self, item: JudgeItem, asked: Sequence[Question]) -> None:
        self.item = item
        self.questions = asked
        self.tries: dict[tuple[str, str], list[Outcome]] = {}  # by model and what the question is about

    def replies(self, judge: Judge, models: Sequence[Model]) -> list[Reply]:
        return [
            read_reply(judge, model.name, question, self.tries[model.name, question.about])
            for model in models
            for question in self.questions
        ]


async def judge_outcomes(
    judge: Prompt,
    metric_name: str,
    models: Sequence[Model],
    items: Sequence[JudgeItem],
    cache: Cache | None = None,
    meter: Meter | None = None,
    *,
    jury: Jury = USUAL,
    retries: int = RETRIES,
) -> AsyncGenerator[Judged, None]:
    """Judge answers; one result for each item, as soon as all that is asked about it is answered.

    Equal requests are asked once. Scores are reported as they are, from 1 to 5 for instance. Whatever goes wrong (a
    variable that the example lacks, a fault of the model, a reply without a grade after the retries) gives a missing
    score with the reason. A fault that every further request would meet ends the asking of that model. Closing the
    iterator cancels it.

    Args:
        judge: A prompt with a ``[judge]`` table.
        metric_name: The name that the scores carry.
        models: Which models judge, one after the other; of several the scores are settled as ``jury`` says. None of
            them is closed.
        items: Answers to judge.
        cache: Where replies are looked up and kept.
        meter: Of what may be spent: once it is used up nothing further is asked, and an item that is not answered
            by then has no result.
        jury: What the score of several models is.
        retries: How often a question is asked again whose reply has no grade.

    Raises:
        UsageFault: The prompt is no judge.
    """
    table = table_of(judge)
    waiting: list[_Open] = []
    for index, item in enumerate(items):
        if index % _RENDERED_AT_ONCE == _RENDERED_AT_ONCE - 1:
            await asyncio.sleep(0)
        try:
            waiting.append(_Open(item, questions(judge, item)))
        except NotAsked as reason:
            yield Judged(item.id, Score(metric_name, missing=str(reason)), ())
        except TemplateFault as fault:
            if fault.variable in FIELDS:
                yield Judged(item.id, Score(metric_name, missing=f"the example has no `{fault.variable}`"), ())
                continue
            failed = Outcome("", finish="error", fault=Fault("template", str(fault)))
            yield Judged(item.id, Score(metric_name, missing=f"error: {fault}"), (failed,))
    for model in models:
        async with aclosing(_asked(judge, model, waiting, cache, meter or Meter(), retries)) as done:
            async for one in done:
                if model is models[-1]:
                    score = settle(table, metric_name, one.replies(table, models), jury)
                    yield Judged(one.item.id, score, tuple(tries[-1] for tries in one.tries.values()))


async def _asked(
    judge: Prompt, model: Model, items: Sequence[_Open], cache: Cache | None, meter: Meter, retries: int
) -> AsyncGenerator[_Open, None]:
    """Ask one model everything about the items, which come back one by one when all of it is answered."""
    left = {(id(item), question.about): (item, question) for item in items for question in item.questions}
    missing = {id(item): len(item.questions) for item in items}
    for attempt in range(retries + 1):
        again: dict[tuple[int, str], tuple[_Open, Question]] = {}
        async with aclosing(_outcomes(_seeded(judge, attempt), model, left, cache, meter)) as outcomes:
            async for place, outcome in outcomes:
                item, question = left[place]
                tries = item.tries.setdefault((model.name, question.about), [])
                tries.append(outcome)
                if outcome.fault is None and attempt < retries and _has_no_grade(judge, model, question, outcome):
                    again[place] = item, question
                    continue
                missing[id(item)] -= 1
                if not missing[id(item)]:
                    yield item
        left = again


def _seeded(judge: Prompt, attempt: int) -> Prompt:
    if not attempt:
        return judge
    return structs.replace(
        judge, params=structs.replace(judge.params, seed=judge.params.seed + attempt * _RETRY_SEED)
    )


def _has_no_grade(judge: Prompt, model: Model, question: Question, outcome: Outcome) -> bool:
    return read_reply(table_of(judge), model.name, question, [outcome]).value is None


async def _outcomes(
    judge: Prompt,
    model: Model,
    left: Mapping[tuple[int, str], tuple[_Open, Question]],
    cache: Cache | None,
    meter: Meter,
) -> AsyncGenerator[tuple[tuple[int, str], Outcome], None]:
    """The outcome of each question, by its place; equal ones are asked once."""
    if not left:
        return
    try:
        identity = await asyncio.to_thread(lambda: model.identity)  # reads the whole file, the first time
    except ModelFault as fault:
        for place in left:
            yield place, Outcome("", finish="error", fault=Fault("unavailable", str(fault)))
        return
    constraint = constraint_for(judge, model.capabilities)
    weighed = is_weighed(judge, model.capabilities)
    requests: dict[str, Request] = {}
    places: dict[str, list[tuple[int, str]]] = {}
    for place, (_, question) in left.items():
        key = cell_key(identity, question.messages, judge.params, constraint, choice_probabilities=weighed)
        seed = cell_seed(question.messages, judge.params.seed)
        requests[key] = Request(key, question.messages, judge.params, seed, constraint, choice_probabilities=weighed)
        places.setdefault(key, []).append(place)
    async with aclosing(replies_of(model, requests, cache, meter)) as replies:
        async for outcome in replies:
            for at, place in enumerate(places.pop(outcome.key)):
                yield place, _for_nothing(outcome) if at else outcome


def _for_nothing(outcome: Outcome) -> Outcome:
    """The outcome of a question that is answered by the same request as another one: its figures count once."""
    cost = None if outcome.cost is None else 0.0
    return structs.replace(outcome, cached=True, usage=Usage(), cost=cost)

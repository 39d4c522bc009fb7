"""Judges: prompts that grade an answer, asked of a model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import NamedTuple

from msgspec import structs

from promptlab.errors import ModelFault, UsageFault
from promptlab.models.cache import Cache
from promptlab.models.values import FATAL_FAULTS, Constraint, Fault, Model, Outcome, Request
from promptlab.runs.plan import cell_key, cell_seed
from promptlab.scoring.grades import Grade, grade_words, read_grade
from promptlab.scoring.values import JudgeItem, Score
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.templates import render
from promptlab.workspace.values import Example, Judge, Prompt, Rendered, Variables

_RENDERED_AT_ONCE = 200  # then the event loop gets a turn, for the screen


class Judged(NamedTuple):
    """One graded answer; ``outcome`` is the judge's own, with its cost and tokens."""

    id: str
    score: Score
    outcome: Outcome


def judge_variables(judge: Prompt, example: Example, answer: str) -> Variables:
    """What a judge's templates can use: the example's variables, and over them these.

    ``answer`` (what is judged), ``expected`` and ``reference`` (where the example has them, else they are undefined:
    ``{% if reference is defined %}``), ``criterion`` (where the judge states one), and ``scale_low`` and
    ``scale_high`` or ``choices`` (a list of the words).
    """
    table = _table(judge)
    variables: Variables = dict(example.vars) | {"answer": answer}
    if example.expected is not None:
        variables["expected"] = example.expected
    if example.reference is not None:
        variables["reference"] = example.reference
    if table.criterion:
        variables["criterion"] = table.criterion
    if table.scale is not None:
        variables["scale_low"], variables["scale_high"] = table.scale
    if table.choices is not None:
        variables["choices"] = list(table.choices)
    return variables


def judge_messages(judge: Prompt, example: Example, answer: str) -> Rendered:
    """A judge filled with one answer.

    Raises:
        TemplateFault: It uses a variable that this example does not have.
        UsageFault: The prompt is no judge.
    """
    return render(judge, judge_variables(judge, example, answer))


def judge_constraint(judge: Prompt) -> Constraint:
    """What a judge's reply is held to, where the model can: the grades and nothing else."""
    return Constraint(choices=grade_words(_table(judge)))


async def judge_outcomes(
    judge: Prompt, metric_name: str, model: Model, items: Sequence[JudgeItem], cache: Cache | None = None
) -> AsyncGenerator[Judged, None]:
    """Grade answers; one result for each item, those that the cache knows first, then as the model answers.

    Equal requests are asked once. Grades are reported as they are, from 1 to 5 for instance. Whatever goes wrong (a
    variable that the example lacks, a fault of the model, a reply without a grade) gives a missing score with the
    reason. A fault that every further request would meet ends the asking. Closing the iterator cancels it.

    Args:
        judge: A prompt with a ``[judge]`` table.
        metric_name: The name that the scores carry.
        model: Which model judges. It is not closed.
        items: Answers to judge.
        cache: Where replies are looked up and kept.

    Raises:
        UsageFault: The prompt is no judge.
    """
    table = _table(judge)
    constraint = judge_constraint(judge) if model.capabilities.choices else None
    try:
        identity = await asyncio.to_thread(lambda: model.identity)  # reads the whole file, the first time
    except ModelFault as fault:
        for item in items:
            yield _failed(item, metric_name, Fault("unavailable", str(fault)))
        return
    requests: dict[str, Request] = {}
    waiting: dict[str, list[JudgeItem]] = {}
    for index, item in enumerate(items):
        if index % _RENDERED_AT_ONCE == _RENDERED_AT_ONCE - 1:
            await asyncio.sleep(0)
        try:
            messages = judge_messages(judge, item.example, item.answer).messages
        except TemplateFault as fault:
            yield _failed(item, metric_name, Fault("template", str(fault)))
            continue
        key = cell_key(identity, messages, judge.params, constraint)
        requests[key] = Request(key, messages, judge.params, cell_seed(messages, judge.params.seed), constraint)
        waiting.setdefault(key, []).append(item)
    async with aclosing(_replies(model, requests, cache)) as replies:
        async for outcome in replies:
            for item in waiting.pop(outcome.key):
                yield Judged(item.id, _score(table, metric_name, outcome), outcome)


async def _replies(model: Model, requests: dict[str, Request], cache: Cache | None) -> AsyncGenerator[Outcome, None]:
    """Exactly one outcome for each request: known ones, then new ones, then faults for those that never came."""
    known = cache.get_many(list(requests)) if cache else {}
    for outcome in known.values():
        yield outcome
    left = {key: request for key, request in requests.items() if key not in known}
    if not left:
        return
    reason = Fault("malformed", "The model gave no answer.")
    stream = model.generate(tuple(left.values()))
    try:
        async for outcome in stream:
            if left.pop(outcome.key, None) is None:
                continue
            # Some endpoints cut an emoji in half at the token limit; half of one cannot be stored.
            outcome = structs.replace(outcome, text=outcome.text.encode("utf-8", "replace").decode())
            if cache:
                cache.put_many([outcome])
            yield outcome
            if outcome.fault is not None and outcome.fault.kind in FATAL_FAULTS:
                reason = outcome.fault
                break
    except ModelFault as fault:
        reason = Fault("unavailable", str(fault))
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
    for key in left:
        yield Outcome(key, finish="error", fault=reason)


def _score(judge: Judge, metric: str, outcome: Outcome) -> Score:
    if outcome.fault is not None:
        return Score(metric, missing=f"error: {outcome.fault.message}")
    grade = _uncut(judge, outcome, read_grade(judge, outcome.text))
    return Score(metric, grade.value, grade.missing)


def _uncut(judge: Judge, outcome: Outcome, grade: Grade) -> Grade:
    """A reply that ended at ``max_tokens`` may end in the middle of a grade: 1 of 10."""
    if outcome.finish != "length":
        return grade
    if grade.value is None:
        return Grade(missing=f"{grade.missing}; it was cut off at `max_tokens`")
    last = re.search(r"[-\w]+\Z", outcome.text.lower())
    if last and any(word.lower().startswith(last[0]) and word.lower() != last[0] for word in grade_words(judge)):
        return Grade(missing=f"the judge's reply was cut off at `max_tokens`, perhaps within a grade: …{last[0]}")
    return grade


def _failed(item: JudgeItem, metric: str, fault: Fault) -> Judged:
    """An item that the judge was not asked about: its outcome has no key."""
    outcome = Outcome("", finish="error", fault=fault)
    return Judged(item.id, Score(metric, missing=f"error: {fault.message}"), outcome)


def _table(judge: Prompt) -> Judge:
    if judge.judge is None:
        raise UsageFault(f"“{judge.name}” is no judge: it has no [judge] table ({judge.source}).")
    return judge.judge

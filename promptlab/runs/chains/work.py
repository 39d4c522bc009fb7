"""The operations of steps at work: each is a generator that asks and is given answers, and returns what came of it.

An operation is a pure function of the answers it is given. So a chain that was killed is done again from the start
with the answers that are known, and asks only what it had not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, structs

from promptlab.models.values import Capabilities, Constraint, Fault, Outcome, Request
from promptlab.runs.chains import texts
from promptlab.runs.chains.texts import Miss
from promptlab.runs.plan import cell_key, cell_seed, constraint_for
from promptlab.workspace.expressions import text_of
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.patterns import LONGEST
from promptlab.workspace.templates import render
from promptlab.workspace.values import (
    Ask,
    BestOf,
    Critique,
    Example,
    Extract,
    Message,
    MetricSpec,
    Operation,
    Output,
    Prompt,
    Retrieve,
    Validate,
    Variables,
    Vote,
)


class StepFailed(Exception):
    """A step has no result."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault.message)


def failed(reason: str) -> StepFailed:
    """A step that has no result for a reason of its own."""
    return StepFailed(Fault("step", reason))


Lookup = tuple[Retrieve, str]
"""A search and its query."""

Counted = Callable[[int, int], None]
"""Hears how many of how many are there."""


class NotEmbedded(Exception):
    """A search needs vectors that are not there yet: :meth:`Grades.embed` gets them."""

    def __init__(self, rule: Retrieve, query: str) -> None:
        self.lookup: Lookup = (rule, query)
        super().__init__(query)


class Grades(Protocol):
    """What a chain needs of the rooms above: metrics, judges and passages."""

    def measure(self, metric: MetricSpec, example: Example, text: str, output: Output | None) -> tuple[float, str]:
        """The score of a text, higher is better, and why it is missing: then it is nan."""
        ...

    def question(
        self, judge: Prompt, example: Example, text: str, capabilities: Capabilities
    ) -> tuple[tuple[Message, ...], Constraint | None]:
        """What a judge is sent, and what its reply is held to."""
        ...

    def grade(self, judge: Prompt, outcome: Outcome) -> tuple[float, str]:
        """The grade in a judge's reply, and why it is missing: then it is nan."""
        ...

    def passages(self, rule: Retrieve, query: str) -> list[dict[str, object]]:
        """The nearest passages, best first: ``text``, ``source``, ``score``.

        Raises:
            NotEmbedded: For want of vectors.
            StepFailed: There are none, and it says why.
        """
        ...

    async def embed(self, lookups: Sequence[Lookup], stop: asyncio.Event, told: Counted) -> bool:
        """Get the vectors that searches need; why one cannot be had is told by ``passages``.

        False where it was stopped, or a limit of the run was reached, before all of them were asked for.

        Args:
            lookups: The searches.
            stop: Set by whoever wants it to end.
            told: Called with how many vectors of how many are there, from time to time.
        """
        ...


class Asked(Struct, frozen=True):
    """A question that a step waits for the answer of."""

    label: str
    request: Request


class Done(Struct, frozen=True):
    """What came of a step.

    Attributes:
        values: What other steps can ask of it beside its text.
        last: The last question of the kind that can be asked again, with its prompt.
    """

    text: str
    values: dict[str, object] = {}
    note: str = ""
    last: tuple[Prompt, Request] | None = None


Work = Generator[tuple[Asked, ...], Sequence[Outcome], Done]


class Asker(Struct, frozen=True):
    """Makes requests of one chain on one example.

    Attributes:
        seed: Of the column; that of a prompt is added.
        trial: Of the cell.
    """

    identity: str
    capabilities: Capabilities
    seed: int
    trial: int

    def ask(
        self,
        label: str,
        prompt: Prompt,
        messages: tuple[Message, ...],
        sample: int = 0,
        of: int = 1,
        held: Constraint | None = None,
    ) -> Asked:
        """One question. Sample ``sample`` of ``of`` is to a prompt what trial ``sample`` of a run is."""
        params = structs.replace(prompt.params, seed=prompt.params.seed + self.seed)
        constraint = held or constraint_for(prompt, self.capabilities)
        trial = self.trial * of + sample
        key = cell_key(self.identity, messages, params, constraint, trial)
        return Asked(label, Request(key, messages, params, cell_seed(messages, params.seed, trial), constraint))


class Setting(Struct, frozen=True):
    """All that a step works with.

    Attributes:
        scope: What templates of the chain can use: its inputs and the steps that are done.
        inputs: The step's inputs, filled.
        done: The steps before it.
    """

    where: str
    example: Example
    asker: Asker
    grades: Grades
    scope: Variables
    inputs: Variables
    done: Mapping[str, Done]


def begin(does: Operation, setting: Setting) -> Work:
    """An operation, ready for its first question."""
    match does:
        case Ask():
            return _ask(does, setting)
        case Extract():
            return _extract(does, setting)
        case Validate():
            return _validate(does, setting)
        case BestOf():
            return _best_of(does, setting)
        case Vote():
            return _vote(does, setting)
        case Critique():
            return _critique(does, setting)
        case Retrieve():
            return _retrieve(does, setting)


def each(work: Callable[[object], Work], items: Sequence[object]) -> Work:
    """The same work for every item of a list, all side by side."""
    under_way = {index: work(item) for index, item in enumerate(items)}
    results: dict[int, Done] = {}
    waiting: dict[int, tuple[Asked, ...]] = {}
    answers: dict[int, Sequence[Outcome]] = {}
    while True:
        for index in list(under_way):
            try:
                given = answers.pop(index, None)
                waiting[index] = next(under_way[index]) if given is None else under_way[index].send(given)
            except StopIteration as end:
                results[index] = end.value
                del under_way[index]
                waiting.pop(index, None)
        if not under_way:
            break
        came = list((yield tuple(_numbered(asked, index) for index in under_way for asked in waiting[index])))
        for index in under_way:
            count = len(waiting[index])
            answers[index], came = came[:count], came[count:]
    found = [results[index] for index in range(len(items))]
    said = [result.text for result in found]
    return Done("\n".join(said), {"texts": said}, f"{len(items)} {'item' if len(items) == 1 else 'items'}")


def _numbered(asked: Asked, index: int) -> Asked:
    return Asked(f"{asked.label} of item {index + 1}", asked.request)


def _messages(prompt: Prompt, variables: Variables, where: str) -> tuple[Message, ...]:
    try:
        return render(prompt, variables).messages
    except TemplateFault as fault:
        raise StepFailed(Fault("template", f"{where}: {fault}")) from None


def _answer(outcome: Outcome) -> str:
    if outcome.fault is not None:
        raise StepFailed(outcome.fault)
    return outcome.text


def _ask(does: Ask, setting: Setting) -> Work:
    asked = setting.asker.ask("ask", does.prompt, _messages(does.prompt, setting.inputs, setting.where))
    (outcome,) = yield (asked,)
    return Done(_answer(outcome), last=(does.prompt, asked.request))


def _extract(does: Extract, setting: Setting) -> Work:
    text = text_of(does.source, setting.scope, f"{setting.where}: extract.from")
    try:
        value = texts.extract(does, text)
    except Miss as miss:
        raise failed(str(miss)) from None
    yield from ()
    return Done(texts.plain_text(value), {"value": value})


def _validate(does: Validate, setting: Setting) -> Work:
    before = setting.done[does.step]
    text = before.text
    reason = _why_not(does, text, setting, before)
    if not reason:
        return _valid(text, before)
    match does.on_fail:
        case "fix":
            try:
                text = texts.repaired(text)
            except Miss as miss:
                raise failed(f"{reason} {miss}") from None
            if still := _why_not(does, text, setting, before):
                raise failed(f"Not valid, and not after its repair either: {still}")
            return _valid(text, before, reason, "repaired")
        case "fallback":
            text = text_of(does.fallback, setting.scope, f"{setting.where}: validate.fallback")
            return Done(text, {"valid": False, "reason": reason}, f"fallback: {reason}")
        case "reask":
            return (yield from _asked_again(does, setting, before, reason))
        case "fail":
            raise failed(f"Not valid: {reason}")


def _asked_again(does: Validate, setting: Setting, before: Done, reason: str) -> Work:
    assert before.last is not None, "the chain was checked when it was read"
    prompt, request = before.last
    messages, text = request.messages, before.text
    for attempt in range(1, does.attempts + 1):
        told = text_of(does.reask, {**setting.scope, "reason": reason}, f"{setting.where}: validate.reask")
        messages = (*messages, Message("assistant", text), Message("user", told))
        asked = setting.asker.ask(f"again {attempt}", prompt, messages)
        (outcome,) = yield (asked,)
        text, first = _answer(outcome), reason
        reason = _why_not(does, text, setting, before)
        if not reason:
            times = "once" if attempt == 1 else f"{attempt} times"
            return structs.replace(_valid(text, before, first, f"asked again {times}"), last=(prompt, asked.request))
    raise failed(f"Not valid after it was asked again, {does.attempts} of {does.attempts} times: {reason}")


def _valid(text: str, before: Done, reason: str = "", note: str = "") -> Done:
    values: dict[str, object] = {"valid": not reason, "reason": reason}
    return Done(text, values, f"{note}: {reason}" if note else "", before.last)


def _why_not(does: Validate, text: str, setting: Setting, before: Done) -> str:
    if does.metric is None:
        return texts.invalid(does, text)
    output = before.last[0].output if before.last else None
    score, missing = setting.grades.measure(does.metric, setting.example, text, output)
    if missing:
        raise failed(f"The metric `{does.metric.id}` has no value: {missing}.")
    return "" if score >= does.least else f"Its {does.metric.id} is {score:g}; expected at least {does.least:g}."


def _samples(prompt: Prompt, n: int, setting: Setting) -> Generator[tuple[Asked, ...], Sequence[Outcome], list[str]]:
    messages = _messages(prompt, setting.inputs, setting.where)
    asked = tuple(setting.asker.ask(f"sample {index + 1}", prompt, messages, index, n) for index in range(n))
    outcomes = yield asked
    return [_answer(outcome) for outcome in outcomes]


def _vote(does: Vote, setting: Setting) -> Work:
    said = yield from _samples(does.prompt, does.n, setting)
    winner, votes = texts.majority(said, does.normalise)
    values: dict[str, object] = {"samples": said, "agreement": votes / len(said)}
    return Done(said[winner], values, f"{votes} of {len(said)} agree")


def _best_of(does: BestOf, setting: Setting) -> Work:
    said = yield from _samples(does.prompt, does.n, setting)
    if does.metric is not None:
        metric, output = does.metric, does.prompt.output
        graded = [setting.grades.measure(metric, setting.example, text, output) for text in said]
    else:
        graded = yield from _judged(does, said, setting)
    known = [(score, -index) for index, (score, missing) in enumerate(graded) if not missing]
    if not known:
        raise failed(f"None of the {len(said)} answers could be graded: {graded[0][1]}.")
    score, place = max(known)
    scores = [None if missing else score for score, missing in graded]
    values: dict[str, object] = {"samples": said, "score": score, "scores": scores}
    return Done(said[-place], values, f"sample {1 - place} of {len(said)}, graded {score:g}")


def _judged(
    does: BestOf, said: Sequence[str], setting: Setting
) -> Generator[tuple[Asked, ...], Sequence[Outcome], list[tuple[float, str]]]:
    judge = does.judge
    assert judge is not None, "the chain was checked when it was read"
    asked: list[Asked] = []
    for index, text in enumerate(said):
        try:
            messages, held = setting.grades.question(judge, setting.example, text, setting.asker.capabilities)
        except TemplateFault as fault:
            raise StepFailed(Fault("template", str(fault))) from None
        asked.append(setting.asker.ask(f"judge {index + 1}", judge, messages, held=held))
    outcomes = yield tuple(asked)
    for outcome in outcomes:
        _answer(outcome)
    return [setting.grades.grade(judge, outcome) for outcome in outcomes]


def _critique(does: Critique, setting: Setting) -> Work:
    answer, said, accepted, rounds = setting.done[does.step].text, "", False, 0
    for turn in range(1, does.limit + 1):
        variables: Variables = {**setting.inputs, "answer": answer}
        critic = setting.asker.ask(f"critic {turn}", does.critic, _messages(does.critic, variables, setting.where))
        (outcome,) = yield (critic,)
        said = _answer(outcome)
        accepted = _accepts(does.accept, said)
        if accepted:
            break
        variables["critique"] = said
        revise = setting.asker.ask(f"revise {turn}", does.revise, _messages(does.revise, variables, setting.where))
        (outcome,) = yield (revise,)
        answer, rounds = _answer(outcome), turn
    times = f"{rounds} {'revision' if rounds == 1 else 'revisions'}"
    note = f"accepted after {times}" if accepted else f"not accepted after {times}, the limit"
    return Done(answer, {"accepted": accepted, "rounds": rounds, "critique": said}, note)


def _accepts(pattern: str, said: str) -> bool:
    try:
        return texts.searched(pattern, said[:LONGEST]) is not None
    except Miss as miss:
        raise failed(str(miss)) from None


def _retrieve(does: Retrieve, setting: Setting) -> Work:
    query = text_of(does.query, setting.scope, f"{setting.where}: retrieve.query")
    found = setting.grades.passages(does, query)
    if not found:
        raise failed("No passage of the corpus has a word of the query.")  # of vectors there is always a nearest
    yield from ()
    text = "\n\n".join(str(passage["text"]) for passage in found)
    sources = ", ".join(dict.fromkeys(str(passage["source"]) for passage in found))
    return Done(text, {"passages": found}, f"{len(found)} from {sources}")

"""What a judge is asked about one answer, and what its replies are held to.

A judge of grades is asked once, or again with answer and reference exchanged. A judge of claims is asked once for
each sentence of the answer, of the reference or of both, or for each fact that is expected. A judge of pairs is asked
twice, with the two answers in either order, and is never told which is whose: one that prefers a place and not an
answer contradicts itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

from promptlab.errors import UsageFault
from promptlab.models.values import Capabilities, Constraint
from promptlab.scoring.grades import grade_words
from promptlab.scoring.values import JudgeItem
from promptlab.workspace.templates import render, variables_of
from promptlab.workspace.values import Example, Judge, Message, Prompt, Variables

CLAIMS = 40
"""Sentences of an answer that a judge of claims is asked about; a longer answer is missing, with the reason."""
TURNED = "turned"
"""What the question is about in which answer and reference are exchanged."""
OF_ANSWER, OF_REFERENCE = "answer: ", "reference: "
"""Before a claim, where those of both are judged."""
FIELDS = ("expected", "reference", "context", "previous", "feedback")  # of an example, where it has them
_PAIR = Judge(choices={"A": 1.0, "B": 0.0, "tie": 0.5})
_SENTENCE = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"”’)\]]))\s+(?=[\W_]*[^\W_a-z])|\n+")
_NO_CLAIM = re.compile(r"[\W\d_]*\Z")


class Question(NamedTuple):
    """One thing to ask; ``about`` is as in a ``Reply``.

    Attributes:
        answer: The text that a quote must stand in; None where nobody knows it.
    """

    about: str
    messages: tuple[Message, ...]
    answer: str | None = None


class NotAsked(Exception):
    """There is nothing to ask about this answer; the text says why."""


def table_of(judge: Prompt) -> Judge:
    """The ``[judge]`` table of a prompt.

    Raises:
        UsageFault: The prompt is no judge.
    """
    if judge.judge is None:
        raise UsageFault(f"“{judge.name}” is no judge: it has no [judge] table ({judge.source}).")
    return judge.judge


def grading(judge: Judge) -> Judge:
    """The scale or choices that a reply is read by: for pairs A, B and tie, with their value for A."""
    return _PAIR if judge.kind == "pairwise" else judge


def questions(judge: Prompt, item: JudgeItem) -> tuple[Question, ...]:
    """Everything that a judge is asked about an answer.

    Raises:
        TemplateFault: It uses a variable that this example does not have.
        NotAsked: The answer makes no claim, or far too many; there is no other answer to compare it with.
        UsageFault: The prompt is no judge.
    """
    table = table_of(judge)
    match table.kind:
        case "grade":
            asked = [_question(judge, item, "", {"answer": item.answer})]
            if table.turned:
                # The value of a variable goes over the example's own field.
                other = {"answer": _reference(item.example), "reference": item.answer}
                asked.append(_question(judge, item, TURNED, other))
            return tuple(asked)
        case "claims":
            return tuple(_claims(judge, table, item))
        case "pairwise":
            if item.against is None:
                raise NotAsked("there is no answer of the baseline to compare it with")
            return (
                _question(judge, item, "AB", {"answer_a": item.against, "answer_b": item.answer}),
                _question(judge, item, "BA", {"answer_a": item.answer, "answer_b": item.against}),
            )


def _claims(judge: Prompt, table: Judge, item: JudgeItem) -> Iterator[Question]:
    """One question for each claim; ``source`` is the text that it is held against."""

    def asked(about: str, claim: str, source: str) -> Question:
        return _question(judge, item, about, {"answer": item.answer, "claim": claim, "source": source})

    match table.claims_of:
        case "answer":
            for claim in claims_of(item.answer):
                yield asked(claim, claim, item.example.reference or "")
        case "reference":
            for claim in claims_of(_reference(item.example), "reference"):
                yield asked(claim, claim, item.answer)
        case "expected":
            for fact in _facts(item.example):
                yield asked(fact, fact, item.answer)
        case "both":
            reference = _reference(item.example)
            for claim in claims_of(item.answer):
                yield asked(f"{OF_ANSWER}{claim}", claim, reference)
            for claim in claims_of(reference, "reference"):
                yield asked(f"{OF_REFERENCE}{claim}", claim, item.answer)


def _reference(example: Example) -> str:
    """What an answer is held against: the reference, else an expected text."""
    text = example.reference or (example.expected if isinstance(example.expected, str) else "")
    if not text.strip():
        raise NotAsked("the example has no `reference`")
    return text


def _facts(example: Example) -> tuple[str, ...]:
    """What a right answer says: the texts of a list, or the sentences of a text."""
    expected = example.expected
    if isinstance(expected, list):
        facts = tuple(dict.fromkeys(str(fact) for fact in cast("list[object]", expected) if str(fact).strip()))
    else:
        facts = claims_of(expected, "`expected`") if isinstance(expected, str) and expected.strip() else ()
    if not facts:
        raise NotAsked("the example has no `expected` facts")
    return facts


def claims_of(answer: str, what: str = "answer") -> tuple[str, ...]:
    """The sentences of an answer, in order and each once; list items and lines end a sentence.

    Args:
        answer: The text.
        what: What it is called where it has none.

    Raises:
        NotAsked: It has none, or more than ``CLAIMS``.
    """
    parts = (part.strip(" \t-*•") for part in _SENTENCE.split(answer))
    found = tuple(dict.fromkeys(part for part in parts if not _NO_CLAIM.match(part)))
    if not found:
        raise NotAsked(f"the {what} makes no claim")
    if len(found) > CLAIMS:
        raise NotAsked(f"the {what} has {len(found)} sentences, and {CLAIMS} at most are judged one by one")
    return found


def _question(judge: Prompt, item: JudgeItem, about: str, answers: dict[str, str]) -> Question:
    return Question(about, render(judge, _variables(judge, item, answers)).messages, item.answer)


def _variables(judge: Prompt, item: JudgeItem, answers: dict[str, str]) -> Variables:
    """What a judge's templates can use: the example's variables, and over them these.

    What is judged (``answer``; ``claim`` and the ``source`` that it is held against; ``answer_a`` and ``answer_b`` of
    a pair), ``expected``, ``reference``, ``context``, ``previous`` and ``feedback`` (where the example has them, else
    they are undefined: ``{% if reference is defined %}``), ``criterion`` (where the judge states one), ``scale_low``
    and ``scale_high``, or ``choices`` (a list of the words). ``inputs`` is all of the example's variables as one text
    and ``instructions`` what the candidate was sent, unless the example has variables of these names.
    """
    table, example = table_of(judge), item.example
    variables: Variables = dict(example.vars)
    for name in FIELDS:
        value: object = getattr(example, name)
        if value is not None:
            variables[name] = value
    variables |= answers
    if table.criterion:
        variables["criterion"] = table.criterion
    if table.scale is not None:
        variables["scale_low"], variables["scale_high"] = table.scale
    if table.kind == "pairwise" or table.choices is not None:
        variables["choices"] = list(grading(table).choices or ())
    used = variables_of(judge)
    if "inputs" in used:
        variables.setdefault("inputs", listed(example.vars))
    if "instructions" in used and item.instructions:
        variables.setdefault("instructions", item.instructions)
    return variables


def listed(variables: Mapping[str, object]) -> str:
    """Variables as text: a single one as it is, several each behind its name."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        for name, value in variables.items()
    }
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "\n".join(f"{name}: {text}" for name, text in texts.items())


def is_weighed(judge: Prompt, capabilities: Capabilities) -> bool:
    """Whether the model is asked for the probabilities of the grades in place of one of them."""
    return table_of(judge).expected and capabilities.choice_probabilities


def constraint_for(judge: Prompt, capabilities: Capabilities) -> Constraint | None:
    """What a judge's reply is held to, as far as the model can: the grades and nothing else, or behind a reason."""
    table = table_of(judge)
    words = grade_words(grading(table))
    if table.reason or table.quote:
        first = [name for name, wanted in (("reason", table.reason), ("quote", table.quote)) if wanted]
        schema: dict[str, object] = {
            "type": "object",
            "properties": {
                **{name: {"type": "string"} for name in first},
                "grade": {"type": "string", "enum": list(words)},
            },
            "required": [*first, "grade"],
            "additionalProperties": False,
        }
        return Constraint(json_schema=schema, rules=capabilities.schema_rules) if capabilities.json_schema else None
    return Constraint(choices=words) if capabilities.choices else None

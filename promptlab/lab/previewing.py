"""What would be sent for an example, as far as that is known before anything is asked: tokens, a chain's steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from promptlab.workspace.expressions import holds, mentions_of_expression, value_of
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.templates import render
from promptlab.workspace.toml import shown
from promptlab.workspace.values import (
    Ask,
    BestOf,
    Critique,
    Extract,
    Message,
    Prompt,
    Retrieve,
    Step,
    Validate,
    Variables,
    Vote,
)
from promptlab.workspace.wiring import FIELDS

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable

_LETTERS = 4.0
"""Characters of a token of English text, where no answer has said how many there are."""
_TEXT = 60
"""Characters of a rule's pattern or schema that are shown."""


def tokens_about(messages: Sequence[Message], tried: RunTable | None) -> int:
    """How many tokens a model would count, about.

    Every model cuts text its own way: ``tried``, a run of the same prompt, says how many there were.
    """
    told = letters = 0
    for example in tried.examples if tried else ():
        for variant in tried.variants if tried else ():
            outcome = tried.outcome(variant.column, example.id) if tried else None
            if outcome is not None and outcome.usage.prompt:
                told += outcome.usage.prompt
                letters += _letters(tried.rendered(variant.column, example.id) if tried else ())
    return round(_letters(messages) * (told / letters if letters else 1 / _LETTERS))


def _letters(messages: Sequence[Message]) -> int:
    return sum(len(message.content) for message in messages)


class StepPreview(Struct, frozen=True):
    """One step before it is done.

    Attributes:
        when: Its condition, and whether it is met where that is known: ``team == 'a' (not met)``. "" is always.
        needs: The steps that come before it.
        rule: What it does beside asking, in a few words, or "".
        asks: What each question is for, and its messages. What another step will say stands as ``‹draft.text›``.
    """

    step: str
    op: str
    when: str
    foreach: str
    needs: tuple[str, ...]
    rule: str
    asks: tuple[tuple[str, tuple[Message, ...]], ...]


def preview_steps(chain: Prompt, variables: Mapping[str, object]) -> tuple[StepPreview, ...]:
    """Every step of a chain, in the order of the file, filled with an example's variables."""
    scope: Variables = {name: variables[name] for name in chain.inputs if name in variables}
    known = frozenset(scope)
    scope |= {step.name: _placeholders(step) for step in chain.steps} | {"item": "‹item›"}
    return tuple(_preview(step, scope, known) for step in chain.steps)


def _preview(step: Step, scope: Variables, known: frozenset[str]) -> StepPreview:
    inputs: Variables = {name: _filled(template, scope) for name, template in step.inputs.items()}
    if step.foreach:
        inputs["item"] = scope["item"]
    does = step.does
    match does:
        case Ask(prompt=prompt) | Vote(prompt=prompt) | BestOf(prompt=prompt):
            asks = [("", prompt, inputs)]
        case Critique(step=name):
            answer: Variables = {**inputs, "answer": f"‹{name}.text›"}
            asks = [("critic", does.critic, answer), ("revise", does.revise, {**answer, "critique": "‹critique›"})]
        case _:
            asks = []
    return StepPreview(
        step=step.name,
        op=str(type(does).__struct_config__.tag),
        when=_when(step.when, scope, known) if step.when else "",
        foreach=step.foreach,
        needs=step.needs,
        rule=_rule(step, scope),
        asks=tuple((label, _messages(prompt, given)) for label, prompt, given in asks),
    )


def _placeholders(step: Step) -> dict[str, object]:
    """What templates can use of a step that is not done yet."""
    found: dict[str, object] = {field: f"‹{step.name}.{field}›" for field in (*FIELDS[type(step.does)], "texts")}
    for field in ("samples", "texts", "passages"):
        found[field] = [f"‹{step.name}.{field}›"]
    if isinstance(step.does, Retrieve):
        found["passages"] = [{key: f"‹{step.name}.passages.{key}›" for key in ("text", "source", "at", "score")}]
    return found


def _filled(template: str, scope: Variables) -> object:
    """A template filled; as it is written where that takes what only a run will tell."""
    try:
        return value_of(template, scope, "")
    except TemplateFault:
        return template


def _messages(prompt: Prompt, given: Variables) -> tuple[Message, ...]:
    try:
        return render(prompt, given).messages
    except TemplateFault:
        return prompt.messages


def _when(condition: str, scope: Variables, known: frozenset[str]) -> str:
    if not {mention.name for mention in mentions_of_expression(condition)} <= known:
        return condition
    try:
        return f"{condition} ({'met' if holds(condition, scope, '') else 'not met'})"
    except TemplateFault:
        return condition


def _rule(step: Step, scope: Variables) -> str:
    match step.does:
        case Vote(n=n):
            return f"{n} answers, the most frequent one"
        case BestOf(n=n, metric=metric, judge=judge):
            return f"{n} answers, the best by {metric.id if metric else judge.name if judge else ''}"
        case Extract(source=source) as does:
            return f"{_way(does)} of {shown(str(_filled(source, scope)), _TEXT)}"
        case Validate(step=name, on_fail=on_fail) as does:
            otherwise = f"{on_fail}, {does.attempts} times at most" if on_fail == "reask" else on_fail
            return f"{name} has {_demand(does)}; otherwise {otherwise}"
        case Critique(step=name, limit=limit):
            return f"of {name}, revised {limit} times at most"
        case Retrieve(corpus=corpus, query=query, k=k) as does:
            return f"{k} passages of {corpus} by {does.method} for {shown(str(_filled(query, scope)), _TEXT)}"
        case Ask():
            return ""


def _way(does: Extract) -> str:
    if does.regex is not None:
        return f"regex {shown(does.regex, _TEXT)}"
    if does.pointer is not None:
        return f"pointer {does.pointer}" if does.pointer else "the JSON"
    return "the last line" if does.last_line else f"the fenced block {does.fence}".rstrip()


def _demand(does: Validate) -> str:
    if does.choices is not None:
        return f"one of {_listed(does.choices)}"
    if does.length is not None:
        return f"{does.length[0]} to {does.length[1]} characters"
    if does.regex is not None:
        return f"regex {shown(does.regex, _TEXT)}"
    return f"{does.metric.id} of at least {does.least:g}" if does.metric else "the JSON schema"


def _listed(choices: Sequence[str]) -> str:
    return shown(", ".join(choices), _TEXT)

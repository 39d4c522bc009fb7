"""Chains for tests: their text made short, a model that answers from a function, and a chain taken to its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from math import nan
from pathlib import Path

from promptlab.models.values import Capabilities, Constraint, Fault, Outcome, Request, Usage
from promptlab.runs.chains.walk import Walk
from promptlab.runs.chains.work import Asker, Counted, Lookup
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.values import Example, Message, MetricSpec, Output, Prompt, Retrieve

Answer = Callable[[Request], "str | Fault"]


def chain(steps: str, inputs: Sequence[str] = ("ticket",)) -> Prompt:
    """A chain of these ``[[steps]]``; the prompts are those of ``P``."""
    text = f"inputs = [{', '.join(repr(name) for name in inputs)}]\n{steps}"
    return parse_prompt(text.encode(), "support", "prompts/support.toml")


def P(content: str, temperature: float = 0.0) -> str:
    """A prompt written out: one user message."""
    messages = f"[{{ role = 'user', content = '''{content}''' }}]"
    return f"{{ params = {{ temperature = {temperature} }}, messages = {messages} }}"


def step(name: str, does: str, inputs: str = "", more: str = "") -> str:
    given = f"inputs = {{ {inputs} }}\n" if inputs else ""
    return f"[[steps]]\nname = '{name}'\n{more}\n{given}{does}\n"


TICKET = "ticket = '{{ ticket }}'"


class Grades:
    """A metric that is the length, a judge whose grade is the number in its reply, passages of the query's words."""

    def measure(self, metric: MetricSpec, example: Example, text: str, output: Output | None) -> tuple[float, str]:
        return (nan, "nothing to measure") if text == "?" else (float(len(text)), "")

    def question(
        self, judge: Prompt, example: Example, text: str, capabilities: Capabilities
    ) -> tuple[tuple[Message, ...], Constraint | None]:
        return (Message("user", f"Grade: {text}"),), Constraint(choices=("1", "2", "3"))

    def grade(self, judge: Prompt, outcome: Outcome) -> tuple[float, str]:
        return (float(outcome.text), "") if outcome.text.isdigit() else (nan, "no grade in the reply")

    def passages(self, rule: Retrieve, query: str) -> list[dict[str, object]]:
        return [{"text": word, "source": f"{word}.md", "score": 1.0} for word in query.split()[: rule.k]]

    async def embed(self, lookups: Sequence[Lookup], stop: asyncio.Event, told: Counted) -> bool:
        raise AssertionError("no step here searches by vectors")


def answered(request: Request, answer: Answer) -> Outcome:
    said = answer(request)
    if isinstance(said, Fault):
        return Outcome(request.key, finish="error", fault=said)
    return Outcome(request.key, said, usage=Usage(prompt=10, completion=2), latency=0.5, cost=0.25)


def taken(found: Prompt, answer: Answer, vars: Mapping[str, object] | None = None, trial: int = 0) -> Walk:
    """A chain, gone to its end."""
    asker = Asker("scripted:mini", Capabilities(choices=True), 0, trial)
    walk = Walk(found, Example("e1", dict(vars or {"ticket": "Hello"})), asker, Grades())
    while walk.trace is None:
        walk.take({request.key: answered(request, answer) for request in walk.requests})
    return walk


class FunctionModel:
    """A model that answers from a function, noting what it was asked.

    Attributes:
        batches: How many requests each call had.
        given: Answers.
    """

    def __init__(self, answer: Answer, name: str = "mini", log: Path | None = None) -> None:
        self.name = name
        self.identity = f"scripted:{name}"
        self.capabilities = Capabilities(choices=True, json_schema=True, seed=True)
        self.answer = answer
        self.asked: list[Request] = []
        self.batches: list[int] = []
        self.given = 0
        self.log = log

    async def generate(self, requests: Sequence[Request]) -> AsyncIterator[Outcome]:
        self.batches.append(len(requests))
        for request in requests:
            self.asked.append(request)
            if self.log is not None:
                file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                os.write(file, f"{request.key}\n".encode())
                os.close(file)
            self.given += 1
            yield answered(request, self.answer)

    async def close(self) -> None:
        return None

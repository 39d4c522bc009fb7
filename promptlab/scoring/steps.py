"""What the steps of a chain need of scoring: a metric on a text, a judge's question and its grade."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import comb, nan
from typing import Protocol

from msgspec import structs

from promptlab.errors import Problem
from promptlab.models.values import Capabilities, Constraint, Outcome
from promptlab.runs.chains.work import Counted, Lookup
from promptlab.scoring import catalogue
from promptlab.scoring.metrics import score
from promptlab.scoring.questions import Question, constraint_for, questions, table_of
from promptlab.scoring.replies import read_reply
from promptlab.scoring.values import JudgeItem
from promptlab.workspace.values import (
    BestOf,
    Example,
    Message,
    MetricSpec,
    Output,
    Prompt,
    Retrieve,
    Validate,
)


class Finder(Protocol):
    """Searches in corpora, as :class:`promptlab.runs.chains.work.Grades` says."""

    def find(self, rule: Retrieve, query: str) -> list[dict[str, object]]: ...

    async def embed(self, lookups: Sequence[Lookup], stop: asyncio.Event, told: Counted) -> bool: ...


class StepGrades:
    """Metrics and judges for steps. They see the example's variables only: no chain may know the right answer.

    Args:
        finder: Gives the passages of a corpus that are nearest to a query.
    """

    def __init__(self, finder: Finder) -> None:
        self._finder = finder

    def measure(self, metric: MetricSpec, example: Example, text: str, output: Output | None) -> tuple[float, str]:
        """The score of a text, and why it is missing. Where less is better, the score is below 0."""
        (found,) = score((metric,), _unknowing(example), Outcome("", text=text), output)
        if found.value is None:
            return nan, found.missing
        return (-found.value if catalogue.describe(metric).direction == "min" else found.value), ""

    def question(
        self, judge: Prompt, example: Example, text: str, capabilities: Capabilities
    ) -> tuple[tuple[Message, ...], Constraint | None]:
        """What a judge is sent, and the grades that its reply is held to."""
        (asked,) = questions(judge, JudgeItem(example.id, _unknowing(example), text))
        return asked.messages, constraint_for(judge, capabilities)

    def grade(self, judge: Prompt, outcome: Outcome) -> tuple[float, str]:
        """The grade in a judge's reply, and why it is missing."""
        found = read_reply(table_of(judge), "", Question("", ()), [outcome])
        return (nan, found.missing) if found.value is None else (found.value, "")

    def passages(self, rule: Retrieve, query: str) -> list[dict[str, object]]:
        """The nearest passages, best first."""
        return self._finder.find(rule, query)

    async def embed(self, lookups: Sequence[Lookup], stop: asyncio.Event, told: Counted) -> bool:
        """Get the vectors that searches need; False where that was ended early."""
        return await self._finder.embed(lookups, stop, told)


def _unknowing(example: Example) -> Example:
    return Example(example.id, example.vars)


def chain_problems(chain: Prompt) -> list[Problem]:
    """What is wrong with the metrics that a chain's steps use: unknown ones, and ones that know the right answer."""
    problems: list[Problem] = []
    for index, step in enumerate(chain.steps):
        if not isinstance(step.does, BestOf | Validate) or step.does.metric is None:
            continue
        spec = step.does.metric
        key = f"steps[{index}].{'best_of' if isinstance(step.does, BestOf) else 'validate'}.metric"
        found = catalogue.validate(spec, chain.source)
        problems += [structs.replace(problem, key=key, line=0) for problem in found]
        if found:
            continue
        info = catalogue.describe(spec)
        if info.needs or info.kind == "set" or spec.id in catalogue.OUTSIDE:
            message = f"A step cannot use the metric `{spec.id}`: it needs more than an answer."
            hint = "Use one such as `regex` or `json_schema`, or a judge with `best_of`."
            problems.append(Problem(message, chain.source, key=key, hint=hint))
    return problems


def pass_at(k: int, samples: int, right: int) -> float:
    """The chance that at least one of ``k`` answers is right, from ``right`` of ``samples`` answers that were.

    The unbiased estimator 1 − C(n − c, k) / C(n, k) of Chen et al., 2021, "Evaluating Large Language Models Trained
    on Code", section 2.1.

    Raises:
        ValueError: ``k`` is not from 1 to ``samples``.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"pass@{k} cannot be told from {samples} answers")
    return 1.0 - comb(samples - right, k) / comb(samples, k)

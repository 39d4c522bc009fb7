"""How probable each candidate holds the right choice: asked of the candidates themselves, when they have answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

from promptlab.lab.unscored import Unscored, add, outcome_of, unscored
from promptlab.lab.values import CellScored
from promptlab.models.cache import Cache
from promptlab.models.values import Constraint, Model, Outcome, Request
from promptlab.runs.plan import cell_key
from promptlab.runs.progress import Meter
from promptlab.runs.values import ModelLoading, Progress
from promptlab.scoring.asking import replies_of
from promptlab.scoring.families.weighed import choice_prob, choices_of
from promptlab.scoring.metric import Case, Missing
from promptlab.scoring.values import Score
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.values import MetricSpec

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable

NOT_ASKED = "the candidate was not asked for probabilities when it answered, and scoring again asks no candidate"


class Weighing:
    """The metric `choice_prob` and the models of the columns.

    Args:
        spec: The metric's entry.
        models: Name to model; None where no candidate may be asked, and only what is known already counts.
    """

    def __init__(self, spec: MetricSpec, models: Mapping[str, Model] | None) -> None:
        self.spec = spec
        self._models = models

    async def scores(
        self, table: RunTable, cache: Cache | None, stop: asyncio.Event, meter: Meter
    ) -> AsyncGenerator[CellScored | ModelLoading | Progress, None]:
        """Score every answer that has no such score yet. Trials of an example are one question.

        Where ``meter`` says that a limit is reached, those that were not asked yet are left without.
        """
        waiting: dict[str, list[tuple[Unscored, Request]]] = {}
        for cell in list(unscored(table, self.spec)):
            try:
                waiting.setdefault(table.variant(cell.column).model, []).append((cell, self._request(table, cell)))
            except (Missing, TemplateFault) as reason:
                yield self._add(table, cell, Score(self.spec.name, missing=str(reason)))
        for name, asked in waiting.items():
            yield ModelLoading(name)
            cells: dict[str, list[Unscored]] = {}
            for cell, request in asked:
                cells.setdefault(request.key, []).append(cell)
            done = 0
            async for outcome in self._outcomes(name, {one.key: one for _, one in asked}, cache, meter):
                for cell in cells[outcome.key]:
                    yield self._add(table, cell, self._score(table, cell, outcome))
                done += 1
                yield Progress(total=len(cells), done=done, model=name)
                if stop.is_set():
                    return

    def _request(self, table: RunTable, cell: Unscored) -> Request:
        """What the candidate was sent, and the choices to weigh."""
        if cell.answer.missing:
            raise Missing(cell.answer.missing)
        variant = table.variant(cell.column)
        if table.prompts[cell.column].steps:
            raise Missing("a chain has no single question whose answer could be weighed")
        if self._models is not None:
            model = self._models[variant.model]
            if not (model.capabilities.choice_probabilities or model.capabilities.logprobs):
                raise Missing(f"{model.name} gives no probabilities of choices")
        constraint = Constraint(choices=choices_of(self._case(table, cell)))
        messages = table.rendered(cell.column, cell.example.id)
        key = cell_key(variant.identity, messages, variant.params, constraint, choice_probabilities=True)
        return Request(key, messages, variant.params, 0, constraint, choice_probabilities=True)

    async def _outcomes(
        self, name: str, requests: dict[str, Request], cache: Cache | None, meter: Meter
    ) -> AsyncGenerator[Outcome, None]:
        """One of each request: the candidate's; where it may not be asked what is known, or one without choices."""
        if self._models is not None:
            async with aclosing(replies_of(self._models[name], requests, cache, meter)) as replies:
                async for outcome in replies:
                    yield outcome
            return
        known = cache.get_many(list(requests)) if cache else {}
        for key in requests:
            yield known.get(key, Outcome(key))

    def _score(self, table: RunTable, cell: Unscored, outcome: Outcome) -> Score:
        if outcome.fault is not None:
            return Score(self.spec.name, missing=f"error: {outcome.fault.message}")
        if outcome.choices is None:
            return Score(self.spec.name, missing=NOT_ASKED)
        return choice_prob(self._case(table, cell), outcome.choices)

    def _case(self, table: RunTable, cell: Unscored) -> Case:
        return Case.of(self.spec, cell.example, outcome_of(cell), table.prompts[cell.column].output)

    def _add(self, table: RunTable, cell: Unscored, score: Score) -> CellScored:
        return add(table, cell.column, cell.example.id, cell.trial, score)

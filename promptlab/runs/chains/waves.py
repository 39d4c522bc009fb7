"""Many chains at once: what all of them wait for goes to the model as one batch, wave after wave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from itertools import islice

from msgspec import structs

from promptlab.models.values import Model, Outcome, Request
from promptlab.runs.chains.walk import Walk
from promptlab.runs.chains.work import Asker, Grades
from promptlab.runs.values import Cell, Plan, StepProgress
from promptlab.workspace.packed import by_id

Wanted = dict[str, tuple[Request, Cell, str]]
"""By key: what is to be asked, and the first cell and step that want it."""

Answers = Callable[[Wanted], AsyncGenerator[Sequence[Outcome], None]]
"""Gives the outcomes of what is wanted, as they come. Those that never come stop the chains that wait for them."""

Told = Callable[[StepProgress], None]
"""Hears how many of the vectors are there that steps search with."""

_AT_ONCE = 50


def walks_of(plan: Plan, cells: Sequence[Cell], model: Model, grades: Grades) -> dict[Cell, Walk]:
    """The chains of cells at their beginning. All the cells are on the same model."""
    examples = by_id(plan.examples)
    variants = {variant.column: variant for variant in plan.variants}
    walks: dict[Cell, Walk] = {}
    for cell in cells:
        variant = variants[cell.column]
        asker = Asker(model.identity, model.capabilities, variant.params.seed, cell.trial)
        walks[cell] = Walk(plan.chains[cell.column], examples[cell.example], asker, grades)
    return walks


async def look_up(walks: Sequence[Walk], grades: Grades, stop: asyncio.Event, told: Told) -> None:
    """Get the vectors that searches of chains wait for, all of them at once, until none waits or no more are got."""
    while waiting := [one for one in walks if one.lookups]:
        steps = ", ".join(dict.fromkeys(step for one in waiting for step in one.lookups))
        lookups = [lookup for one in waiting for lookup in one.lookups.values()]
        if not await grades.embed(lookups, stop, partial(_tell, told, steps)):
            return
        for one in waiting:
            await asyncio.to_thread(one.look_up)


def _tell(told: Told, steps: str, done: int, total: int) -> None:
    told(StepProgress(steps, done, total))


async def walk(
    walks: Mapping[Cell, Walk], answers: Answers, grades: Grades, stop: asyncio.Event, told: Told
) -> AsyncGenerator[list[tuple[Cell, Walk]], None]:
    """Take chains to their ends; those that ended, after each wave. Ends early when a wave is not answered."""
    left = dict(walks)
    while True:
        await look_up(list(left.values()), grades, stop, told)
        ended = [(cell, one) for cell, one in left.items() if one.trace is not None]
        for cell, _ in ended:
            del left[cell]
        if ended:
            yield ended
        if not left:
            return
        wanted: Wanted = {}
        for cell, one in left.items():
            for request in one.requests:
                wanted.setdefault(request.key, (request, cell, one.asks_for(request.key)))
        if not wanted:
            return  # it was stopped while vectors were made
        outcomes: dict[str, Outcome] = {}
        async with aclosing(answers(wanted)) as coming:
            async for some in coming:
                outcomes.update((outcome.key, outcome) for outcome in some)
        if len(outcomes) < len(wanted):
            return
        await _hand_out(left, wanted, outcomes)


async def _hand_out(left: Mapping[Cell, Walk], wanted: Wanted, outcomes: Mapping[str, Outcome]) -> None:
    """Give each chain its answers, in a thread: steps search in corpora, check against schemas, match patterns."""
    walks = iter(left.items())
    while some := list(islice(walks, _AT_ONCE)):
        await asyncio.to_thread(_give, some, wanted, outcomes)


def _give(walks: Sequence[tuple[Cell, Walk]], wanted: Wanted, outcomes: Mapping[str, Outcome]) -> None:
    """All but the first chain that share an answer have it for nothing."""
    for cell, one in walks:
        mine = {
            request.key: outcomes[request.key]
            if wanted[request.key][1] is cell
            else structs.replace(outcomes[request.key], cached=outcomes[request.key].fault is None)
            for request in one.requests
        }
        one.take(mine)

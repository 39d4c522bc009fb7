"""From a bisect request to its steps: resolves the ends, finds stored outcomes, measures versions with runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

from promptlab.errors import Cancelled, ModelFault, NotFound, PromptlabError, UsageFault
from promptlab.history.values import Version
from promptlab.lab import planning
from promptlab.lab.bisecting import Bisector, KnownCache, Measured, Seen
from promptlab.lab.comparing import prompt_fields
from promptlab.lab.table import RunTable
from promptlab.lab.values import Bisection, BisectRequest, BisectStep, RunRequest
from promptlab.lab.wording import plural
from promptlab.models.values import Outcome
from promptlab.runs.values import Ended
from promptlab.workspace.toml import did_you_mean
from promptlab.workspace.values import EvalSet

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab

STORED_RUNS = 50  # newest runs that are opened to find stored outcomes


async def bisect(
    lab: Lab, request: BisectRequest, stop: asyncio.Event
) -> AsyncGenerator[BisectStep | Bisection, None]:
    """The steps of a search, then what it found.

    Raises:
        UsageFault: The ends make no sense, or the bad one is not clearly worse.
        NotFound: No such prompt, version, metric, example, model or eval set.
        ModelFault: A model cannot be used.
        Cancelled: ``stop`` was set; what was answered is in the cache.
    """
    name = lab.past_name_of(request.subject)
    versions = _between(lab, name, request.good, request.bad)
    newest = lab.subject(f"{name}@{versions[-1].label}").prompt
    evalset = lab.workspace.load_evalset(planning.evalset_name(lab.workspace, request.evalset, newest))
    metric = _metric(evalset, request.metric)
    model = planning.model_names(lab.workspace, (request.model,) if request.model else ())[0]
    examples = _examples(evalset, request.examples)
    known, stored = stored_outcomes(lab, {version.content for version in versions}, model)
    cache = KnownCache(known)

    async def measure(version: Version, wanted: Sequence[str]) -> Measured:
        only = RunRequest((f"{name}@{version.content}",), (model,), evalset.name, only=tuple(wanted))
        plan = lab.plan(only)
        table = lab.table(plan)
        ended: Ended | None = None
        async with aclosing(lab.run(plan, table, stop=stop, scratch=True, cache=cache, watched=False)) as events:
            async for event in events:
                ended = event if isinstance(event, Ended) else ended
        return _measured(table, metric, wanted, ended)

    search = Bisector(
        versions,
        examples,
        named=bool(request.examples),
        stored=stored,
        measure=measure,
        trials=evalset.decision.trials,
    )
    steps: list[BisectStep] = []
    try:
        async with aclosing(search.search()) as found:
            async for step in found:
                steps.append(step)
                yield step
    finally:
        cache.close()
    good, bad = (lab.subject(f"{name}@{versions[at].content}").prompt for at in (search.low, search.high))
    yield search.result(metric, model, steps, prompt_fields(good, bad))


def _between(lab: Lab, name: str, good: str, bad: str) -> list[Version]:
    """The versions from the good end to the bad one."""
    line = lab.on_branch(name)
    if not line:
        lab.name_of(name)  # a name that is none is the better sentence
    if len(line) < 2:
        raise UsageFault(f"{name} has {plural(len(line), 'committed version')}: it takes two to search between.")
    places = {version.content: at for at, version in enumerate(line)}

    def place(end: str, otherwise: int) -> int:
        if not end:
            return otherwise
        content = lab.subject(f"{name}@{end}").prompt.content
        if content not in places:
            raise UsageFault(f"{name}@{end} is not in this branch's history: give ends that are.")
        return places[content]

    first, last = place(good, 0), place(bad, len(line) - 1)
    if first >= last:
        raise UsageFault(f"The good end ({line[first].label}) must be older than the bad one ({line[last].label}).")
    return line[first : last + 1]


def _metric(evalset: EvalSet, asked: str) -> str:
    names = [spec.name for spec in evalset.metrics]
    metric = asked or evalset.decision.primary or (names[0] if names else "")
    if metric not in names:
        near = did_you_mean(metric, names) or f"Its metrics: {', '.join(names)}."
        raise NotFound(f"The eval set {evalset.name} has no metric “{metric}”. {near}")
    return metric


def _examples(evalset: EvalSet, asked: Sequence[str]) -> list[str]:
    ids = [example.id for example in evalset.examples]
    for name in asked:
        if name not in ids:
            near = did_you_mean(name, ids)
            raise NotFound(f"The eval set {evalset.name} has no example “{name}”. {near}".rstrip())
    return list(dict.fromkeys(asked)) or ids


def stored_outcomes(lab: Lab, contents: set[str], model: str) -> tuple[dict[str, Outcome], set[str]]:
    """Outcomes of past runs by cell key, and the versions that have some."""
    known: dict[str, Outcome] = {}
    having: set[str] = set()
    for run in lab.runs()[:STORED_RUNS]:
        lines = [line for line in lab.columns_of(run) if line.content in contents and line.model == model]
        if not lines:
            continue
        try:
            table = lab.open_run(run.id)
        except PromptlabError:
            continue  # damaged, or not in this clone: it is measured again
        having |= {line.content for line in lines}
        known.update(_answers(table, [line.column for line in lines]))
    return known, having


def _answers(table: RunTable, columns: Sequence[str]) -> Mapping[str, Outcome]:
    places = (
        table.outcome(column, example.id, trial)
        for column in columns
        for example in table.examples
        for trial in range(table.trials)
    )
    return {
        one.key: msgspec.structs.replace(one, cached=True)
        for one in places
        if one and one.fault is None and one.stored
    }


def _measured(table: RunTable, metric: str, wanted: Sequence[str], ended: Ended | None) -> Measured:
    if ended is None or ended.state == "cancelled":
        raise Cancelled("Cancelled. What was answered is kept: the same command goes on from there.")
    sign = {"max": 1.0, "min": -1.0}.get(table.infos[metric].direction)
    if sign is None:
        raise UsageFault(f"The metric {metric} has no better and worse: name one that has.")
    column = table.variants[0].column
    seen: dict[str, Seen] = {}
    for example in wanted:
        value, outcome = table.value(column, example, metric), table.outcome(column, example)
        seen[example] = Seen(None if value is None else sign * value, outcome.text if outcome else "")
    if ended.progress.total and ended.progress.failed == ended.progress.total:
        fault = next((o.fault for e in wanted if (o := table.outcome(column, e)) and o.fault), None)
        raise ModelFault(
            f"No cell of {table.variants[0].label} got an answer. {fault.message if fault else ''}".strip()
        )
    return Measured(seen, ended.progress.done - ended.progress.cached)

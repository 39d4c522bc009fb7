"""Runs that stop as soon as the verdict is clear: what may be one, how it goes on, and what it saved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from hashlib import sha256

from msgspec import Struct, structs

from promptlab.errors import UsageFault
from promptlab.lab.measuring import bounds_of
from promptlab.lab.planning import judges_of
from promptlab.lab.running import Scorer, after_judging, answers, judge_table
from promptlab.lab.table import RunTable
from promptlab.lab.values import LabEvent, RunRequest
from promptlab.lab.wording import plural
from promptlab.runs.journal import Journal
from promptlab.runs.means import Means
from promptlab.runs.options import by_chance
from promptlab.runs.values import Cell, Ended, Plan, Progress, Sequential, Started
from promptlab.scoring.catalogue import describe

BLOCK = 16
"""Examples that are asked at least before the next look, to keep models busy; later a quarter of those done."""
CLEAR = ("BETTER", "WORSE", "EQUIVALENT")


def sequential_plan(plan: Plan, request: RunRequest) -> Plan:
    """The plan as one that stops when it is clear.

    Raises:
        UsageFault: It compares nothing, or its primary metric has no interval that may be looked at all the time.
    """
    if request.again:
        raise UsageFault("--aa shows what chance does on all examples: leave --until-clear out.")
    if len(plan.variants) < 2:
        raise UsageFault("--until-clear needs something to compare: name two subjects, a --baseline, or two models.")
    spec = next((spec for spec in plan.metrics if plan.decision.primary in (spec.name, None)), None)
    if spec is None:
        raise UsageFault(f"--until-clear needs a metric that decides: the eval set {plan.evalset} has none.")
    judge = judges_of(plan).get(spec.name)
    info = describe(spec, judge.judge if judge else None)
    if info.direction == "info":
        raise UsageFault(f"--until-clear: {spec.name} has no better or worse, so it never becomes clear.")
    if bounds_of(info) is None:
        raise UsageFault(
            f"--until-clear needs a primary metric with a lowest and a highest value for each answer, which "
            f"{spec.name} has not. Name another one as `primary` in [decision], such as exact or a judge."
        )
    most = min(request.max_examples or len(plan.examples), len(plan.examples))
    how = Sequential(most)
    digest = sha256(f"{plan.digest} sequential {how.most} {how.seed}".encode()).hexdigest()
    return structs.replace(plan, sequential=how, digest=digest)


def is_clear(table: RunTable) -> bool:
    """Whether every column's verdict on the primary metric is settled."""
    verdicts = [table.verdict(v.column) for v in table.variants if v.column != table.baseline]
    return all(verdict is not None and verdict.status in CLEAR for verdict in verdicts)


class Saving(Struct, frozen=True):
    """What a run that stops when it is clear asked, and what it did not need to ask.

    Attributes:
        examples: That were asked.
        most: That might have been asked.
        cells, saved: Asked, and not asked of what might have been.
    """

    clear: bool
    examples: int
    most: int
    cells: int
    saved: int

    @property
    def sentence(self) -> str:
        """In words."""
        if not self.clear:
            return f"Not clear after {plural(self.examples, 'example')} of at most {self.most:,}."
        if not self.saved:
            return f"Clear after all {plural(self.examples, 'example')}: nothing was saved."
        share = self.saved / (self.cells + self.saved)
        return (
            f"Clear after {self.examples:,} of {plural(self.most, 'example')}: "
            f"{plural(self.saved, 'cell')} not asked, {100 * share:.0f} % saved."
        )


def saving_of(table: RunTable) -> Saving | None:
    """What a run that ended saved; None for one that asks everything, or that is still going on."""
    if table.sequential is None or table.state == "running":
        return None
    places = [(v.column, example.id) for v in table.variants for example in table.examples]
    asked = {example for column, example in places if table.outcome(column, example) is not None}
    each = len(table.variants) * table.trials
    most = table.sequential.most
    return Saving(is_clear(table), len(asked), most, len(asked) * each, max(0, most - len(asked)) * each)


def parts_of(plan: Plan, how: Sequential) -> Iterator[list[Cell]]:
    """The cells between two looks: whole examples, and whole groups where the decision goes by group."""
    grouped = plan.decision.cluster_by == "group"
    order = by_chance(plan.examples, how.seed, grouped)[: how.most]
    start = 0
    while start < len(order):
        end = min(len(order), start + max(BLOCK, start // 4))
        while grouped and end < len(order) and order[end].group and order[end].group == order[end - 1].group:
            end += 1
        now = {example.id for example in order[start:end]}
        yield [cell for cell in plan.cells if cell.example in now]
        start = end


async def run_until_clear(
    plan: Plan, table: RunTable, scorers: Sequence[Scorer], means: Means
) -> AsyncGenerator[LabEvent, None]:
    """As ``run_plan``, part by part, with a look at the verdict after each. The last event is Ended."""
    assert plan.sequential is not None
    parts = list(parts_of(plan, plan.sequential))
    before = Progress(total=sum(map(len, parts)))
    ended: Ended | None = None
    for part in parts:
        first = ended is None
        async with aclosing(answers(plan, table, means, part)) as events:
            async for event in events:
                match event:
                    case Ended():
                        ended = event
                    case Progress():
                        yield _added(before, event)
                    case Started() if not first:
                        pass
                    case _:
                        yield event
        assert ended is not None, "the last event is Ended"
        before = _added(before, ended.progress)
        if ended.state != "complete" or ended.progress.failed == len(part):
            break
        async with aclosing(judge_table(table, scorers, means.cache, means.stop, means.meter)) as judged:
            async for event in judged:
                yield event
        ended = after_judging(ended, table, scorers, means)
        if ended.state != "complete" or means.stop.is_set() or await asyncio.to_thread(is_clear, table):
            break
    assert ended is not None, "there is at least one example"
    stopped = means.stop.is_set()
    yield await _end(table, means.journal, ended, before, stopped=stopped, all_failed=_all_failed(ended))


def _all_failed(ended: Ended) -> bool:
    return ended.progress.total > 0 and ended.progress.failed == ended.progress.total


async def _end(
    table: RunTable, journal: Journal, ended: Ended, progress: Progress, *, stopped: bool, all_failed: bool
) -> Ended:
    """Settle how the run ended, in the journal and the table."""
    if stopped:
        table.state = "cancelled"
        reason = f"Stopped after {progress.done} of {progress.total} cells."
    elif ended.state != "complete" or all_failed:
        table.state, reason = "partial", ended.reason
    else:
        table.state = "complete"
        saving = await asyncio.to_thread(saving_of, table)
        reason = " ".join(filter(None, [saving.sentence if saving else "", ended.reason]))
    await asyncio.to_thread(journal.finish, "complete" if table.state == "complete" else "partial")
    return Ended(ended.run, table.state, progress, reason)


def _added(before: Progress, now: Progress) -> Progress:
    """Progress of a part as progress of the run."""
    costs = {name: before.cost.get(name, 0.0) + now.cost.get(name, 0.0) for name in {**before.cost, **now.cost}}
    return structs.replace(
        now,
        total=before.total,
        done=before.done + now.done,
        cached=before.cached + now.cached,
        failed=before.failed + now.failed,
        tokens=before.tokens + now.tokens,
        retried=before.retried + now.retried,
        elapsed=before.elapsed + now.elapsed,
        eta=None,
        cost=costs,
    )

"""The steps of chains over a column, summed up: calls, tokens, time, cost, and what their operations have to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from promptlab.models.values import Outcome
from promptlab.runs.traces import StepTrace, Trace
from promptlab.scoring.catalogue import OUTSIDE
from promptlab.scoring.metrics import score
from promptlab.scoring.steps import pass_at
from promptlab.workspace.values import Critique, Example

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable


class StepSummary(Struct, frozen=True):
    """One step of a chain over all examples and trials of a column.

    Attributes:
        failed: Cells that failed at this very step; those that failed before it are in ``blocked``.
        cost: Of all its calls, None where none has a price.
        notes: What its operation has to say, by the primary metric where one is needed: agreement of a vote, pass@n
            beside the choice of best_of, answers that a critique fixed and broke.
    """

    step: str
    op: str
    done: int
    skipped: int
    failed: int
    blocked: int
    calls: int
    tokens_in: int
    tokens_out: int
    seconds: float
    cost: float | None
    notes: tuple[str, ...] = ()


def steps_of(table: RunTable, column: str) -> list[StepSummary]:
    """The steps of a column, in the order of the file; none for a prompt."""
    traces = [
        (example, trace)
        for example in table.examples
        for trial in range(table.trials)
        if (trace := table.trace(column, example.id, trial)) is not None
    ]
    return [_summary(table, column, step.name, traces) for step in table.prompts[column].steps] if traces else []


def _summary(table: RunTable, column: str, name: str, traces: Sequence[tuple[Example, Trace]]) -> StepSummary:
    found = [step for _, trace in traces if (step := trace.step(name)) is not None]
    calls = [call for step in found for call in step.calls]
    costs = [step.cost for step in found if step.cost is not None]
    blocked = sum(bool(step.values.get("blocked")) for step in found)
    return StepSummary(
        step=name,
        op=found[0].op if found else "",
        done=sum(step.state == "done" for step in found),
        skipped=sum(step.state == "skipped" for step in found),
        failed=sum(step.state == "failed" for step in found) - blocked,
        blocked=blocked,
        calls=len(calls),
        tokens_in=sum(call.outcome.usage.prompt for call in calls),
        tokens_out=sum(call.outcome.usage.completion for call in calls),
        seconds=sum(step.seconds for step in found),
        cost=sum(costs) if costs else None,
        notes=_notes(table, column, name, traces),
    )


def _notes(table: RunTable, column: str, name: str, traces: Sequence[tuple[Example, Trace]]) -> tuple[str, ...]:
    done = [
        (example, trace, step)
        for example, trace in traces
        if (step := trace.step(name)) is not None and step.state == "done"
    ]
    if not done:
        return ()
    is_right = _judged_right(table, column)
    match done[0][2].op:
        case "vote":
            agreed = [value for _, _, step in done if isinstance(value := step.values.get("agreement"), float)]
            return (*((f"agreement {fmean(agreed):.2f}",) if agreed else ()), *_pass_notes(is_right, done))
        case "best_of":
            return _pass_notes(is_right, done)
        case "critique":
            return _critique_notes(table, column, name, is_right, done)
        case _:
            return ()


Right = Callable[[Example, str], bool | None]


def _judged_right(table: RunTable, column: str) -> Right | None:
    """Whether a text is right by the primary metric; None where that is not one of right and wrong."""
    info = table.infos.get(table.primary)
    spec = next((spec for spec in table.metrics if spec.name == table.primary), None)
    if info is None or spec is None or info.kind != "binary" or spec.id in OUTSIDE:
        return None
    output, good = table.prompts[column].output, 0.0 if info.direction == "min" else 1.0

    def is_right(example: Example, text: str) -> bool | None:
        (found,) = score((spec,), example, Outcome("", text), output)
        return None if found.value is None else found.value == good

    return is_right


def _pass_notes(is_right: Right | None, done: Sequence[tuple[Example, Trace, StepTrace]]) -> tuple[str, ...]:
    """pass@1 and pass@n of the samples, beside how often the chosen one is right: what choosing gains and leaves."""
    if is_right is None:
        return ()
    one: list[float] = []
    all_of: list[float] = []
    chosen: list[bool] = []
    n = 0
    for example, _, step in done:
        samples = _samples(step)
        if not samples:
            continue
        rights = [is_right(example, text) for text in samples]
        choice = is_right(example, step.text)
        if None in rights or choice is None:
            continue
        n = len(samples)
        right = sum(bool(each) for each in rights)
        one.append(pass_at(1, n, right))
        all_of.append(pass_at(n, n, right))
        chosen.append(choice)
    if not chosen:
        return ()
    return (f"chosen {fmean(chosen):.1%}, pass@1 {fmean(one):.1%}, pass@{n} {fmean(all_of):.1%}",)


def _samples(step: StepTrace) -> list[str]:
    found = step.values.get("samples")  # of a file that anybody may have written
    return [str(text) for text in cast("list[object]", found)] if isinstance(found, list) else []


def _critique_notes(
    table: RunTable,
    column: str,
    name: str,
    is_right: Right | None,
    done: Sequence[tuple[Example, Trace, StepTrace]],
) -> tuple[str, ...]:
    accepted = sum(bool(step.values.get("accepted")) for _, _, step in done)
    notes = [f"accepted {accepted} of {len(done)}"]
    does = next(step.does for step in table.prompts[column].steps if step.name == name)
    if is_right is None or not isinstance(does, Critique):
        return tuple(notes)
    fixed = broken = 0
    for example, trace, step in done:
        before = trace.step(does.step)
        was, now = is_right(example, before.text) if before else None, is_right(example, step.text)
        fixed += was is False and now is True
        broken += was is True and now is False
    return (*notes, f"fixed {fixed}, broke {broken}")

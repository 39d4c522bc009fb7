"""The steps of chains, for people: one cell's trace as lines, two traces side by side, a column's steps summed up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from promptlab.compare.values import DiffSpan
from promptlab.lab import wording
from promptlab.models.values import Outcome
from promptlab.runs.traces import StepTrace, Trace
from promptlab.scoring.catalogue import OUTSIDE
from promptlab.scoring.metrics import score
from promptlab.scoring.steps import pass_at
from promptlab.workspace.values import Critique, Example

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable

MARKS = {"done": "✓", "skipped": "·", "failed": "✗"}
_SLOW = 0.5
"""Share of a chain's time or cost from which a step is said to be what makes it slow or costly."""


class StepLine(Struct, frozen=True):
    """One step of a trace.

    Attributes:
        figures: Its time, tokens and cost, and how many times it asked.
        flags: ``slow`` and ``costly`` where it takes most of the chain's time or cost.
        said: What it did, or why it failed or was skipped.
    """

    step: str
    op: str
    state: str
    figures: str
    flags: tuple[str, ...]
    said: str
    text: str

    @property
    def head(self) -> str:
        """The line without its flags."""
        return "  ".join(filter(None, (f"{MARKS[self.state]} {self.step}", self.op, self.figures, self.said)))


def lines_of(trace: Trace) -> list[StepLine]:
    """Every step of a trace, in the order of the file."""
    seconds = sum(step.seconds for step in trace.steps)
    costs = sum(step.cost or 0.0 for step in trace.steps)
    asking = sum(bool(step.calls) for step in trace.steps)
    found: list[StepLine] = []
    for step in trace.steps:
        slow = asking > 1 and seconds > 0 and step.seconds > _SLOW * seconds
        costly = asking > 1 and costs > 0 and (step.cost or 0.0) > _SLOW * costs
        flags = (*(("slow",) if slow else ()), *(("costly",) if costly else ()))
        said = step.problem or step.note
        found.append(StepLine(step.step, step.op, step.state, _figures(step), flags, said, step.text))
    return found


def _figures(step: StepTrace) -> str:
    if not step.calls:
        return ""
    usage, cost = step.usage, step.cost
    parts = [
        f"{len(step.calls)} calls" if len(step.calls) > 1 else "",
        wording.seconds(step.seconds),
        f"{usage.prompt}+{usage.completion} tokens",
        f"cost {cost:.6f}" if cost is not None else "",
        "cached" if all(call.outcome.cached for call in step.calls) else "",
    ]
    return " · ".join(filter(None, parts))


class StepDiff(Struct, frozen=True):
    """A step in two traces. ``spans`` tell how its text changed; empty where it is the same."""

    step: str
    before: StepTrace | None
    after: StepTrace | None
    spans: tuple[DiffSpan, ...]


def trace_diff(before: Trace, after: Trace) -> list[StepDiff]:
    """Two traces step by step, by the steps' names: those of the second, then those that only the first has."""
    from promptlab.compare.words import word_diff

    names = dict.fromkeys([*(step.step for step in after.steps), *(step.step for step in before.steps)])
    found: list[StepDiff] = []
    for name in names:
        old, new = before.step(name), after.step(name)
        texts = (old.text if old else "", new.text if new else "")
        found.append(StepDiff(name, old, new, word_diff(*texts) if texts[0] != texts[1] else ()))
    return found


# -- a column's steps -----------------------------------------------------------------------------


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

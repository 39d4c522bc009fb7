"""One cell of a chain, step by step: as lines, and beside the steps of another cell."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from promptlab.compare.values import DiffSpan
from promptlab.errors import NotFound, UsageFault
from promptlab.lab import wording
from promptlab.lab.table import RunTable
from promptlab.runs.traces import StepTrace, Trace
from promptlab.workspace.toml import did_you_mean

MARKS = {"done": "✓", "skipped": "·", "failed": "✗", "blocked": "–"}
_SLOW = 0.5
"""Share of a chain's time or cost from which a step is said to be what makes it slow or costly."""


class StepLine(Struct, frozen=True):
    """One step of a trace.

    Attributes:
        state: As :func:`state_of` says.
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
    def mark(self) -> str:
        """The state in one character."""
        return MARKS[self.state]

    @property
    def head(self) -> str:
        """The line without its flags."""
        return "  ".join(filter(None, (f"{self.mark} {self.step}", self.op, self.figures, self.said)))


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
        found.append(StepLine(step.step, step.op, state_of(step), _figures(step), flags, said, step.text))
    return found


def state_of(step: StepTrace) -> str:
    """Its state, and ``blocked`` where it never began, since a step that it needs failed."""
    return "blocked" if step.values.get("blocked") else step.state


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


class _Passage(Struct):
    source: str = ""
    at: int = 0
    score: float = 0.0


def sources_of(step: StepTrace) -> list[str]:
    """Where the passages of a ``retrieve`` are from, best first: ``docs/returns.md, word 101, score 3.2``."""
    try:
        found = msgspec.convert(step.values.get("passages", []), list[_Passage])
    except msgspec.ValidationError:  # of a file that anybody may have written
        return []
    return [f"{one.source}, word {one.at}, score {one.score:g}" for one in found]


# -- two traces -----------------------------------------------------------------------------------


class StepDiff(Struct, frozen=True):
    """A step in two traces.

    Attributes:
        spans: How its text changed; empty where it is the same, or where one of them has none.
        asked: How its first question changed, all messages as one text; empty likewise.
    """

    step: str
    before: StepTrace | None
    after: StepTrace | None
    spans: tuple[DiffSpan, ...]
    asked: tuple[DiffSpan, ...]

    @property
    def same(self) -> bool:
        """Whether it did the same in both."""
        old, new = self.before, self.after
        return old is not None and new is not None and not self.said

    @property
    def said(self) -> str:
        """What is different, in a few words; "" where nothing is."""
        old, new = self.before, self.after
        if old is None or new is None:
            return "new" if old is None else "gone"
        if state_of(old) != state_of(new):
            return f"{state_of(old)} → {state_of(new)}"
        if self.asked:
            return "asked otherwise, answered otherwise" if self.spans else "asked otherwise, answered the same"
        return "answered otherwise" if self.spans and new.calls else "another result" if self.spans else ""


def trace_diff(before: Trace, after: Trace) -> list[StepDiff]:
    """Two traces step by step, by the steps' names: those of the second, then those that only the first has."""
    names = dict.fromkeys([*(step.step for step in after.steps), *(step.step for step in before.steps)])
    return [_step_diff(name, before.step(name), after.step(name)) for name in names]


def _step_diff(name: str, old: StepTrace | None, new: StepTrace | None) -> StepDiff:
    texts = (old.text, new.text) if old and new and old.state == new.state == "done" else ("", "")
    asked = (_question(old), _question(new)) if old and new and old.calls and new.calls else ("", "")
    return StepDiff(name, old, new, _words(*texts), _words(*asked))


def _words(old: str, new: str) -> tuple[DiffSpan, ...]:
    from promptlab.compare.words import word_diff

    return word_diff(old, new) if old != new else ()


def _question(step: StepTrace) -> str:
    return "\n".join(f"{message.role}: {message.content}" for message in step.messages(0))


# -- a cell of a run ------------------------------------------------------------------------------


def trace_of(table: RunTable, column: str, example: str, trial: int = 0) -> Trace:
    """The trace of one cell of a run.

    Raises:
        NotFound: The run has no such example.
        UsageFault: The column is no chain, or the cell has no trace.
    """
    ids = [each.id for each in table.examples]
    if example not in ids:
        near = did_you_mean(example, ids)
        raise NotFound(f"The run {table.run} has no example “{example}”. {near}".rstrip())
    if not 0 <= trial < table.trials:
        raise NotFound(f"The run {table.run} has {wording.plural(table.trials, 'trial')}: there is no {trial + 1}.")
    trace = table.trace(column, example, trial)
    if trace is not None:
        return trace
    label = f"{column} {table.variant(column).label}"
    if not table.prompts[column].steps:
        raise UsageFault(f"Column {label} of the run {table.run} is no chain, so it has no steps.")
    raise UsageFault(f"The steps of {example} in column {label} are not stored with the run {table.run}.")

"""What Compare shows: the columns of a run or a trial, and where each answer of them is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from promptlab.errors import PromptlabError
from promptlab.runs.values import Variant
from promptlab.workspace.values import Example

if TYPE_CHECKING:
    from promptlab.lab import Lab, RunTable
    from promptlab.tui.job import Job

_TRIALS = 12
"""Trials that are kept beside the run that they were made of."""


class Place(NamedTuple):
    """A column of a table: where a column of the sheet has its answer to one example."""

    table: RunTable
    column: str


class Sheet:
    """Columns side by side, over all examples that there are.

    A trial of a few examples takes the place of the columns before it. What they answered is not lost: of a column
    whose prompt, model and parameters are the same the answer of the run, or of an earlier trial, still stands.

    Attributes:
        tables: The newest first; the columns are those of ``top``.
        columns: Their letters, the baseline first.
        examples: Id of every example to its place in the order.
    """

    def __init__(self, tables: Sequence[RunTable], more: Sequence[Example] = ()) -> None:
        """Begin with tables of one eval set, the newest first, and examples that none of them may have."""
        self.tables = tuple(tables)
        self.more = tuple(more)
        self.top = self.tables[0]
        base = self.top.baseline
        variants = sorted(self.top.variants, key=lambda variant: variant.column != base)
        self.columns = tuple(variant.column for variant in variants)
        self._cases = tuple({example.id: example for example in table.examples} for table in self.tables)
        # The order of the eval set and the oldest table; of an example that was changed meanwhile the newest content.
        self._examples = {example.id: example for example in self.more}
        for cases in reversed(self._cases):
            self._examples |= cases
        self.examples = {example: at for at, example in enumerate(self._examples)}

    def on_top(self, table: RunTable) -> Sheet:
        """The sheet with another table's columns, which were made of these."""
        kept = [one for one in self.tables if one is not table][:_TRIALS]
        return Sheet((table, *kept), self.more)

    def belongs(self, table: RunTable) -> bool:
        """Whether a table is about the same prompt and eval set, so that answers can stand beside each other."""
        return (table.subject, table.evalset) == (self.top.subject, self.top.evalset)

    def example(self, example: str) -> Example:
        """An example by its id."""
        return self._examples[example]

    def variant(self, column: str) -> Variant:
        """A column of the sheet."""
        return self.top.variant(column)

    def baseline_of(self, column: str) -> str:
        """The column of the sheet that this one is held against."""
        return self.top.baseline_of(column)

    def place(self, column: str, example: str) -> Place | None:
        """Where the newest answer of a column to an example is; None where there is none."""
        wanted, case = self.top.variant(column), self._examples[example]
        for table, cases in zip(self.tables, self._cases, strict=True):
            if cases.get(example) != case:
                continue
            for variant in table.variants:
                if _same(variant, wanted) and table.outcome(variant.column, example) is not None:
                    return Place(table, variant.column)
        return None

    def writing(self, job: Job | None, column: str, example: str) -> str | None:
        """What a run that is going on has written so far of an answer; None where it is not to write one."""
        if job is None or not job.active or job.table is not self.top or example not in self._cases[0]:
            return None
        return job.texts.get((column, example, 0), "")


def sheet_of(lab: Lab, table: RunTable) -> Sheet:
    """A sheet of one table, over all examples of its eval set: those that it was not run on are there to be run."""
    try:
        return Sheet((table,), lab.evalset(table.evalset).examples)
    except PromptlabError:
        return Sheet((table,))  # The eval set is gone or does not load, which Prompts says.


def _same(one: Variant, other: Variant) -> bool:
    mine, theirs = (one.prompt, one.content, one.identity), (other.prompt, other.content, other.identity)
    return mine == theirs and one.params == other.params

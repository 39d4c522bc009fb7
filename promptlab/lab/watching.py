"""A run that another process does, seen from here: its table fills as its journal grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from promptlab.errors import NotFound
from promptlab.lab.table import RunTable
from promptlab.lab.values import CellScored
from promptlab.runs.control import Control, tell
from promptlab.runs.following import Following
from promptlab.runs.stored import read_plan, read_run
from promptlab.runs.values import CellText, Progress

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab


def is_elsewhere(lab: Lab, run: str) -> bool:
    """Whether another process is at work on a run."""
    try:
        return read_run(lab.journal_root(), run).state == "running"
    except NotFound:
        return False


class Watching:
    """One run under way elsewhere.

    Attributes:
        plan: Without its requests.
        table: Filled by ``look``; judges' scores are not in it before the run has ended and is opened again.
        texts: What models have written so far for cells without an outcome; of long texts the end.
    """

    def __init__(self, lab: Lab, run: str) -> None:
        """Begin with an empty table.

        Raises:
            NotFound: There is no such run in the journal.
            StorageFault: Its files are damaged.
        """
        self.plan = read_plan(lab.journal_root(), run)
        self.table = RunTable.of_plan(self.plan)
        self.table.run = run
        self._root = lab.journal_root()
        self._following = Following(self._root, run)
        self._said = Progress(total=self.plan.most)
        self.texts: tuple[CellText, ...] = ()

    @property
    def progress(self) -> Progress:
        """As the run says it, with the cells that the table has."""
        return structs.replace(self._said, done=self._following.done, failed=self._following.failed)

    def look(self) -> bool:
        """Take in what is new; False once the run has ended.

        Raises:
            StorageFault: The journal cannot be read.
        """
        from promptlab.lab.tracing import scores_of

        try:
            state = read_run(self._root, self.table.run).state
        except NotFound:
            state = "committed"  # saved, and no longer in the journal
        while lines := self._following.look():
            for line in lines:
                prompt, example = self.table.prompts[line.column], self.table.example(line.example)
                scores = scores_of(self.table.metrics, example, line.outcome, prompt, line.trace)
                self.table.add(CellScored(line.column, line.example, line.trial, line.outcome, scores, line.trace))
        if state == "running":
            live = self._following.live
            self.texts = live.texts if live else ()
            self._said = live.progress if live else self._said
            return True
        self.texts = ()
        self.table.state = "partial" if state == "partial" else "complete"
        return False

    def stop(self) -> None:
        """Have it end; what is answered is kept.

        Raises:
            UsageFault: It has ended already.
            StorageFault: The word cannot be written.
        """
        tell(self._root, self.table.run, Control(stop=True))

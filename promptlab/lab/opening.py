"""Past runs, saved or not: listing them, finding one by what a person writes, opening its table."""

from __future__ import annotations

from collections.abc import Iterable

from promptlab.errors import NotFound, PromptlabError
from promptlab.history.values import ColumnLine, RunRecord, ScoreLine
from promptlab.lab import archive
from promptlab.lab.keeping import Keeper
from promptlab.lab.opened import Opened, journal_mark
from promptlab.lab.storing import saved_summary, unsaved_summary
from promptlab.lab.table import RunTable
from promptlab.lab.values import PromptRun, RunSummary
from promptlab.runs.stored import list_runs, read_metrics, read_outcomes, read_plan, read_run
from promptlab.runs.values import Plan
from promptlab.scoring.values import MetricInfo
from promptlab.workspace.folder import Workspace


class Opener(Keeper):
    """The part of the lab that finds and opens past runs. Synchronous."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._finished: dict[str, tuple[RunTable, Plan]] = {}
        self._running: dict[str, RunTable] = {}
        self._opened = Opened()

    def runs(self, subject: str = "") -> list[RunSummary]:
        """Saved runs and runs that are only in the journal, newest first; those with a column of a prompt only."""
        if subject:
            return [found.run for found in self.runs_of(subject)]
        # The journal first: a run that is being saved in this moment is in the one before it leaves the other.
        journal = list_runs(self.journal_root())
        saved = [saved_summary(record) for record in self.records()]
        there = {summary.id for summary in saved}
        unsaved = [unsaved_summary(stored) for stored in journal if stored.id not in there]
        return sorted((*saved, *unsaved), key=lambda summary: summary.id, reverse=True)

    def runs_of(self, name: str) -> list[PromptRun]:
        """The runs that have a column of this prompt, saved or not, newest first."""
        found: list[PromptRun] = []
        for run in self.runs():
            columns = tuple(line for line in self.columns_of(run) if line.prompt == name)
            if columns:
                letters = {line.column for line in columns}
                scores = tuple(score for score in self._scores(run) if score.column in letters)
                found.append(PromptRun(run, columns, scores))
        return found

    def metric_info(self, metric: str, runs: Iterable[PromptRun]) -> MetricInfo | None:
        """What a metric is, by the first of these runs that has it and can be read; None where none can."""
        for found in runs:
            if not any(score.metric == metric for score in found.scores):
                continue
            try:
                if (record := found.run.record) is None or self._opened.get(found.run.id):
                    return self._open(found.run).infos.get(metric)
                return archive.infos_of(self.results(record), record.tag).get(metric)
            except PromptlabError:
                continue
        return None

    def columns_of(self, run: RunSummary) -> tuple[ColumnLine, ...]:
        """What each column of a run was, without opening its files."""
        if run.record is not None:
            return run.record.columns
        try:
            known = self._finished.get(run.id)
            variants = known[0].variants if known else read_plan(self.journal_root(), run.id).variants
        except PromptlabError:
            return ()  # damaged, or removed since it was listed
        return tuple(
            ColumnLine(v.column, v.prompt, v.content, v.version, v.model, v.identity, v.overrides) for v in variants
        )

    def _scores(self, run: RunSummary) -> tuple[ScoreLine, ...]:
        if run.record is not None:
            return run.record.scores
        if run.id not in self._finished:
            return ()
        table = self._finished[run.id][0]
        means = ((v.column, table.mean(v.column, table.primary)) for v in table.variants)
        return tuple(ScoreLine(column, table.primary, mean.mean, mean.n) for column, mean in means if mean)

    def open_run(self, ref: str) -> RunTable:
        """A past run by id, unique beginning or end of an id, tag, or ``last``.

        Raises:
            NotFound: None, or several, are meant.
        """
        return self._audited(self._open(self.find_run(ref)))

    def _open(self, summary: RunSummary) -> RunTable:
        if summary.id in self._finished:
            table = self._finished[summary.id][0]
            if summary.record is not None:
                table.tag = summary.record.tag  # another promptlab may have saved it
            return table
        if summary.record is None:
            try:
                return self._unsaved(summary.id)
            except NotFound:
                return self._saved(self.record(summary.id))  # saved by another promptlab since it was listed
        return self._saved(summary.record)

    def _unsaved(self, run: str) -> RunTable:
        if run in self._running:
            return self._running[run]
        mark = journal_mark(self.journal_root(), run)
        return self._opened.get(run, mark) or self._opened.put(run, self.journalled(run)[0], mark)

    def _saved(self, record: RunRecord) -> RunTable:
        table = self._opened.get(record.id)
        if table is None:
            table = archive.unpack(self.results(record), record.tag)
            table.tag, table.time = record.tag, record.time
            self._opened.put(record.id, table)
        return table

    def untagged(self, tag: str) -> None:
        """A run's tag was taken away: a table that is in memory is not saved any more."""
        self._opened.untagged(tag)
        for table, _ in self._finished.values():
            if table.tag == tag:
                table.tag = ""

    def find_run(self, ref: str) -> RunSummary:
        runs = self.runs()
        if not runs:
            raise NotFound(f"There is no run yet. `promptlab run PROMPT` makes one. {self.missing_hint()}".rstrip())
        if ref == "last":
            return runs[0]
        word = ref.rpartition("/")[2] if ref.startswith(("run/", "refs/tags/run/")) else ref
        found = [run for run in runs if run.id == word] or [
            run for run in runs if len(word) >= 4 and (run.id.startswith(word) or run.id.endswith(word))
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFound(
                f"“{ref}” could be {len(found)} runs: {', '.join(run.id for run in found[:4])}. Write more."
            )
        raise NotFound(f"There is no run “{ref}”. `promptlab runs` lists them; `last` is the newest.")

    def record(self, run: str) -> RunRecord:
        found = next((record for record in self.records() if record.id == run), None)
        if found is None:
            raise NotFound(f"There is no saved run {run}. `promptlab runs` lists them.")
        return found

    def results(self, record: RunRecord) -> dict[str, bytes]:
        """The files of a saved run by name."""
        from promptlab.history.runs import read_results

        return read_results(self.repository(), record)

    def journalled(self, run: str) -> tuple[RunTable, Plan]:
        root = self.journal_root()
        plan = read_plan(root, run)
        table = archive.reopen(plan, read_outcomes(root, run).lines.values(), read_metrics(root, run))
        table.run = run
        if plan.sequential is not None and read_run(root, run).state == "complete":
            table.state = "complete"  # though it has cells that nobody asked
        return table, plan

    def column(self, ref: str) -> tuple[RunTable, str]:
        """``RUN``, ``RUN:b`` → a table and one of its columns; without a letter the one that the run is about."""
        run, _, letter = ref.partition(":")
        table = self.open_run(run)
        letters = [variant.column for variant in table.variants]
        if letter and letter not in letters:
            raise NotFound(f"The run {table.run} has no column “{letter}”. Its columns: {', '.join(letters)}.")
        return table, letter or table.candidate

    def _audited(self, table: RunTable) -> RunTable:
        """The table, with doubts on the metrics whose judges failed their audits."""
        if table.judges:
            from promptlab.lab.audits import mark

            mark(self, table)
        return table

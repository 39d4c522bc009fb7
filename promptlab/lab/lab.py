"""The lab: reading a workspace, running plans, keeping and reopening runs."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from promptlab.errors import NotFound, PromptlabError, UsageFault
from promptlab.history.values import ColumnLine, RunRecord, SavedRun, ScoreLine
from promptlab.lab import archive, planning
from promptlab.lab.keeping import Keeper
from promptlab.lab.storing import folder_for, saved_summary, unsaved_summary
from promptlab.lab.table import RunTable
from promptlab.lab.values import (
    Bisection,
    BisectRequest,
    BisectStep,
    Comparison,
    LabEvent,
    PromptRun,
    RunRequest,
    RunSummary,
    SubjectDiff,
)
from promptlab.models import registry, trust
from promptlab.models.cache import Cache
from promptlab.models.values import Model
from promptlab.runs.stored import keep_metrics, list_runs, read_metrics, read_outcomes, read_plan, remove
from promptlab.runs.values import Plan
from promptlab.workspace.folder import Workspace
from promptlab.workspace.values import MetricSpec, ModelEntry, Prompt

if TYPE_CHECKING:
    from promptlab.lab.auditing import Audit
    from promptlab.lab.running import Judging

TABLES_FOR_DIFF = 20  # newest runs that are opened to find stored outputs of a version


class Lab(Keeper):
    """One workspace, open. Everything that the program can do, without a screen.

    Reading is synchronous and never starts a model. Running is async. ``await close()`` ends models that
    were started.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._cache: Cache | None = None
        self._models: dict[tuple[ModelEntry, bool], Model] = {}
        self._finished: dict[str, tuple[RunTable, Plan]] = {}
        self._opened: dict[str, RunTable] = {}

    @classmethod
    def open(cls, path: Path) -> Lab:
        """The workspace that ``path`` lies in. Needs no git and runs nothing of it.

        Raises:
            NotFound: There is none here or above.
            InvalidFile: Its promptlab.toml does not load.
        """
        return cls(Workspace.find(path))

    async def close(self) -> None:
        for model in self._models.values():
            await model.close()
        self._models.clear()
        if self._cache is not None:
            self._cache.close()
            self._cache = None

    # -- running ----------------------------------------------------------------------------------

    def plan(self, request: RunRequest, drafts: dict[str, str] | None = None) -> Plan:
        """Everything that a run will do. ``drafts``: prompt name → unsaved text in place of its file.

        Raises:
            PromptlabError: Anything about the request or the files that is wrong, before a model is asked.
        """
        return planning.build(self.workspace, request, lambda text: self.subject(text, drafts), self.model)

    def model(self, name: str) -> Model:
        """A model by name; not started before it is asked something, and kept for the next run."""
        planning.model_names(self.workspace, (name,))
        entry = self.settings.models[name]
        # By entry and trust: a changed line of promptlab.toml, or a key allowed meanwhile, makes it another model.
        key = (entry, trust.is_trusted(self.root, entry))
        if key not in self._models:
            self._models[key] = registry.open_model(entry, self.root, trusted=key[1])
        return self._models[key]

    def table(self, plan: Plan) -> RunTable:
        """The empty table of a plan."""
        return self._audited(RunTable.of_plan(plan))

    async def run(
        self,
        plan: Plan,
        table: RunTable,
        *,
        stop: asyncio.Event | None = None,
        use_cache: bool = True,
        scratch: bool = False,
        cache: Cache | None = None,
    ) -> AsyncGenerator[LabEvent, None]:
        """Do a plan, filling the table. An unfinished run of the same plan is taken up where it stopped.

        Args:
            use_cache: False asks the models again even where the answer is known.
            scratch: Keep nothing: the run does not appear in the list of runs.
            cache: Where known answers are looked up, in place of the person's own cache.
        """
        from promptlab.lab.running import run_plan
        from promptlab.runs.journal import open_journal

        models = {name: self.model(name) for name in dict.fromkeys(v.model for v in plan.variants)}
        judges = self._judging(plan.metrics, table.judges)
        with folder_for(scratch, self.journal_root) as root:
            journal = await asyncio.to_thread(open_journal, root, plan)
            table.run = journal.run
            events = run_plan(
                plan,
                table,
                models,
                judges,
                cache or self.cache(),
                journal,
                stop=stop or asyncio.Event(),
                use_cache=use_cache,
                currencies=self._currencies(),
            )
            try:
                async with aclosing(events):
                    async for event in events:
                        yield event
            finally:
                journal.close()
                if not scratch:
                    keep_metrics(root, journal.run, archive.metrics_lines(table))
                    self._finished[table.run] = (table, plan)

    def _judging(self, metrics: Sequence[MetricSpec], judges: Mapping[str, Prompt]) -> list[Judging]:
        from promptlab.lab.running import Judging

        return [
            Judging(spec, judges[spec.name], self.model(str(spec.options["model"])))
            for spec in metrics
            if spec.name in judges
        ]

    def _currencies(self) -> dict[str, str]:
        return {entry.name: entry.price.currency for entry in self.settings.models.values() if entry.price}

    def cache(self) -> Cache:
        if self._cache is None:
            self._cache = Cache()
        return self._cache

    def journal_root(self) -> Path:
        """Where unfinished runs are kept: inside the git folder, out of reach of `git clean`, else in user state."""
        if not self.history_problem():
            common = self.repository().common_dir
            if os.access(common, os.W_OK):
                return common / "promptlab"
        mark = hashlib.sha256(str(self.root).encode()).hexdigest()[:16]
        return Path(os.environ.get("PROMPTLAB_STATE") or platformdirs.user_state_dir("promptlab")) / mark

    # -- keeping runs -----------------------------------------------------------------------------

    def recover(self) -> list[SavedRun]:
        """Save again the runs whose saving was killed half way. Gives those that were saved now."""
        from promptlab.history.snapshot import forget, recover

        if self.history_problem():
            return []
        saved: list[SavedRun] = []
        for pending in recover(self.repository()):
            if pending.complete:
                continue
            try:
                saved.append(self.save(pending.run))
            except NotFound:
                forget(self.repository(), pending.run)  # its journal is gone: nothing is left to save
        return saved

    def save(self, run: str) -> SavedRun:
        """Commit a run that ended and tag it. HEAD, index and working tree are not touched.

        Raises:
            NotFound: No run that ended here has this id.
            HistoryFault: Git could not do it; the run stays in its journal.
        """
        from promptlab.history.snapshot import save_run
        from promptlab.history.values import RunFiles
        from promptlab.lab.message import run_message

        table, plan = self._finished.get(run) or self._from_journal(run)
        if table.tag:
            raise UsageFault(f"The run {run} is already saved as {table.tag}.")
        results = archive.pack(table, plan)
        files = RunFiles(results=results, inputs=plan.sources)
        saved = save_run(self.repository(), run, table.subject, files, run_message(table, plan.digest, results))
        table.tag = saved.tag
        if self._results(self.record(run)) == results:
            remove(self.journal_root(), run)
        return saved

    def size_of(self, run: str) -> int:
        """Bytes that saving a run that ended puts into the repository, before git packs them."""
        table, plan = self._finished.get(run) or self._from_journal(run)
        return sum(map(len, archive.pack(table, plan).values()))

    def same_run(self, plan: Plan) -> RunRecord | None:
        """The newest complete saved run that did exactly this plan, without a failed cell: those are asked again."""
        for record in self.records():
            if record.plan == plan.digest and not record.partial:
                table = self.open_run(record.id)
                if not any(table.summary(variant.column).failed for variant in table.variants):
                    return record
        return None

    def runs(self, subject: str = "") -> list[RunSummary]:
        """Saved runs and runs that are only in the journal, newest first; those with a column of a prompt only."""
        if subject:
            return [found.run for found in self.runs_of(subject)]
        saved = [saved_summary(record) for record in self.records()]
        there = {summary.id for summary in saved}
        unsaved = [unsaved_summary(stored) for stored in list_runs(self.journal_root()) if stored.id not in there]
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
        return self._audited(self._open(self._find(ref)))

    def _open(self, summary: RunSummary) -> RunTable:
        if summary.id in self._finished:
            return self._finished[summary.id][0]
        if summary.record is None:
            return self._from_journal(summary.id)[0]
        if summary.id not in self._opened:
            table = archive.unpack(self._results(summary.record), summary.record.tag)
            table.tag, table.time = summary.record.tag, summary.record.time
            self._opened[summary.id] = table
        return self._opened[summary.id]

    def _find(self, ref: str) -> RunSummary:
        runs = self.runs()
        if not runs:
            raise NotFound("There is no run yet. `promptlab run PROMPT` makes one.")
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

    def _results(self, record: RunRecord) -> dict[str, bytes]:
        from promptlab.history.runs import read_results

        return read_results(self.repository(), record)

    def _from_journal(self, run: str) -> tuple[RunTable, Plan]:
        root = self.journal_root()
        plan = read_plan(root, run)
        table = archive.reopen(plan, read_outcomes(root, run).lines.values(), read_metrics(root, run))
        table.run = run
        return table, plan

    # -- comparing --------------------------------------------------------------------------------

    def column(self, ref: str) -> tuple[RunTable, str]:
        """``RUN``, ``RUN:b`` → a table and one of its columns; without a letter the one that the run is about."""
        run, _, letter = ref.partition(":")
        table = self.open_run(run)
        letters = [variant.column for variant in table.variants]
        if letter and letter not in letters:
            raise NotFound(f"The run {table.run} has no column “{letter}”. Its columns: {', '.join(letters)}.")
        return table, letter or table.candidate

    def compare(self, before: str, after: str) -> Comparison:
        """Two columns of stored runs, ``RUN[:COLUMN]`` each; the first is the baseline."""
        from promptlab.lab.comparing import compare

        return compare(*self.column(before), *self.column(after))

    def diff(self, before: str, after: str) -> SubjectDiff:
        """Words that changed between two subjects, and in stored outputs where runs have both."""
        from promptlab.lab.comparing import output_diffs, prompt_fields

        old, new = self.subject(before), self.subject(after)
        tables = [self.open_run(run.id) for run in self._runs_with({old.prompt.content, new.prompt.content})]
        outputs, verdicts = output_diffs(old, new, tables)
        return SubjectDiff(old, new, prompt_fields(old.prompt, new.prompt), outputs, verdicts)

    def _runs_with(self, contents: set[str]) -> list[RunSummary]:
        """Newest complete or saved runs that have a column with one of these versions."""
        runs = (run for run in self.runs() if run.record is not None or run.state == "unsaved")
        having = (run for run in runs if contents & {line.content for line in self.columns_of(run)})
        return list(islice(having, TABLES_FOR_DIFF))

    def bisect(
        self, request: BisectRequest, stop: asyncio.Event | None = None
    ) -> AsyncGenerator[BisectStep | Bisection, None]:
        """Find the version where a metric or named examples got worse: the steps, then what was found.

        Raises:
            PromptlabError: As :func:`promptlab.lab.searching.bisect`.
        """
        from promptlab.lab.searching import bisect

        return bisect(self, request, stop or asyncio.Event())

    # -- scoring again ----------------------------------------------------------------------------

    async def score(self, ref: str, metrics: Sequence[MetricSpec], stop: asyncio.Event | None = None) -> RunTable:
        """Score the stored outcomes of a run with other metrics. No candidate model is asked; judges are."""
        from promptlab.lab.rescoring import rescored
        from promptlab.lab.running import judge_table

        metrics = planning.judged_by_default(self.workspace, metrics)
        judges = planning.judge_prompts(self.workspace, metrics)
        table = rescored(await asyncio.to_thread(self.open_run, ref), metrics, judges)
        judging = self._judging(metrics, judges)
        table.judge_models = {one.spec.name: one.model.identity for one in judging}
        async for _ in judge_table(table, judging, self.cache(), stop or asyncio.Event()):
            pass
        return self._audited(table)

    async def audit(self, judge: str, evalset: str = "", model: str = "") -> Audit:
        """Probe a judge on a model with the answers of an eval set, and remember what was found."""
        from promptlab.lab.auditing import audit_in

        return await audit_in(self, judge, evalset, model)

    def _audited(self, table: RunTable) -> RunTable:
        """The table, with doubts on the metrics whose judges failed their audits."""
        if table.judges:
            from promptlab.lab.auditing import mark

            mark(self, table)
        return table

"""The lab: reading a workspace, running plans, keeping and reopening runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.errors import NotFound, PromptlabError, UsageFault
from promptlab.history.values import Committed, GitCall, Published, RunRecord, SavedRun
from promptlab.lab import archive, planning, tracing
from promptlab.lab.limits import in_one_currency
from promptlab.lab.modelling import SpeedStep, measure_speeds
from promptlab.lab.opening import Opener
from promptlab.lab.storing import folder_for
from promptlab.lab.table import RunTable
from promptlab.lab.values import (
    Bisection,
    BisectRequest,
    BisectStep,
    Comparison,
    LabEvent,
    RunRequest,
    SubjectDiff,
)
from promptlab.models import registry, trust
from promptlab.models.cache import Cache
from promptlab.models.values import Model
from promptlab.runs.progress import Meter
from promptlab.runs.stored import keep_metrics, remove
from promptlab.runs.values import UNLIMITED, Budget, Plan
from promptlab.workspace.corpora import Corpora
from promptlab.workspace.folder import Workspace
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.values import MetricSpec

if TYPE_CHECKING:
    from promptlab.lab.audits import Audit
    from promptlab.lab.committing import Proposal
    from promptlab.lab.estimating import Estimate
    from promptlab.lab.undoing import Undo
    from promptlab.runs.journal import Journal

TABLES_FOR_DIFF = 20  # newest runs that are opened to find stored outputs of a version


class Lab(Opener):
    """One workspace, open. Everything that the program can do, without a screen.

    Reading is synchronous and never starts a model. Running is async. ``await close()`` ends models that
    were started.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._cache: Cache | None = None
        self._models: dict[tuple[ModelEntry, bool], Model] = {}

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

    async def estimate(self, plan: Plan, above: float | None = None, cache: Cache | None = None) -> Estimate | None:
        """What a plan will cost, as :func:`promptlab.lab.estimating.estimate`; answers go into ``cache``."""
        from promptlab.lab.estimating import estimate

        return await estimate(self, plan, cache or self.cache(), above)

    def retry(self, ref: str) -> tuple[Plan, Journal]:
        """What is left of a run whose cells failed: its plan, and a journal with its answers.

        Raises:
            PromptlabError: As :func:`promptlab.lab.retrying.retry`.
        """
        from promptlab.lab.retrying import retry

        return retry(self, ref)

    async def run(
        self,
        plan: Plan,
        table: RunTable,
        *,
        stop: asyncio.Event | None = None,
        scratch: bool = False,
        cache: Cache | None = None,
        budget: Budget = UNLIMITED,
        journal: Journal | None = None,
        executor: str = "",
        watched: bool = True,
    ) -> AsyncGenerator[LabEvent, None]:
        """Do a plan, filling the table. An unfinished run of the same plan is taken up where it stopped.

        Args:
            scratch: Keep nothing: the run does not appear in the list of runs.
            cache: Of known answers, in place of the person's own. With a ``fresh`` one the models are asked anyway.
            budget: What it may spend.
            journal: To go on with, in place of that of an unfinished run of the same plan or a new one.
            executor: Where models answer: "" here, ``ray`` or ``ray://HOST:PORT`` on a cluster.
            watched: Somebody sees what endpoints write while they write it.
        """
        from promptlab.lab.reviewing import rate_in
        from promptlab.lab.running import asked, run_plan
        from promptlab.lab.scorers import scorers
        from promptlab.lab.sequential import run_until_clear
        from promptlab.runs.journal import open_journal
        from promptlab.runs.means import Means

        models = {name: self._placed(name, executor) for name in dict.fromkeys(v.model for v in plan.variants)}
        judges = scorers(self, plan.metrics, table.judges, plan.sources, models)
        in_one_currency(budget, self._currencies(), asked(models, judges))
        with folder_for(scratch, self.journal_root) as root:
            journal = journal or await asyncio.to_thread(open_journal, root, plan)
            table.run = journal.run
            self._running[table.run] = table
            corpora, meter = Corpora(self.workspace), Meter(budget)
            means = Means(
                models,
                cache or self.cache(),
                journal,
                stop or asyncio.Event(),
                currencies=self._currencies(),
                meter=meter,
                watched=watched,
                grades=tracing.grades_for(corpora, self.model, self.cache(), meter) if plan.chains else None,
            )
            go = run_plan if plan.sequential is None else run_until_clear
            try:
                async with aclosing(go(plan, table, judges, means)) as events:
                    async for event in events:
                        yield event
            finally:
                journal.close()
                del self._running[table.run]
                rate_in(self, table)
                if not scratch:
                    keep_metrics(root, journal.run, archive.metrics_lines(table))
                    self._finished[table.run] = (table, plan)

    def _placed(self, name: str, executor: str) -> Model:
        """A model where it is to answer."""
        if not executor:
            return self.model(name)
        from promptlab.models.cluster import Spread

        entry = self.settings.models[name]
        return Spread(self.model(name), entry, self.root, trust.is_trusted(self.root, entry), executor)

    def _currencies(self) -> dict[str, str]:
        return {entry.name: entry.price.currency for entry in self.settings.models.values() if entry.price}

    def cache(self, *, fresh: bool = False) -> Cache:
        """The person's cache, or one that knows nothing yet and renews it."""
        if fresh:
            return Cache(fresh=True)
        if self._cache is None:
            self._cache = Cache()
        return self._cache

    # -- keeping runs -----------------------------------------------------------------------------

    def recover(self) -> list[SavedRun]:
        """Save or publish again the runs where a kill came in between. Gives those that were saved now."""
        from promptlab.history.snapshot import forget, recover
        from promptlab.lab.publishing import finish

        if self.history_problem():
            return []
        saved: list[SavedRun] = []
        for pending in recover(self.repository()):
            if pending.complete:
                continue
            try:
                saved.append(finish(self, pending))
            except NotFound:
                forget(self.repository(), pending.run)  # its journal is gone: nothing is left to save
        return saved

    def save(self, run: str) -> SavedRun:
        """Commit a run that ended and tag it. HEAD, index and working tree are not touched.

        In branch mode the run is put on the current branch, too; what keeps it off there is told, and is no fault.

        Raises:
            NotFound: No run that ended here has this id.
            HistoryFault: Git could not do it; the run stays in its journal.
        """
        from promptlab.history.actions import RunSaved
        from promptlab.history.committing import brought_by
        from promptlab.history.snapshot import save_run
        from promptlab.history.undoing import tag_object
        from promptlab.history.values import RunFiles
        from promptlab.lab.message import run_message
        from promptlab.lab.publishing import whole

        table, plan = self._finished.get(run) or self.journalled(run)
        if table.tag:
            raise UsageFault(f"The run {run} is already saved as {table.tag}.")
        wanted = self.settings.results
        results = archive.pack(table, plan, wanted.store_outputs)
        published = whole(table, results) if wanted.mode == "branch" else {}
        files = RunFiles(results=results, inputs=plan.sources, published=published, hooks=wanted.hooks == "run")
        saved = save_run(self.repository(), run, table.subject, files, run_message(table, plan.digest, results))
        table.tag = saved.tag
        made = brought_by(self.repository(), saved.published)
        self.did(f"saved the run {run}", RunSaved(saved.tag, tag_object(self.repository(), saved.tag), made))
        if self.results(self.record(run)) == results:
            remove(self.journal_root(), run)
        return saved

    def size_of(self, run: str) -> int:
        """Bytes that saving a run that ended puts into the repository, before git packs them."""
        table, plan = self._finished.get(run) or self.journalled(run)
        return sum(map(len, archive.pack(table, plan, self.settings.results.store_outputs).values()))

    def publish(self, ref: str) -> Published:
        """Commit a summary of a run on the current branch, or all of it in branch mode, beside what is staged.

        Raises:
            NotFound: No such run.
            HistoryFault: There is no branch to commit on, something is in the way, or git refused.
        """
        from promptlab.history.actions import CommitMade
        from promptlab.history.committing import brought_by
        from promptlab.lab.publishing import publish
        from promptlab.lab.undoing import was_saved_with

        done = publish(self, ref)
        made = brought_by(self.repository(), done)
        if made is not None and not was_saved_with(self, made):
            self.did(f"published on {done.branch}: “{made.title}”", CommitMade(made))
        return done

    def same_run(self, plan: Plan) -> RunRecord | None:
        """The newest complete saved run that did exactly this plan, without a failed cell: those are asked again."""
        for record in self.records():
            if record.plan == plan.digest and not record.partial:
                try:
                    table = self.open_run(record.id)
                except PromptlabError:
                    continue  # lost or damaged: opening it says so, and a new run may take its place
                if not any(table.summary(variant.column).failed for variant in table.variants):
                    return record
        return None

    # -- the person's own commit, and taking back ---------------------------------------------------

    def proposal(self, names: Sequence[str] = ()) -> Proposal:
        """What a commit of edited prompts would hold, all of them or those named, and a message for it."""
        from promptlab.lab.committing import propose

        return propose(self, names)

    def commit(self, proposal: Proposal, message: str, *, screen: bool = False) -> Committed:
        """Make the person's own commit of what a proposal showed, with their hooks, signing and identity."""
        from promptlab.lab.committing import commit

        return commit(self, proposal, message, screen=screen)

    def last_action(self) -> Undo | None:
        """The last thing that promptlab did here and that was not undone, and what undoing it would do."""
        from promptlab.lab.undoing import last_action

        return last_action(self)

    def undo(self, what: Undo) -> str:
        """Undo what ``last_action`` gave, and say what was done."""
        from promptlab.lab.undoing import undo

        return undo(self, what)

    def git_calls(self) -> tuple[GitCall, ...]:
        """The last git commands that this program ran, oldest first, without secrets."""
        from promptlab.history.calls import recent_calls

        return recent_calls()

    # -- comparing --------------------------------------------------------------------------------

    def compare(self, before: str, after: str) -> Comparison:
        """Two columns of stored runs, ``RUN[:COLUMN]`` each; the first is the baseline."""
        from promptlab.lab.comparing import compare

        return compare(*self.column(before), *self.column(after))

    def diff(self, before: str, after: str) -> SubjectDiff:
        """Words that changed between two subjects, and in stored outputs where runs have both."""
        from promptlab.lab.comparing import output_diffs, prompt_fields

        old, new = self.subject(before), self.subject(after)
        outputs, verdicts = output_diffs(old, new, self._tables_with({old.prompt.content, new.prompt.content}))
        return SubjectDiff(old, new, prompt_fields(old.prompt, new.prompt), outputs, verdicts)

    def _tables_with(self, contents: set[str]) -> list[RunTable]:
        """The newest complete or saved runs that have a column with one of these versions, and that can be opened."""
        runs = (run for run in self.runs() if run.record is not None or run.state == "unsaved")
        having = (run for run in runs if contents & {line.content for line in self.columns_of(run)})
        tables: list[RunTable] = []
        for run in islice(having, TABLES_FOR_DIFF):
            with suppress(PromptlabError):
                tables.append(self.open_run(run.id))
        return tables

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
        from promptlab.lab.custom import code_in, with_content
        from promptlab.lab.rescoring import rescored
        from promptlab.lab.reviewing import rate_in
        from promptlab.lab.running import judge_table
        from promptlab.lab.scorers import scorers

        metrics = planning.judged_by_default(self.workspace, metrics)
        judges = planning.judge_prompts(self.workspace, metrics)
        code = code_in(self.workspace, metrics)
        metrics = with_content(metrics, code)
        asked = scorers(self, metrics, judges, {file: one.data for file, one in code.items()}, None)
        judge_models = planning.judge_models(metrics, self.model)
        old = await asyncio.to_thread(self.open_run, ref)
        # In a thread: ten thousand answers under ten metrics take a second, and the screen goes on meanwhile.
        table = await asyncio.to_thread(rescored, old, metrics, judges, judge_models)
        async for _ in judge_table(table, asked, self.cache(), stop or asyncio.Event()):
            pass
        rate_in(self, table)
        return self._audited(table)

    async def audit(self, judge: str, evalset: str = "", model: str = "") -> Audit:
        """Probe a judge on a model with the answers of an eval set, and remember what was found."""
        from promptlab.lab.auditing import audit_in

        return await audit_in(self, judge, evalset, model)

    def measure_speeds(
        self, names: Sequence[str], stop: asyncio.Event | None = None
    ) -> AsyncGenerator[SpeedStep, None]:
        """Time models in files, as :func:`promptlab.lab.modelling.measure_speeds`."""
        return measure_speeds(self, names, stop or asyncio.Event())

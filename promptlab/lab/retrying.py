"""Asking again for the cells of a run that failed: everything else of the run stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import structs

from promptlab.errors import UsageFault
from promptlab.lab.archive import digest_of, prompt_file
from promptlab.lab.planning import identity_for
from promptlab.lab.table import RunTable
from promptlab.runs.journal import Journal
from promptlab.runs.plan import ColumnSpec, make_plan
from promptlab.runs.stored import read_run
from promptlab.runs.values import Cell, JournalLine, Plan, Variant
from promptlab.workspace.values import EvalSet

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab


def retry(lab: Lab, ref: str) -> tuple[Plan, Journal]:
    """The plan of a run as it was, and a journal that holds its answers: what failed is what is left to do.

    A run that is not saved goes on in its own journal; one that is saved stays as it is, and a new run begins.

    Raises:
        NotFound: There is no such run.
        UsageFault: None of its cells failed, it is running, or a model is no longer the one that it asked.
    """
    table = lab.open_run(ref)
    lines = list(_lines(table))
    plan = _plan(lab, table)
    if sum(not line.step for line in lines) == plan.size:
        raise UsageFault(f"No cell of the run {table.run} failed: there is nothing to ask again.")
    if not table.tag and read_run(lab.journal_root(), table.run).state != "committed":
        return plan, Journal.resume(lab.journal_root(), table.run, plan)
    journal = Journal.create(lab.journal_root(), plan)
    journal.append(lines)
    return plan, journal


def _lines(table: RunTable) -> Iterator[JournalLine]:
    """What the run knows: good outcomes with their traces, and what the steps of chains that failed were answered."""
    places = [
        (v.column, e.id, trial) for v in table.variants for e in table.examples for trial in range(table.trials)
    ]
    for place in places:
        outcome, trace = table.outcome(*place), table.trace(*place)
        if outcome is not None and outcome.fault is None:
            yield JournalLine(*place, structs.replace(outcome, cached=True), trace=trace)
        elif trace is not None:
            for step in trace.steps:
                known = (call.outcome for call in step.calls if call.outcome.fault is None)
                yield from (JournalLine(*place, structs.replace(one, cached=True), step=step.step) for one in known)


def _plan(lab: Lab, table: RunTable) -> Plan:
    """The run's plan with its requests, made of what the run kept: the files may have changed since."""
    made = make_plan(
        evalset=EvalSet(table.evalset, table.evalset_content, f"evalsets/{table.evalset}.toml", (), table.examples),
        examples=table.examples,
        columns=[_column(lab, table, variant) for variant in table.variants],
        trials=table.trials,
        baseline=table.baseline,
        metrics=table.metrics,
        decision=table.decision,
    )
    for cell in made.cells:
        _check_as_it_was(cell, table)
    return structs.replace(
        _kept(lab, table, made.digest),
        cells=made.cells,
        chains=made.chains,
    )


def _column(lab: Lab, table: RunTable, variant: Variant) -> ColumnSpec:
    model, prompt = lab.model(variant.model), table.prompts[variant.column]
    if identity_for(prompt, model, lab.model) != variant.identity:
        raise UsageFault(
            f"The model {variant.model} is no longer the one that the run {table.run} asked. Run it again instead."
        )
    return ColumnSpec(
        subject=variant.subject,
        prompt=prompt,
        version=variant.version,
        model=variant.model,
        identity=variant.identity,
        params=variant.params,
        capabilities=model.capabilities,
    )


def _check_as_it_was(cell: Cell, table: RunTable) -> None:
    """A cell has to be the one that the run had: an answer under another key would be of another question."""
    outcome = table.outcome(cell.column, cell.example, cell.trial)
    if outcome is not None and outcome.fault is None and outcome.key != cell.key:
        raise UsageFault(
            f"The run {table.run} was made by a promptlab that asked otherwise: its failed cells cannot be asked "
            "alone. Run it again instead."
        )


def _kept(lab: Lab, table: RunTable, digest: str) -> Plan:
    """The rest of the plan: that of the journal, or put together from the files of a saved run."""
    if not table.tag:
        return lab.journalled(table.run)[1]
    from promptlab.history.runs import read_inputs

    record = lab.record(table.run)
    files = lab.results(record)
    versions = {f"{v.prompt}@{v.content}" for v in table.variants}
    judges = {metric: f"{judge.name}@{judge.content}" for metric, judge in table.judges.items()}
    return Plan(
        subject=table.subject,
        digest=digest_of(files) or digest,
        evalset=table.evalset,
        evalset_content=table.evalset_content,
        examples=table.examples,
        variants=table.variants,
        baseline=table.baseline,
        trials=table.trials,
        metrics=table.metrics,
        decision=table.decision,
        sources=read_inputs(lab.repository(), record, _paths(table)),
        prompts={name: files[prompt_file(name)] for name in sorted(versions | set(judges.values()))},
        judges=judges,
        judge_models=table.judge_models,
        currency=table.currency,
    )


def _paths(table: RunTable) -> list[str]:
    """The files of the workspace that the run may have read, old versions of prompts left out."""
    working = [f"prompts/{v.prompt}.toml" for v in table.variants if "@" not in v.subject]
    evalset = f"evalsets/{table.evalset}"
    return ["promptlab.toml", f"{evalset}.toml", f"{evalset}.jsonl", *dict.fromkeys(working)]

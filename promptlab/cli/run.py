"""Running prompts over an eval set."""

from __future__ import annotations

import asyncio
import math
import signal
from contextlib import aclosing
from typing import Literal, NamedTuple

import click

from promptlab.cli import completing as complete
from promptlab.cli.detaching import Detached
from promptlab.cli.detaching import detach as hand_over
from promptlab.cli.narrating import Narrator
from promptlab.cli.output import closing, data, json_option, line, open_lab, run_async, say
from promptlab.cli.spending import agree, budget_of, finite, tell_estimate
from promptlab.cli.text import print_run
from promptlab.errors import ExitCode, HistoryFault, PromptlabError, UsageFault
from promptlab.lab import Lab, RunTable
from promptlab.lab.report import Gate, gates, run_report
from promptlab.lab.storing import saved_note, size_note
from promptlab.lab.values import RunRequest
from promptlab.models.cache import Cache
from promptlab.models.cluster import check_executor
from promptlab.runs.journal import Journal
from promptlab.runs.values import Budget, Plan
from promptlab.scoring.catalogue import describe

FAILED_SHARE = 0.05  # more failed cells than this in a column, and the run counts as failed


def parse_pairs(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """``key=value`` options as pairs."""
    pairs = [value.partition("=") for value in values]
    for value, (key, sign, _) in zip(values, pairs, strict=True):
        if not key or not sign:
            raise click.BadParameter(f"“{value}” is not of the form KEY=VALUE.", ctx, option)
    return tuple((key.strip(), text.strip()) for key, _, text in pairs)


@click.command("run")
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...", shell_complete=complete.subjects)
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    shell_complete=complete.models,
    help="Model to run on; may be repeated.",
)
@click.option(
    "-e", "--evalset", default="", metavar="EVALSET", shell_complete=complete.evalsets, help="Eval set to run over."
)
@click.option("-k", "--trials", type=click.IntRange(1, 1000), help="Samples per example.")
@click.option(
    "--baseline",
    default="",
    metavar="SUBJECT",
    shell_complete=complete.subjects,
    help="Compare with this one; default: the first.",
)
@click.option(
    "--set", "overrides", multiple=True, callback=parse_pairs, metavar="KEY=VALUE", help="Parameter override."
)
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Run N examples, always the same ones.")
@click.option("--only", multiple=True, metavar="TAG|ID", help="Run examples with this tag or id; may be repeated.")
@click.option("--aa", "again", is_flag=True, help="Run one SUBJECT twice with other seeds, to see what chance does.")
@click.option("--until-clear", is_flag=True, help="Ask in an order by chance and stop when the verdict is clear.")
@click.option("--max-examples", type=click.IntRange(1), metavar="N", help="With --until-clear: ask no more than N.")
@click.option("--no-cache", is_flag=True, help="Ask the models again even where the answer is known.")
@click.option("--no-commit", is_flag=True, help="Do not save the run in git.")
@click.option(
    "--retry-errors",
    "retry",
    default="",
    metavar="RUN",
    shell_complete=complete.runs,
    help="Ask again for the failed cells of RUN alone.",
)
@click.option("--detach", is_flag=True, help="Begin the run and leave it to a process of its own.")
@click.option("--executor", default="local", metavar="WHERE", help="local, or ray or ray://HOST:PORT for a cluster.")
@click.option("--estimate", is_flag=True, help="Say what the run will cost, from a few answers, and stop.")
@click.option("--yes", is_flag=True, help="Do not ask, whatever it costs.")
@click.option(
    "--max-cost", type=click.FloatRange(0, min_open=True), callback=finite, help="Stop when this much is spent."
)
@click.option("--max-tokens", type=click.IntRange(1), help="Stop when this many tokens are used.")
@click.option("--max-minutes", type=click.FloatRange(0, min_open=True), callback=finite, help="Stop after this time.")
@click.option(
    "--fail-on",
    type=click.Choice(["worse", "not-better"]),
    help="Exit 1 on this verdict, an invalid one or a broken guardrail.",
)
@click.option(
    "--min", "minimums", multiple=True, callback=parse_pairs, metavar="METRIC=VALUE", help="Exit 1 below it."
)
@json_option
@click.pass_context
def run_command(
    ctx: click.Context,
    subjects: tuple[str, ...],
    models: tuple[str, ...],
    evalset: str,
    trials: int | None,
    baseline: str,
    overrides: tuple[tuple[str, str], ...],
    sample: int | None,
    only: tuple[str, ...],
    again: bool,
    until_clear: bool,
    max_examples: int | None,
    no_cache: bool,
    no_commit: bool,
    retry: str,
    detach: bool,
    executor: str,
    estimate: bool,
    yes: bool,
    max_cost: float | None,
    max_tokens: int | None,
    max_minutes: float | None,
    fail_on: Literal["worse", "not-better"] | None,
    minimums: tuple[tuple[str, str], ...],
    as_json: bool,
) -> int:
    """Run prompts side by side over an eval set, say which is better, and commit the result.

    A SUBJECT is NAME (the working copy), NAME@v3, NAME@HASH, NAME@STAGE, NAME@REVISION or a path. Columns are the
    product of subjects and models. Exit codes: 0 done; 1 a gate failed; 2 usage or invalid files; 3 a model could not
    be reached or more than 5 % of a column's cells ended in an error; 4 cancelled or stopped by a limit.
    """
    lab = open_lab(ctx)
    _recover(lab)
    if max_examples is not None and not until_clear:
        raise UsageFault("--max-examples goes with --until-clear; --sample runs a fixed number of examples.")
    if detach and (as_json or fail_on or minimums):
        raise UsageFault("--detach does not wait for the end, and so not for --json, --fail-on or --min.")
    where = check_executor(executor)
    request = RunRequest(
        subjects, models, evalset, trials, baseline, overrides, sample, only, again, until_clear, max_examples
    )
    plan, journal = _planned(lab, request, retry)
    gate = _gate(plan, fail_on, minimums)
    cache = lab.cache(fresh=no_cache)
    if estimate:
        return tell_estimate(lab, plan, cache, as_json)
    known = None if no_cache or no_commit or retry else lab.same_run(plan)
    if known is not None:
        say(f"Nothing to run: {known.tag} did exactly this.")
        return _ended(lab.open_run(known.id), False, gate, as_json)
    budget = budget_of(max_cost, max_tokens, max_minutes)
    agree(lab, plan, cache, yes=yes, budget=budget)
    if detach:
        return hand_over(lab, plan, journal, cache, Detached(budget, where, no_cache, no_commit))
    table, failed = run_async(lambda: _run(lab, plan, cache, budget, journal, where))
    if _kept(lab, table, failed, wanted=not no_commit):
        return _ended(table, failed, gate, as_json)
    return ExitCode.CANCELLED


def _planned(lab: Lab, request: RunRequest, retry: str) -> tuple[Plan, Journal | None]:
    """What is to be run: what was asked for, or what failed of another run with its journal."""
    if not retry:
        return lab.plan(request), None
    if request != RunRequest(subjects=()):
        raise UsageFault(
            f"--retry-errors asks the failed cells of {retry} again as they were: leave out SUBJECT and the options "
            "that choose what is run."
        )
    return lab.retry(retry)


def _kept(lab: Lab, table: RunTable, failed: bool, *, wanted: bool) -> bool:
    """Save a run that ended; False for one that was cancelled, and stays in the journal."""
    if table.state == "cancelled":
        say("Cancelled. What was answered is kept: the same command goes on from there.")
        return False
    _save(lab, table, failed=failed, wanted=wanted)
    return True


class _Gate(NamedTuple):
    """What has to hold for exit code 0."""

    fail_on: Literal["worse", "not-better"] | None
    least: dict[str, float]


def _gate(plan: Plan, fail_on: Literal["worse", "not-better"] | None, minimums: tuple[tuple[str, str], ...]) -> _Gate:
    if fail_on and len(plan.variants) < 2:
        raise UsageFault("--fail-on needs something to compare: name two subjects, a --baseline, or two models.")
    return _Gate(fail_on, _minimums(plan, minimums))


def _ended(table: RunTable, failed: bool, gate: _Gate, as_json: bool) -> ExitCode:
    """Show a run that ended; its exit code."""
    broken = gates(table, gate.fail_on, gate.least)
    _tell(table, broken, as_json)
    if failed:
        return ExitCode.MODEL_FAILED
    if table.state == "partial":
        return ExitCode.CANCELLED
    return ExitCode.GATE_FAILED if broken else ExitCode.DONE


def _minimums(plan: Plan, pairs: tuple[tuple[str, str], ...]) -> dict[str, float]:
    names = {spec.name for spec in plan.metrics}
    least: dict[str, float] = {}
    for name, text in pairs:
        if name not in names:
            raise UsageFault(
                f"--min {name}: the eval set has no such metric. Its metrics: {', '.join(sorted(names))}."
            )
        least[name] = _minimum(name, text)
        spec = next(spec for spec in plan.metrics if spec.name == name)
        if describe(spec).kind == "binary" and not 0 <= least[name] <= 1:
            raise UsageFault(f"--min {name}={text}: {name} is a share. Write 0.75 or 75%.")
    return least


def _minimum(name: str, text: str) -> float:
    """A number, or a percentage."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageFault(f"--min {name}={text}: “{text}” is not a number.")
    return value


async def _run(
    lab: Lab, plan: Plan, cache: Cache, budget: Budget, journal: Journal | None, executor: str
) -> tuple[RunTable, bool]:
    """Do the plan with progress on stderr. Ctrl-C stops it; what arrived is kept."""
    table = lab.table(plan)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    narrator = Narrator(plan)
    running = lab.run(
        plan,
        table,
        stop=stop,
        cache=cache,
        budget=budget,
        journal=journal,
        executor=executor,
        watched=narrator.live,
    )
    async with closing(lab), aclosing(running) as events:
        async for event in events:
            narrator.tell(event)
    cache.close()
    summaries = [table.summary(variant.column) for variant in table.variants]
    return table, any(summary.failed > FAILED_SHARE * max(summary.done, 1) for summary in summaries)


def _recover(lab: Lab) -> None:
    """Save what a kill kept from being saved the last time; a fault there is no reason not to run now."""
    try:
        for saved in lab.recover():
            say(f"A save that was cut short is done now: {saved_note(saved)}")
    except PromptlabError as fault:
        say(f"A run of an earlier time is not saved yet: {fault}")


def _save(lab: Lab, table: RunTable, *, failed: bool, wanted: bool) -> None:
    """Commit the run, or say why it is not committed."""
    if not wanted:
        say(f"Not committed (--no-commit). `promptlab show {table.run}` shows it again.")
    elif failed:
        say("Not committed: too many cells ended in an error. The same command tries those again.")
    else:
        if note := size_note(lab.size_of(table.run)):
            say(f"{note} `promptlab prune` drops old runs, `store_outputs` keeps fewer texts.")
        try:
            saved = lab.save(table.run)
        except HistoryFault as fault:
            say(f"Not committed: {fault} The run is kept: `promptlab show {table.run}`.")
        else:
            say(f"Committed as {saved_note(saved)}")


def _tell(table: RunTable, broken: list[Gate], as_json: bool) -> None:
    if as_json:
        data({"run": run_report(table), "gates": broken})
        return
    print_run(table)
    for gate in broken:
        line(f"Gate failed: {gate.sentence}")

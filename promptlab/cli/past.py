"""Questions to the history of a prompt: blame, bisect."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing

import click

from promptlab.cli import completing as complete
from promptlab.cli.output import closing, data, json_option, line, open_lab, run_async, say, table
from promptlab.cli.results import when
from promptlab.cli.text import spans_text
from promptlab.errors import ExitCode
from promptlab.lab import Lab, wording
from promptlab.lab.values import Bisection, BisectRequest, BisectStep
from promptlab.lab.wording import plural

SHOWN_FLIPS = 10


@click.command("blame")
@click.argument("subject", shell_complete=complete.subjects)
@json_option
@click.pass_context
def blame_command(ctx: click.Context, subject: str, as_json: bool) -> int:
    """Each line of SUBJECT with the version that brought it, its author and date, and what that did to the score."""
    lab = open_lab(ctx)
    blame = lab.blame(subject)
    if as_json:
        data({"blame": blame})
        return ExitCode.DONE
    info = lab.metric_info(blame.metric, lab.runs_of(lab.past_name_of(subject))) if blame.metric else None
    rows = [
        (
            each.version,
            wording.change(each.change, info),
            each.author,
            when(each.time)[:10] if each.time else "",
            str(each.number),
            each.text,
        )
        for each in blame.lines
    ]
    table(("", blame.metric or "score", "author", "date", "line", ""), rows, right=frozenset({1, 4}))
    return ExitCode.DONE


@click.command("bisect")
@click.argument("subject", shell_complete=complete.subjects)
@click.option("-M", "--metric", default="", metavar="METRIC", help="Metric that got worse; default: the primary one.")
@click.option("--example", "examples", multiple=True, metavar="ID", help="Example that got worse; may be repeated.")
@click.option("--good", default="", metavar="VERSION", help="A version that was good; default: the oldest.")
@click.option("--bad", default="", metavar="VERSION", help="A version that is bad; default: the newest.")
@click.option("-m", "--model", default="", metavar="MODEL", shell_complete=complete.models, help="Model to run on.")
@click.option("-e", "--evalset", default="", metavar="EVALSET", shell_complete=complete.evalsets, help="Eval set.")
@json_option
@click.pass_context
def bisect_command(
    ctx: click.Context,
    subject: str,
    metric: str,
    examples: tuple[str, ...],
    good: str,
    bad: str,
    model: str,
    evalset: str,
    as_json: bool,
) -> int:
    """Find the version of SUBJECT where a metric, or the examples that are named, got worse.

    Versions are halved, not commits. Stored outcomes of saved runs and the cache are used; only what is missing is
    run, and no more of a version than it takes to be clear (1 % error) on which side it is.
    """
    lab = open_lab(ctx)
    request = BisectRequest(subject, metric, examples, good, bad, model, evalset)
    found = run_async(lambda: _search(lab, request))
    if as_json:
        data({"bisection": found})
    else:
        _print(found)
    return ExitCode.DONE


async def _search(lab: Lab, request: BisectRequest) -> Bisection:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with closing(lab), aclosing(lab.bisect(request, stop)) as events:
        async for event in events:
            if isinstance(event, Bisection):
                return event
            say(_step_text(event))
    raise AssertionError("a search ends with what it found")


def _step_text(step: BisectStep) -> str:
    if step.side == "skipped":
        return f"{step.version}: passed over, it cannot be run: {step.reason}."
    asked = f"{plural(step.asked, 'cell')} asked" if step.asked else "nothing asked"
    seen = plural(step.examples, "example")
    return f"{step.version}: {step.side} on {seen}, {asked}; {plural(step.left, 'version')} left"


def _print(found: Bisection) -> None:
    bad, good = found.first_bad, found.last_good
    line(f"{bad.label} is the first bad version on {found.model} · {found.metric} (last good: {good.label})")
    if found.between:
        line(f"It could also be {', '.join(found.between)}: these could not be run.")
    line(f"{bad.commit[:8]}  {when(bad.time)}  {bad.author}  {bad.subject}")
    for field in found.fields:
        line(f"@@ {field.field}")
        click.echo(spans_text(field.spans))
    line(f"{plural(len(found.flips), 'example')} got worse, of those that were run on both:")
    for flip in found.flips[:SHOWN_FLIPS]:
        line(f"▼ {flip.example}")
        click.echo(f"    {spans_text(flip.spans)}".replace("\n", "\n    "))
    if len(found.flips) > SHOWN_FLIPS:
        line(f"… and {len(found.flips) - SHOWN_FLIPS} more; --json has all.")
    say(
        f"{plural(found.looked_at, 'version')} and {found.cells} cells looked at, {found.asked}"
        f" asked; full runs of the same versions take {found.full}."
    )

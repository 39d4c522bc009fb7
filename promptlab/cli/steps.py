"""One cell of a chain in plain text, or two of them beside each other."""

from __future__ import annotations

import click

from promptlab.cli.completing import runs
from promptlab.cli.output import data, json_option, line, open_lab
from promptlab.cli.text import spans_text
from promptlab.cli.tracing import indented, print_trace
from promptlab.errors import ExitCode
from promptlab.lab.trace_lines import MARKS, StepDiff, state_of, trace_diff, trace_of


@click.command("steps")
@click.argument("example", metavar="EXAMPLE")
@click.argument("before", metavar="RUN[:COLUMN]", shell_complete=runs)
@click.argument("after", metavar="[RUN[:COLUMN]]", required=False, default="", shell_complete=runs)
@click.option("--trial", type=click.IntRange(1), default=1, metavar="N", help="Which sample of the example.")
@json_option
@click.pass_context
def steps_command(ctx: click.Context, example: str, before: str, after: str, trial: int, as_json: bool) -> int:
    """How a chain came to its answer on EXAMPLE, step by step.

    With two columns what differs in each step, words included; the first is the one before. Without a letter it is
    the column that the run is about.
    """
    lab = open_lab(ctx)
    run, column = lab.column(before)
    trace = trace_of(run, column, example, trial - 1)
    label = f"{run.variant(column).label} ({run.run}:{column})"
    if not after:
        if as_json:
            data({"steps": {"example": example, "column": label, "trace": trace}})
        else:
            line(f"{example} · {label}")
            print_trace(trace)
        return ExitCode.DONE
    run, column = lab.column(after)
    changes = trace_diff(trace, trace_of(run, column, example, trial - 1))
    new = f"{run.variant(column).label} ({run.run}:{column})"
    if as_json:
        data({"diff": {"example": example, "before": label, "after": new, "steps": changes}})
        return ExitCode.DONE
    line(f"{example}\nbefore  {label}\nafter   {new}")
    for change in changes:
        _print_change(change)
    return ExitCode.DONE


def _print_change(change: StepDiff) -> None:
    sides = (("before", change.before), ("after", change.after))
    marks = " ".join(MARKS[state_of(step)] if step else " " for _, step in sides)
    line(f"   {marks}  {change.step}  {change.said or 'the same'}")
    for word, step in sides:
        if step is not None and step.problem and not change.same:
            line(indented(f"{word}: {step.problem}"))
    for title, spans in (("asked", change.asked), ("=", change.spans)):
        if spans:
            click.echo(indented(f"{title} {spans_text(spans)}"))

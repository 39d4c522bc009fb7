"""Scoring what a run has stored once more."""

from __future__ import annotations

import click

from promptlab.cli import completing as complete
from promptlab.cli.output import closing, data, json_option, open_lab, run_async, say
from promptlab.cli.text import print_run
from promptlab.errors import ExitCode
from promptlab.lab import Lab, RunTable
from promptlab.lab.report import run_report
from promptlab.lab.wording import plural
from promptlab.workspace.values import MetricSpec


@click.command("score")
@click.argument("run", shell_complete=complete.runs)
@click.option("-M", "--metric", "metrics", multiple=True, metavar="METRIC", help="Metric to score; may be repeated.")
@json_option
@click.pass_context
def score_command(ctx: click.Context, run: str, metrics: tuple[str, ...], as_json: bool) -> int:
    """Score the stored outputs of RUN with other METRICs, of its eval set or bare ones. No candidate is asked."""
    lab = open_lab(ctx)
    specs = _specs(lab, lab.open_run(run), metrics)

    async def work() -> RunTable:
        async with closing(lab):
            return await lab.score(run, specs)

    table = run_async(work)
    if table.unstored:
        say(f"{plural(table.unstored, 'output')} of this run were not stored: only the scores it has are known.")
    if as_json:
        data({"run": run_report(table)})
    else:
        print_run(table)
    return ExitCode.DONE


def _specs(lab: Lab, table: RunTable, names: tuple[str, ...]) -> list[MetricSpec]:
    """Metrics by name: those of the eval set as it is now, else bare ones of the catalogue."""
    now = (lab.evalset(table.evalset).metrics if table.evalset in lab.evalset_names() else ()) or table.metrics
    declared = {spec.name: spec for spec in now}
    if not names:
        return list(declared.values())
    return [declared.get(name) or MetricSpec(id=name, name=name) for name in names]

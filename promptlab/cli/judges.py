"""Whether judges deserve belief."""

from __future__ import annotations

import click

from promptlab.cli import completing as complete
from promptlab.cli.output import closing, data, json_option, line, open_lab, run_async, table
from promptlab.errors import ExitCode
from promptlab.lab.audits import Audit


@click.command("audit")
@click.argument("judge", shell_complete=complete.subjects)
@click.option(
    "-e",
    "--evalset",
    default="",
    metavar="EVALSET",
    shell_complete=complete.evalsets,
    help="Whose references, previous or expected texts are graded.",
)
@click.option("-m", "--model", default="", metavar="MODEL", shell_complete=complete.models, help="Model that judges.")
@json_option
@click.pass_context
def audit_command(ctx: click.Context, judge: str, evalset: str, model: str, as_json: bool) -> int:
    """Probe JUDGE: replies without a grade, the same answer again, padding, nonsense, its own family.

    Asks the model seven times for each of up to 20 answers. A judge that fails is marked wherever its scores
    appear, and decides nothing. Exit codes: 0 passed; 1 failed.
    """
    lab = open_lab(ctx)

    async def work() -> Audit:
        async with closing(lab):
            return await lab.audit(judge, evalset, model)

    found = run_async(work)
    if as_json:
        data({"audit": found, "failed": bool(found.failed)})
    else:
        _print(found)
    return ExitCode.GATE_FAILED if found.failed else ExitCode.DONE


def _print(found: Audit) -> None:
    line(
        f"{found.judge} {found.content} on {found.model}: "
        f"{found.answers} answers of {found.evalset}, {found.calls} calls"
    )
    table(("", "probe", "found"), [(finding.result, finding.probe, finding.sentence) for finding in found.findings])
    if found.failed:
        line(f"FAILED: {', '.join(finding.probe for finding in found.failed)}. Its scores decide nothing.")
    else:
        line("PASSED.")

"""An answer token by token, and how sure the model was of each."""

from __future__ import annotations

import json
import math

import click

from promptlab.cli.completing import evalsets, models, subjects
from promptlab.cli.output import closing, data, json_option, line, open_lab, run_async, say, table
from promptlab.errors import ExitCode
from promptlab.lab import wording
from promptlab.lab.tokens import TokenReport, token_reports
from promptlab.lab.values import RunRequest

_BAR = 20
"""Characters of the bar of a token that is certain."""


@click.command("tokens")
@click.argument("example", metavar="EXAMPLE")
@click.argument("subjects", metavar="SUBJECT...", nargs=-1, required=True, shell_complete=subjects)
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    shell_complete=models,
    help="A model to ask; several may be given.",
)
@click.option("-e", "--evalset", default="", metavar="EVALSET", shell_complete=evalsets, help="Where EXAMPLE is.")
@click.option("--top", type=click.IntRange(0, 20), default=3, show_default=True, help="Likely tokens in each place.")
@json_option
@click.pass_context
def tokens_command(
    ctx: click.Context,
    example: str,
    subjects: tuple[str, ...],
    models: tuple[str, ...],
    evalset: str,
    top: int,
    as_json: bool,
) -> int:
    """How sure a model is of each token of its answer to EXAMPLE, and what it would have said instead.

    Asks the model once more, with log probabilities; the probabilities are the model's own, before temperature,
    penalties and output contract.
    """
    lab = open_lab(ctx)

    async def work() -> list[TokenReport]:
        async with closing(lab):
            return await token_reports(lab, RunRequest(subjects, models, evalset), example, top)

    found = run_async(work)
    if as_json:
        data({"tokens": {"example": example, "columns": found}})
    else:
        for report in found:
            _print(example, report)
    return ExitCode.MODEL_FAILED if any(report.problem for report in found) else ExitCode.DONE


def _print(example: str, report: TokenReport) -> None:
    line(f"{example} · {report.column}")
    if report.problem:
        say(f"   {report.problem}")
    rows: list[tuple[str, ...]] = []
    for token in report.tokens:
        probability = math.exp(token.logprob)
        others = [one for one in token.top if one.text != token.text]
        instead = ", ".join(f"{_shown(one.text)} {_percent(math.exp(one.logprob))}" for one in others)
        rows.append((f"   {_shown(token.text)}", _percent(probability), "█" * round(probability * _BAR), instead))
    if report.perplexity is not None:
        table(("   token", "", "", "instead of it"), rows, right=frozenset({1}))
        line(f"   perplexity {report.perplexity:.3g} over {wording.plural(len(rows), 'token')}")


def _shown(text: str) -> str:
    """In quotes: white space is part of a token."""
    return json.dumps(text, ensure_ascii=False)


def _percent(probability: float) -> str:
    return f"{probability:.1%}".replace("%", " %")

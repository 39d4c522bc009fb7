"""The workspace as a whole: check, trust."""

from __future__ import annotations

from pathlib import Path

import click

from promptlab.cli import completing as complete
from promptlab.cli.output import confirm, data, json_option, line, open_lab, say
from promptlab.errors import ExitCode, InvalidFile, NotFound, Problem
from promptlab.lab import Lab
from promptlab.lab.wording import plural


@click.command("check")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@json_option
@click.pass_context
def check_command(ctx: click.Context, path: Path | None, as_json: bool) -> int:
    """Load and validate every file of the workspace in PATH, or here, and say what is wrong."""
    start = path or ctx.find_root().obj
    assert isinstance(start, Path)
    try:
        lab = Lab.open(start)
        problems, counts = (
            lab.check(),
            ", ".join((plural(len(lab.prompts()), "prompt"), plural(len(lab.evalset_names()), "eval set"))),
        )
    except InvalidFile as fault:
        problems, counts = list(fault.problems), ""
    if as_json:
        data({"problems": problems})
    else:
        _tell(problems, counts)
    return ExitCode.INVALID if problems else ExitCode.DONE


def _tell(problems: list[Problem], counts: str) -> None:
    for problem in problems:
        line(str(problem))
    if problems:
        say(f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}.")
    else:
        say(f"Nothing is wrong: {counts}.")


@click.command("trust")
@click.argument("model", required=False, shell_complete=complete.models)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def trust_command(ctx: click.Context, model: str | None, yes: bool) -> int:
    """Allow this workspace to send a key to the endpoints that its promptlab.toml names, or to MODEL's alone.

    Without MODEL also: to run the Python of its own metrics, each file as it is now.
    """
    lab = open_lab(ctx)
    entries = lab.untrusted()
    code = lab.untrusted_code() if model is None else []
    if model is not None:
        if model not in lab.settings.models:
            raise NotFound(f"There is no model “{model}”. Models here: {', '.join(lab.settings.models)}.")
        entries = [entry for entry in entries if entry.name == model]
    if not entries and not code:
        say("Nothing here needs to be trusted.")
    for entry in entries:
        question = f"Send the key in {entry.api_key_env} to {entry.base_url} for the model “{entry.name}”?"
        if yes or confirm(question):
            lab.trust(entry)
            say(f"Trusted: {entry.name} may send the key in {entry.api_key_env} to {entry.base_url}.")
    for one in code:
        if not yes:
            line(one.data.decode("utf-8", "replace"))
        if yes or confirm(f"Run {one.file} ({one.content}) to score answers?"):
            lab.trust_code(one)
            say(f"Trusted: {one.file} may run as it is now ({one.content}).")
    return ExitCode.DONE

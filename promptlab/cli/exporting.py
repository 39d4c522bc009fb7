"""A prompt or chain as one file, for programs that have neither the workspace nor git; a run's answers as a table."""

from __future__ import annotations

from pathlib import Path

import click

from promptlab.cli import completing as complete
from promptlab.cli.output import open_lab, say
from promptlab.errors import ExitCode, UsageFault
from promptlab.lab.wording import plural


@click.command("export")
@click.argument("subject", metavar="SUBJECT|RUN", shell_complete=complete.runs_and_subjects)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-m", "--model", "models", multiple=True, help="Model to name in the file; repeatable. [default: yours]"
)
@click.option("--force", is_flag=True, help="Replace FILE.")
@click.pass_context
def export_command(ctx: click.Context, subject: str, file: Path, models: tuple[str, ...], force: bool) -> int:
    """Write SUBJECT, everything that it uses and its models to FILE, for `promptlab.load("FILE")` in Python.

    Where FILE ends in .csv or .jsonl, SUBJECT is a run, and FILE gets a row for every answer of it. In .jsonl
    everything is as it is; in .csv a text that a spreadsheet would take for a formula gets a ' before it.
    """
    from promptlab.lab.loading import export
    from promptlab.lab.run_files import SUFFIXES, write_run
    from promptlab.workspace import edit

    if file.suffix not in (".toml", *SUFFIXES):
        raise UsageFault(
            f"{file}: give it a name that ends in .toml for a prompt or chain, in .csv or .jsonl for a run's answers."
        )
    lab = open_lab(ctx)
    if file.suffix in SUFFIXES:
        if models:
            raise UsageFault("--model goes with a prompt or chain; the models of a run are those that it asked.")
        rows = write_run(lab.open_run(subject), file, replace=force, instead=", or replace it with --force")
        say(f"Wrote {plural(rows, 'row')} to {file}.")
        return ExitCode.DONE
    data = export(lab, subject, models)
    if file.exists() and not force:
        raise UsageFault(f"{file} is there already. Name another file, or replace it with --force.")
    edit.write_if_unchanged(file, data, edit.stamp(file.read_bytes()) if file.exists() else None)
    say(f"Wrote {file}. In Python: promptlab.load({str(file)!r}).run(…)")
    return ExitCode.DONE

"""A prompt or chain as one file, for programs that have neither the workspace nor git."""

from __future__ import annotations

from pathlib import Path

import click

from promptlab.cli import completing as complete
from promptlab.cli.output import open_lab, say
from promptlab.errors import ExitCode, UsageFault


@click.command("export")
@click.argument("subject", shell_complete=complete.subjects)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-m", "--model", "models", multiple=True, help="Model to name in the file; repeatable. [default: yours]"
)
@click.option("--force", is_flag=True, help="Replace FILE.")
@click.pass_context
def export_command(ctx: click.Context, subject: str, file: Path, models: tuple[str, ...], force: bool) -> int:
    """Write SUBJECT, everything that it uses and its models to FILE, for `promptlab.load("FILE")` in Python."""
    from promptlab.lab.loading import export
    from promptlab.workspace import edit

    if file.suffix != ".toml":
        raise UsageFault(f"{file}: the file is TOML, so give it a name that ends in .toml.")
    lab = open_lab(ctx)
    data = export(lab, subject, models)
    if file.exists() and not force:
        raise UsageFault(f"{file} is there already. Name another file, or replace it with --force.")
    edit.write_if_unchanged(file, data, edit.stamp(file.read_bytes()) if file.exists() else None)
    say(f"Wrote {file}. In Python: promptlab.load({str(file)!r}).run(…)")
    return ExitCode.DONE

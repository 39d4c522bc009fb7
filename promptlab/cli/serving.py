"""`promptlab serve`: the terminal program in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from promptlab.cli.output import line, say
from promptlab.errors import ExitCode
from promptlab.lab import Lab
from promptlab.models.addresses import on_loopback


@click.command("serve")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port to listen on.")
@click.pass_context
def serve_command(ctx: click.Context, path: Path | None, host: str, port: int) -> int:
    """Open the terminal program in a browser, for a colleague or on a machine without a terminal.

    Only this machine can reach it unless --host says otherwise, and only who has the link that is printed.
    """
    from promptlab.tui.serving import serve

    start = path or ctx.find_root().obj
    assert isinstance(start, Path)
    lab = Lab.open(start)
    say(f"{lab.root} is open to whoever has this link: they see and change its prompts and eval sets, run")
    say("them on your models with your keys and at your cost, and commit as you. Ctrl-C ends it.")
    if not on_loopback(host):
        say(f"{host} can be reached from other machines, and nothing on the way is encrypted: an ssh tunnel to")
        say("127.0.0.1 would be.")
    serve(lab.root, host, port, line)
    return ExitCode.DONE

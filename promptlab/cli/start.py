"""Beginning: demo, init, opening the terminal program, shell completion."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from promptlab.cli.output import confirm, say
from promptlab.errors import ExitCode, UsageFault

_GREETING = "This copy of the demo is yours, and nothing leaves this machine. r tries the prompt that you see."
folder = click.Path(path_type=Path, file_okay=False)


@click.command("open")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.pass_context
def open_command(ctx: click.Context, path: Path | None) -> int:
    """Open the terminal program on the workspace in PATH, or here."""
    start = path or ctx.find_root().obj
    assert isinstance(start, Path)
    return open_screen(start)


def open_screen(path: Path, greeting: str = "") -> int:
    """Start the terminal program, if this is a terminal that can show it; ``greeting`` is what it says first."""
    in_browser = "WebDriver" in os.environ.get("TEXTUAL_DRIVER", "")
    if not in_browser and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageFault("The terminal program needs a terminal. For scripts use `promptlab run`, `show` and others.")
    if not in_browser and os.environ.get("TERM", "") in ("", "dumb"):
        raise UsageFault("This terminal (TERM=dumb) cannot show screens. Use the commands, or set TERM.")
    from promptlab.tui import main

    return main(path, greeting)


@click.command("demo")
@click.argument("path", metavar="[DIR]", type=folder, required=False)
@click.option("--fresh", is_flag=True, help="Start over; the old copy is kept under another name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def demo_command(path: Path | None, fresh: bool, yes: bool) -> int:
    """Open the packaged example: prompts with a history, eval sets, two small models.

    It is copied to DIR, or to a folder of its own the first time; later it is opened again as you left it.
    """
    from promptlab import demo

    target = path or demo.default_folder()
    if fresh and target.exists() and any(target.iterdir()):
        if not yes:
            confirm(f"Start over in {target}? The copy there is kept under another name.", abort=True)
        say(f"The old copy is now {demo.replace(target)}.")
    elif demo.is_demo(target):
        return open_screen(target)
    else:
        demo.create(target)
    say(f"The example is in {target}.")
    return open_screen(target, _GREETING)


@click.command("init")
@click.argument("path", type=folder, required=False)
@click.option("--example", is_flag=True, help="Fill it with the packaged example, as a git repository.")
@click.pass_context
def init_command(ctx: click.Context, path: Path | None, example: bool) -> int:
    """Create a workspace in PATH, or here: promptlab.toml, prompts/ and evalsets/."""
    from promptlab import demo
    from promptlab.lab.beginning import create

    target = path or ctx.find_root().obj
    assert isinstance(target, Path)
    if example:
        demo.create(target)
        say(f"The example is in {target}. Open it with `promptlab {shlex.quote(str(target))}`.")
        return ExitCode.DONE
    created = create(target)
    shown = shlex.quote(str(target))
    say(f"Created in {target.resolve()}: {', '.join(created)}.")
    say(f"Next: `promptlab check {shown}`, then `promptlab {shown}`.")
    return ExitCode.DONE


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print the completion script of SHELL, for example: eval "$(promptlab completion bash)"."""
    from promptlab.cli.main import cli

    completion = get_completion_class(shell)
    assert completion is not None, "click knows bash, zsh and fish"
    click.echo(completion(cli, {}, "promptlab", "_PROMPTLAB_COMPLETE").source())
    return ExitCode.DONE

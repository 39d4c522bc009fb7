"""The group of all commands. A command's module is imported when the command is used."""

from __future__ import annotations

import importlib
import io
import os
import sys
from pathlib import Path
from typing import NamedTuple

import click

from promptlab import __version__
from promptlab.errors import Cancelled, ExitCode, PromptlabError


class Entry(NamedTuple):
    """Where a command lives, and its one line in `promptlab --help`."""

    module: str
    help: str


COMMANDS = {
    "demo": Entry("start", "Open the packaged example."),
    "init": Entry("start", "Create a workspace."),
    "check": Entry("workspace", "Load and validate everything, say what is wrong."),
    "run": Entry("run", "Run prompts side by side over an eval set."),
    "attach": Entry("attaching", "Watch a run that another process does; stop it or hold it back."),
    "compare": Entry("results", "Compare two columns of stored runs."),
    "diff": Entry("results", "Words that changed between two versions, and in their outputs."),
    "log": Entry("results", "Versions of a prompt with date, author, message, scores."),
    "blame": Entry("past", "Each line of a prompt with its version, author and change of score."),
    "bisect": Entry("past", "Find the version where a metric or examples got worse."),
    "runs": Entry("results", "List past runs."),
    "show": Entry("results", "Show a run, one of its examples, or a version of a prompt."),
    "steps": Entry("steps", "How a chain came to an answer, step by step; of two columns, what differs."),
    "tokens": Entry("tokens", "How sure a model is of each token of an answer."),
    "score": Entry("rescoring", "Score the stored outputs of a run with other metrics."),
    "commit": Entry("committing", "Commit edited prompts, diff and message shown first."),
    "undo": Entry("committing", "Undo the last thing that promptlab did here."),
    "tag": Entry("stages", "Pin the number of a version for good."),
    "promote": Entry("stages", "Put a version on a stage, with the run that justifies it."),
    "demote": Entry("stages", "Take the version off a stage."),
    "stages": Entry("stages", "List what is on each stage."),
    "push": Entry("sharing", "Send runs, pinned numbers and stages to a remote."),
    "pull": Entry("sharing", "Fetch runs, pinned numbers and stages from a remote."),
    "publish": Entry("publish", "Commit a summary of a run on the current branch."),
    "setup": Entry("sharing", "Let a plain `git fetch` bring runs too."),
    "prune": Entry("sharing", "Drop old saved runs, after a preview."),
    "review": Entry("reviews", "What people said of a run's answers, and say something yourself."),
    "reviews": Entry("reviews", "Import and export what people said."),
    "export": Entry("exporting", "Write a prompt or chain and all it uses to one file, for Python."),
    "audit": Entry("judges", "Probe a judge: does it deserve belief?"),
    "models": Entry("models", "List the models of the workspace, look at one, time those on this machine."),
    "trust": Entry("workspace", "Allow this workspace to send your key to an endpoint, or to run its own metrics."),
    "serve": Entry("serving", "Open the terminal program in a browser."),
    "keys": Entry("keys", "List the keys of the screens, and where to choose others."),
    "completion": Entry("start", "Print the shell completion script."),
    "open": Entry("start", "Open the terminal program on a workspace."),
}
HIDDEN = {"open"}


class Commands(click.Group):
    """All commands by name; a word that is no command is the path of a workspace to open."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"promptlab.cli.{COMMANDS[cmd_name].module}")
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if word not in COMMANDS and not word.startswith("-") and not ctx.resilient_parsing:
            if Path(word).is_dir() or "/" in word:
                return "open", self.get_command(ctx, "open"), args
            from difflib import get_close_matches

            near = get_close_matches(word, COMMANDS, 1)
            hint = f" Did you mean `{near[0]}`?" if near else " `promptlab --help` lists the commands."
            raise click.UsageError(f"There is no command and no folder “{word}”.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands from the table, so that `--help` imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])


@click.command(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`promptlab [PATH]` without a command opens the terminal program on a workspace.",
)
@click.option("-C", "--workspace", type=click.Path(path_type=Path), default=None, help="Work in this folder.")
@click.option("--show-git", is_flag=True, help="Say at the end which git commands were run.")
@click.version_option(__version__, prog_name="promptlab")
@click.pass_context
def cli(ctx: click.Context, workspace: Path | None, show_git: bool) -> None:
    """Iterate on LLM prompts in a git repository: run versions side by side, read an honest verdict, keep it."""
    ctx.obj = workspace or Path()
    if show_git:
        ctx.call_on_close(_show_git)
    if ctx.invoked_subcommand is None:
        command = COMMANDS["open"]
        module = importlib.import_module(f"promptlab.cli.{command.module}")
        ctx.exit(ctx.invoke(module.open_command, path=None))


def run(args: list[str]) -> int:
    """Run the command line. A foreseeable fault is a sentence on stderr and an exit code, never a traceback."""
    _fill_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a character still gets the rest
    try:
        answer: object = cli.main(args, prog_name="promptlab", standalone_mode=False)
        sys.stdout.flush()
        return answer if isinstance(answer, int) else ExitCode.DONE
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as fault:
        fault.show()
        return ExitCode.INVALID
    except (click.Abort, KeyboardInterrupt):
        _say(str(Cancelled("Cancelled.")))
        return ExitCode.CANCELLED
    except PromptlabError as fault:
        _say(str(fault))
        return fault.exit_code
    except SystemExit as stop:
        if type(sys.stdout).__name__.endswith("PacifyFlushWrapper"):
            return ExitCode.DONE  # click met a closed pipe and says so this way: the reader has what it wanted
        return stop.code if isinstance(stop.code, int) else ExitCode.DONE
    except OSError as fault:
        if isinstance(fault, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor may the last flush complain
            return ExitCode.DONE
        _say(f"The output cannot be written: {fault.strerror or fault}.")
        return ExitCode.INVALID


def _fill_closed_streams() -> None:
    """Give a stream that was closed (``>&-``) to nobody: the next file opened would take its number otherwise."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "w" if number else "r", encoding="utf-8"))


def _show_git() -> None:
    from promptlab.cli.output import say
    from promptlab.history.calls import recent_calls

    for call in recent_calls():
        code = "–" if call.code is None else str(call.code)
        say(f"{call.milliseconds:6.0f} ms  {code:>3}  {call.command}{f'  ({call.said})' if call.said else ''}")


def _say(text: str) -> None:
    from promptlab.cli.output import say

    say(f"promptlab: {text}")

"""The models of the workspace: list them, look at one, time those on this machine."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing

import click

from promptlab.cli import completing as complete
from promptlab.cli.output import data, is_terminal, json_option, line, open_lab, run_async, say, table
from promptlab.errors import ExitCode
from promptlab.lab import Lab
from promptlab.lab.model_facts import NOT_KNOWN, facts, fastest, megabytes, rate
from promptlab.lab.modelling import SpeedStep
from promptlab.lab.wording import seconds
from promptlab.models.speed import BATCHES, Speed
from promptlab.models.values import ModelInfo

HEAD = ("name", "kind", "model", "size", "context", "speed", "price", "license", "data goes to", "state")


@click.group("models", invoke_without_command=True)
@json_option
@click.pass_context
def models_command(ctx: click.Context, as_json: bool) -> int:
    """List the models of the workspace: what they are, where data goes, whether they can be used now."""
    if ctx.invoked_subcommand is not None:
        return ExitCode.DONE
    models = open_lab(ctx).models()
    if as_json:
        data({"models": models})
    elif models:
        table(HEAD, [_row(model) for model in models])
    else:
        say("No model is declared. Add [models.NAME] with gguf = … or model = … to promptlab.toml.")
    return ExitCode.DONE


def _row(model: ModelInfo) -> tuple[str, ...]:
    return (
        model.name,
        model.kind,
        model.target,
        megabytes(model.size),
        str(model.context or NOT_KNOWN),
        fastest(model.speed),
        model.price or NOT_KNOWN,
        model.license or NOT_KNOWN,
        model.data_goes,
        model.problem.removeprefix(f"{model.name}: ") or "ready",
    )


@models_command.command("info", short_help="All that is known of one model.")
@click.argument("name", shell_complete=complete.models)
@json_option
@click.pass_context
def info_command(ctx: click.Context, name: str, as_json: bool) -> int:
    """Show all that is known of the model NAME without asking it; of a file, what its metadata says."""
    found = open_lab(ctx).model_details(name)
    if as_json:
        data({"model": found})
        return ExitCode.DONE
    rows = [(label, text) for label, text in facts(found) if text]
    width = max(len(label) for label, _ in rows)
    for label, text in rows:
        first, *others = text.split("\n")
        line(f"{label:{width}}  {first}".rstrip())
        for other in others:
            line(f"{'':{width}}  {other}".rstrip())
    return ExitCode.DONE


@models_command.command("bench", short_help="Time the models that are files.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete.models)
@json_option
@click.pass_context
def bench_command(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> int:
    """Time the models NAME... that are files: loading, reading prompts, writing 1 to 16 answers at once, memory.

    What was measured is remembered on this machine, for `promptlab models`; Ctrl-C keeps what is measured by then.
    """
    found, problems, cancelled = run_async(lambda: _bench(open_lab(ctx), names))
    if as_json:
        data({"speeds": found, "problems": problems})
    elif found:
        table(_BENCH_HEAD, [_bench_row(name, speed) for name, speed in found.items()], _BENCH_RIGHT)
    for problem in problems.values():
        say(problem)
    if cancelled:
        say("Cancelled. What was measured is kept.")
        return ExitCode.CANCELLED
    return ExitCode.MODEL_FAILED if problems else ExitCode.DONE


_BENCH_HEAD = ("name", "threads", "load", "memory", "prompt tok/s", *(f"{batch} at once" for batch in BATCHES))
_BENCH_RIGHT = frozenset(range(1, len(_BENCH_HEAD)))


def _bench_row(name: str, speed: Speed) -> tuple[str, ...]:
    return (
        name,
        str(speed.threads),
        NOT_KNOWN if speed.load is None else seconds(speed.load),
        megabytes(speed.memory),
        rate(speed.prompt),
        *(rate(speed.answers.get(batch)) for batch in BATCHES),
    )


async def _bench(lab: Lab, names: tuple[str, ...]) -> tuple[dict[str, Speed], dict[str, str], bool]:
    """What was measured and what could not be, by model, with progress on stderr; whether Ctrl-C ended it."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    found: dict[str, Speed] = {}
    problems: dict[str, str] = {}
    async with aclosing(lab.measure_speeds(names, stop)) as steps:
        async for step in steps:
            if step.speed is not None:
                found[step.model] = step.speed
            if step.problem:
                problems[step.model] = step.problem
            _tell(step)
    if is_terminal():
        click.echo("\r" + " " * 40 + "\r", err=True, nl=False)
    return found, problems, stop.is_set()


def _tell(step: SpeedStep) -> None:
    left = f" · ETA {seconds(step.eta)}" if step.eta else ""
    text = f"measuring {step.model}: {step.share:.0%}{left}"
    if is_terminal():
        click.echo(f"\r{text:60}", err=True, nl=False)
    else:
        say(text)

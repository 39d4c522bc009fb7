"""What a run may cost: limits, the estimate before it, and the question above a threshold."""

from __future__ import annotations

import math

import click

from promptlab.cli.output import closing, confirm, data, is_terminal, line, run_async, say
from promptlab.errors import Cancelled, ExitCode, UsageFault
from promptlab.lab import Lab
from promptlab.lab.estimating import Estimate
from promptlab.models.cache import Cache
from promptlab.runs.values import UNLIMITED, Budget, Plan


def finite(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    """A limit that is a number: nan would never be reached."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a number above 0.")
    return value


def budget_of(cost: float | None, tokens: int | None, minutes: float | None) -> Budget:
    return Budget(cost, tokens, minutes) if (cost, tokens, minutes) != (None, None, None) else UNLIMITED


def tell_estimate(lab: Lab, plan: Plan, cache: Cache, as_json: bool) -> ExitCode:
    """Say what a plan will cost."""
    found = run_async(lambda: _estimated(lab, plan, cache))
    assert found is not None, "without a threshold there is always an estimate"
    if as_json:
        data({"estimate": found})
    elif found.cells == 0 and not found.sampled and not found.judged:
        line("Nothing to pay: no model of this run has a price, or every answer is known.")
    else:
        line(found.sentence)
    return ExitCode.MODEL_FAILED if found.failed else ExitCode.DONE


async def _estimated(lab: Lab, plan: Plan, cache: Cache, above: float | None = None) -> Estimate | None:
    async with closing(lab):
        return await lab.estimate(plan, above, cache)


def agree(lab: Lab, plan: Plan, cache: Cache, *, yes: bool, budget: Budget) -> None:
    """Ask before a run that costs more than the workspace's threshold.

    Raises:
        Cancelled: The person said no.
        UsageFault: Nobody is there to be asked.
    """
    above = lab.settings.defaults.ask_above
    if yes or budget != UNLIMITED:
        return
    found = run_async(lambda: _estimated(lab, plan, cache, above))
    if found is None or (found.cost <= above and not found.failed):
        return
    text = found.sentence
    if not is_terminal():
        raise UsageFault(
            f"{text} That is above ask_above = {above:g}. Say --yes to go on, or set a limit such as --max-cost."
        )
    say(text)
    if not confirm("Go on?"):
        raise Cancelled("Not begun. What was asked for the estimate is kept in the cache.")

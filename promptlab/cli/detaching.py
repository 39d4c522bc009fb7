"""`promptlab run --detach`: the run goes on without the terminal."""

from __future__ import annotations

from promptlab.cli.output import line, say
from promptlab.errors import ExitCode
from promptlab.lab import Lab
from promptlab.lab.detaching import go_on, put_down
from promptlab.runs.journal import Journal
from promptlab.runs.values import Budget, Plan


def detach(
    lab: Lab, plan: Plan, journal: Journal | None, budget: Budget, *, no_cache: bool, no_commit: bool, executor: str
) -> ExitCode:
    """Hand a plan to a process of its own, and say which run it is."""
    if journal is not None:
        journal.close()
    run = journal.run if journal is not None else put_down(lab, plan)
    limits = (
        ("--max-cost", budget.cost),
        ("--max-tokens", budget.tokens),
        ("--max-minutes", budget.minutes),
        ("--executor", executor or None),
    )
    options = [word for name, value in limits if value is not None for word in (name, str(value))]
    options += ["--no-cache"] * no_cache + ["--no-commit"] * no_commit
    go_on(lab, run, options)
    line(run)
    say(f"It goes on by itself. `promptlab attach {run}` watches it, with --stop ends it.")
    return ExitCode.DONE

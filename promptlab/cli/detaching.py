"""`promptlab run --detach`: the run goes on without the terminal."""

from __future__ import annotations

from typing import NamedTuple

from promptlab.cli.output import line, say
from promptlab.errors import ExitCode
from promptlab.lab import Lab
from promptlab.lab.detaching import go_on, put_down
from promptlab.models.cache import Cache
from promptlab.runs.journal import Journal
from promptlab.runs.values import Budget, Plan


class Detached(NamedTuple):
    """How another process is to do a run."""

    budget: Budget
    executor: str
    no_cache: bool
    no_commit: bool

    @property
    def options(self) -> list[str]:
        """As words of a command."""
        limits = (
            ("--max-cost", self.budget.cost),
            ("--max-tokens", self.budget.tokens),
            ("--max-minutes", self.budget.minutes),
            ("--executor", self.executor or None),
        )
        words = [word for name, value in limits if value is not None for word in (name, str(value))]
        return [*words, *["--no-cache"] * self.no_cache, *["--no-commit"] * self.no_commit]


def detach(lab: Lab, plan: Plan, journal: Journal | None, cache: Cache, how: Detached) -> ExitCode:
    """Hand a plan to a process of its own, and say which run it is."""
    if journal is not None:
        journal.close()
    run = journal.run if journal is not None else put_down(lab, plan, cache)
    go_on(lab, run, how.options)
    line(run)
    say(f"It goes on by itself. `promptlab attach {run}` watches it, with --stop ends it.")
    return ExitCode.DONE

"""An example from the last trial: its input and, if the person wishes, an answer as the expected one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.tui.safe import one_line
from promptlab.tui.screens.picking import Pick
from promptlab.tui.typed import app_of
from promptlab.workspace.values import Example

if TYPE_CHECKING:
    from promptlab.tui.job import Job
    from promptlab.tui.screens.evals import EvalsScreen
    from promptlab.tui.screens.evals_changes import Changes

NO_TRIAL = "No trial yet in this sitting: r on Prompts tries a text, and its answers can be added here."
_TAG = "trial"


def answers_of(job: Job) -> dict[str, tuple[Example, str]]:
    """The answers that a trial has: a line to choose by, the example and the answer."""
    table = job.table
    found: dict[str, tuple[Example, str]] = {}
    for example in table.examples:
        for variant in table.variants:
            outcome = table.outcome(variant.column, example.id)
            if outcome is not None and outcome.fault is None:
                line = f"{example.id} · {variant.column} {variant.label} · {outcome.text.strip()}"
                found[one_line(line)] = (example, outcome.text)
    return found


async def add_tried(screen: EvalsScreen, changes: Changes) -> None:
    """Choose an answer of the last trial, and open its form: a new one, or that of the example it was asked about."""
    from promptlab.lab.examples import same_as

    job, examples = screen.session.trial, screen.examples
    answers = answers_of(job) if job is not None else {}
    if not answers or examples is None:
        screen.session.say(NO_TRIAL)
        return
    chosen = await app_of(screen).push_screen_wait(Pick("Make an example of", list(answers), next(iter(answers))))
    if not chosen:
        return
    example, answer = answers[chosen]
    there = next((one for one in examples.evalset.examples if same_as(one) == same_as(example)), None)
    if there is not None:
        await changes.edit(there, {"expected": answer.strip()})
    else:
        await changes.add(example, {"expected": answer.strip(), "tags": _TAG})

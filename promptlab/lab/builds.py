"""Which builds of a model answered: what its endpoint said of them (``system_fingerprint``), beside its identity."""

from __future__ import annotations

from promptlab.lab.table import RunTable
from promptlab.workspace.packed import ids_of


def builds_of(table: RunTable, column: str) -> tuple[str, ...]:
    """The builds that gave a column's answers, in the order of the examples; none where nothing is said of them."""
    found: dict[str, None] = {}
    for example in ids_of(table.examples):
        for trial in range(table.trials):
            outcome = table.outcome(column, example, trial)
            if outcome is not None and outcome.fingerprint:
                found[outcome.fingerprint] = None
    return tuple(found)


def builds_lines(table: RunTable) -> list[str]:
    """A sentence for each model that said which build it is."""
    models: dict[str, dict[str, None]] = {}
    for variant in table.variants:
        models.setdefault(variant.model, {}).update(dict.fromkeys(builds_of(table, variant.column)))
    return [_sentence(model, list(builds)) for model, builds in models.items() if builds]


def _sentence(model: str, builds: list[str]) -> str:
    if len(builds) == 1:
        return f"{model} answered as build {builds[0]}"
    return f"{model} answered as {len(builds)} builds, {', '.join(builds)}: its answers are of several models"


def other_builds(before: tuple[RunTable, str], after: tuple[RunTable, str]) -> str:
    """The sentence for two columns of one model that no build of it shares, or ""."""
    old, new = builds_of(*before), builds_of(*after)
    if not old or not new or set(old) & set(new):
        return ""
    model = after[0].variant(after[1]).model
    return f"{model} answered as another build in the second run: {', '.join(old)} before, {', '.join(new)} after."

"""What tokens cost."""

from __future__ import annotations

from promptlab.models.values import Usage
from promptlab.workspace.settings_values import Price


def cost_of(price: Price | None, usage: Usage | None) -> float | None:
    """The cost of one answer in the price's currency, or None when price or token counts are not known."""
    if price is None or usage is None:
        return None
    return (usage.prompt * price.input + usage.completion * price.output) / price.per


def price_label(price: Price | None) -> str:
    """A price for a table: ``0.4 in, 1.6 out USD per 1M tokens``, or "" when there is none."""
    if price is None:
        return ""
    return f"{price.input:g} in, {price.output:g} out {price.currency} per {_tokens(price.per)} tokens"


def _tokens(count: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count % size == 0:
            return f"{count // size}{letter}"
    return str(count)

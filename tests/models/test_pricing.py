from __future__ import annotations

import pytest

from promptlab.models.pricing import cost_of, price_label
from promptlab.models.values import Usage
from promptlab.workspace.settings_values import Price


def test_cost_is_tokens_times_price() -> None:
    usage = Usage(prompt=1_000, completion=500, cached=900, reasoning=400)
    assert cost_of(Price(0.4, 1.6), usage) == pytest.approx(0.0004 + 0.0008)
    assert cost_of(Price(2, 4, per=1000), usage) == pytest.approx(4.0)


def test_an_unknown_cost_is_not_zero() -> None:
    assert cost_of(None, Usage(prompt=1)) is None
    assert cost_of(Price(1, 1), None) is None


@pytest.mark.parametrize(
    ("price", "label"),
    [
        (None, ""),
        (Price(0.4, 1.6), "0.4 in, 1.6 out USD per 1M tokens"),
        (Price(1, 2, "EUR", 1000), "1 in, 2 out EUR per 1k tokens"),
        (Price(0.01, 0.02, per=1), "0.01 in, 0.02 out USD per 1 tokens"),
    ],
)
def test_the_label_of_a_price(price: Price | None, label: str) -> None:
    assert price_label(price) == label

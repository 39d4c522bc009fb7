from __future__ import annotations

from promptlab.tui.widgets.spark import spark


def test_a_trend_from_lowest_to_highest() -> None:
    assert spark([0.0, 0.5, 1.0]) == "▁▅█"
    assert spark([0.2, None, 0.4]) == "▁·█"
    assert spark([0.7, 0.7]) == "▄▄"
    assert spark([None]) == "·"
    assert spark([]) == ""
    assert spark([1.0, 2.0, 3.0], width=2) == "▁█"
    assert spark([1.0], width=0) == ""

"""How fast a run is, as far as its answers have shown."""

from __future__ import annotations

import pytest

from promptlab.runs.progress import Rate


def test_a_rate_is_that_of_the_answers_after_the_first() -> None:
    rate = Rate()
    assert rate.at(5.0) == 0.0
    rate.add(8, 10.0)
    assert rate.at(10.0) == 0.0
    rate.add(6, 12.0)
    assert rate.at(12.0) == pytest.approx(3.0)
    rate.add(4, 14.0)
    assert 2.0 < rate.at(14.0) < 3.0


def test_four_slow_answers_that_were_asked_at_once_make_no_fast_model() -> None:
    """Each takes 20 seconds, four at once: they come a tenth of a second apart."""
    rate = Rate()
    for at in (20.0, 20.1, 20.2, 20.3):
        rate.add(1, at, 20.0)
    assert rate.at(20.4) == rate.at(39.9) == 0.0
    for at in (40.0, 40.1, 40.2, 40.3):
        rate.add(1, at, 20.0)
    assert rate.at(40.4) == pytest.approx(7 / 20.4)
    assert 0.1 < rate.at(50.0) < 0.4

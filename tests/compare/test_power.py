"""Trials needed, against the published variances of Miller 2024."""

from __future__ import annotations

import math

import numpy as np
import pytest

from promptlab.compare.power import spread_within, trials_needed


def spread(n: int, total: float) -> list[float]:
    """n differences with exactly this sample variance."""
    half = math.sqrt(total * (n - 1) / n)
    return [half, -half] * (n // 2)


@pytest.mark.parametrize(("k", "detectable"), [(1, 0.187), (4, 0.124), (10, 0.106)])
def test_the_detectable_effects_of_miller_at_a_hundred_examples(k: int, detectable: float) -> None:
    """ω² = 1/9 and σ² = 1/6 on each side, α = 0.05, power 0.8; the effects are rounded to three digits."""
    one = spread(100, 1 / 9 + 2 / 6)
    found = trials_needed(one, 2 / 6, 1, detectable)
    assert found is not None
    assert abs(found - k) <= max(1, k // 5)
    assert trials_needed(spread(100, 1 / 9 + 2 / 60), 2 / 6, 10, detectable) == found


def test_no_number_of_trials_undoes_the_spread_of_the_examples() -> None:
    assert trials_needed(spread(100, 1 / 9 + 2 / 6), 2 / 6, 1, 0.09) is None


def test_spread_within_is_that_of_numpy() -> None:
    examples = [[1.0, 0.0, 1.0], [0.5], [1.0, 1.0], [0.0, 1.0]]
    expected = np.mean([np.var(values, ddof=1) for values in examples if len(values) > 1])
    assert spread_within(examples) == pytest.approx(expected)
    assert spread_within([[1.0]]) == 0.0

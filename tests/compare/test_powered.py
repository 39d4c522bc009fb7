"""Prediction-powered means: the formula, and that the interval holds what it promises."""

from __future__ import annotations

import random

import numpy as np
import pytest
import scipy.stats

from promptlab.compare.intervals import mean_interval
from promptlab.compare.powered import powered_mean


def test_the_formula() -> None:
    """Equations 4 and 5 of PPI++ for a mean, written out with numpy."""
    y, f = np.array([1.0, 0.0, 1.0, 0.0, 1.0]), np.array([0.9, 0.2, 0.6, 0.4, 0.7])
    others = np.array([0.9, 0.8, 0.1, 0.5, 0.7, 0.3])
    weight = np.cov(y, f)[0, 1] / ((1 + 5 / 6) * np.var(np.concatenate([f, others]), ddof=1))
    mean = weight * others.mean() + (y - weight * f).mean()
    se = np.sqrt(weight**2 * others.var(ddof=1) / 6 + (y - weight * f).var(ddof=1) / 5)
    found = powered_mean(list(zip(y.tolist(), f.tolist(), strict=True)), others.tolist())
    half = scipy.stats.t.ppf(0.975, 4) * se
    assert (found.mean, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))
    assert found.method == f"prediction-powered, 5 labels, weight {weight:.2f}"


def test_without_other_answers_it_is_the_labels_mean() -> None:
    labelled = [(float(n % 2), 0.5) for n in range(20)]
    found = powered_mean(labelled, [])
    alone = mean_interval([y for y, _ in labelled], "numeric")
    assert (found.mean, found.low, found.high) == pytest.approx((alone.mean, alone.low, alone.high))


@pytest.mark.parametrize(("bias", "noise"), [(0.0, 0.1), (0.3, 0.1), (0.1, 0.6)])
def test_coverage_and_gain(bias: float, noise: float) -> None:
    """A judge that is biased and noisy: the interval still covers, and is not wider than from the labels alone."""
    dice = random.Random(11)
    covered, ours, alone = 0, 0.0, 0.0
    rounds = 400
    for _ in range(rounds):
        truth = [dice.gauss(0.6, 0.2) for _ in range(160)]
        judge = [y + bias + dice.gauss(0, noise) for y in truth]
        labelled = list(zip(truth[:40], judge[:40], strict=True))
        found = powered_mean(labelled, judge[40:])
        plain = mean_interval([y for y, _ in labelled], "numeric")
        covered += found.low <= 0.6 <= found.high
        ours, alone = ours + found.high - found.low, alone + plain.high - plain.low
    assert covered / rounds >= 0.92
    assert ours <= 1.02 * alone
    if noise < 0.2:
        assert ours < 0.75 * alone

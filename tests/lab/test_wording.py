from __future__ import annotations

import math

import pytest

from promptlab.compare.values import Interval
from promptlab.lab import wording
from promptlab.scoring.values import MetricInfo

LATENCY = MetricInfo("latency", "min", "numeric", 0.0, None, "s", "", 1, "seconds")
EXACT = MetricInfo("exact", "max", "binary", 0.0, 1.0, "", "expected", 1, "equal")


@pytest.mark.parametrize(
    ("value", "info", "text"), [(0.4123, LATENCY, "412 ms (n = 1)"), (1.0, EXACT, "100.0 % (n = 1)")]
)
def test_a_mean_of_one_value_has_no_interval(value: float, info: MetricInfo, text: str) -> None:
    interval = Interval(mean=value, low=math.nan, high=math.nan, n=1, missing=0, level=0.95, method="none")
    assert wording.mean(interval, info) == text

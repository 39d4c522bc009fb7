"""How numbers of a verdict are said: shares as points, other metrics in their unit."""

from __future__ import annotations

import math
from typing import NamedTuple


class Measure(NamedTuple):
    """How differences of a metric are spoken of.

    Attributes:
        points: The metric is a share, and a difference of 0.05 is said as "5.0 points".
        unit: Follows the number where the metric is no share.
        ratio: Values are logarithms of candidate ÷ baseline, and said as factors: "× 1.12".
        even: The metric is a share of wins, held against one half and not against another share.
    """

    points: bool
    unit: str
    even: bool = False
    ratio: bool = False

    def plain(self, value: float) -> str:
        """``5.0 points``, ``0.42 s``, ``a factor of 1.12``: without a sign."""
        if self.ratio:
            return f"a factor of {three_digits(math.exp(abs(value)))}"
        return f"{self.number(abs(value))}{self.suffix}"

    def mattering(self, value: float) -> str:
        """The smallest difference that matters: ``the 2.0 points that matter``."""
        return f"{self.plain(value)}, which matters" if self.ratio else f"the {self.plain(value)} that matter"

    def signed(self, value: float) -> str:
        """``+5.0``, ``-0.42``, ``× 0.80``: without a unit."""
        if self.ratio:
            return f"× {three_digits(math.exp(value))}"
        sign = "-" if value < 0 else "+"
        return f"{sign}{self.number(abs(value))}"

    def apart(self, value: float) -> str:
        """``5.0 points higher``, ``12.5 points below even``, ``× 0.80 of the baseline's``."""
        if self.ratio:
            return f"{self.signed(value)} of the baseline's"
        if self.even:
            return f"{self.plain(value)} {'above' if value > 0 else 'below'} even"
        return f"{self.plain(value)} {'higher' if value > 0 else 'lower'}"

    @property
    def same(self) -> str:
        """What no difference is called."""
        return "even" if self.even else "the same"

    def number(self, value: float) -> str:
        """One decimal for points, else three digits that count."""
        if not math.isfinite(value):
            return "∞" if math.isinf(value) else "?"
        return f"{100 * value:.1f}" if self.points else three_digits(value)

    @property
    def suffix(self) -> str:
        """What stands behind a number of this metric."""
        return " points" if self.points else f" {self.unit}" if self.unit else ""


def three_digits(value: float) -> str:
    """A number ≥ 0 with three digits that count, never in scientific notation: ``1234``, ``12.3``, ``0.00123``."""
    if value == 0:
        return "0"
    before = math.floor(math.log10(value)) + 1
    return f"{value:.{min(12, max(0, 3 - before))}f}"


def p_text(test: str, p: float) -> str:
    """``McNemar mid-p < 0.001``, ``sign-flip p = 0.042``."""
    return f"{test} < 0.001" if p < 0.001 else f"{test} = {p:.3f}"


def percent(level: float) -> str:
    """``95 %``."""
    return f"{round(100 * level, 2):g} %"


def listed(names: tuple[str, ...], shown: int = 5) -> str:
    """The first few names and how many more there are."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def count(number: int, noun: str) -> str:
    """``1 example``, ``12,000 examples``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")

"""How far two or more raters agree, and how far beyond chance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, permutations
from typing import Literal

from msgspec import Struct

from promptlab.compare.intervals import wilson
from promptlab.compare.student import NORMAL

Level = Literal["nominal", "interval"]


class Agreement(Struct, frozen=True):
    """Two raters on the same items.

    Attributes:
        n: Items that both rated.
        raw: Share of items with the same rating, with its Wilson interval.
        chance: The share that two raters with these habits would have by chance (Cohen).
        kappa: Cohen's κ with its interval; not a number where both always gave one and the same rating.
        ac1: Gwet's AC1, which stays put where one rating is frequent and κ collapses.
    """

    n: int
    raw: float
    raw_low: float
    raw_high: float
    chance: float
    kappa: float
    kappa_low: float
    kappa_high: float
    ac1: float


def agreement(pairs: Sequence[tuple[object, object]], level: float = 0.95) -> Agreement:
    """Two raters' categories item by item.

    κ = (p_o − p_e)/(1 − p_e) (Cohen 1960) with the large-sample standard error of Fleiss, Cohen & Everitt 1969;
    AC1 with p_e = Σ π(1 − π)/(q − 1), π the mean share of a category (Gwet 2008).

    Args:
        pairs: The two ratings of each item; at least one.
        level: Of the intervals.
    """
    n = len(pairs)
    categories = sorted({rating for pair in pairs for rating in pair}, key=repr)
    cells = Counter(pairs)
    first, second = (Counter(pair[at] for pair in pairs) for at in (0, 1))
    raw = sum(cells[one, one] for one in categories) / n
    chance = sum(first[one] * second[one] for one in categories) / n**2
    low, high = wilson(raw, n, level)
    kappa, se = math.nan, math.nan
    if chance < 1:
        kappa = (raw - chance) / (1 - chance)
        se = _kappa_se(cells, first, second, n, raw, chance, kappa)
    half = NORMAL.inv_cdf(0.5 + level / 2) * se
    shares = [(first[one] + second[one]) / (2 * n) for one in categories]
    expected = sum(share * (1 - share) for share in shares) / (len(categories) - 1) if len(categories) > 1 else 0.0
    return Agreement(
        n=n,
        raw=raw,
        raw_low=low,
        raw_high=high,
        chance=chance,
        kappa=kappa,
        kappa_low=max(-1.0, kappa - half),
        kappa_high=min(1.0, kappa + half),
        ac1=(raw - expected) / (1 - expected),
    )


def _kappa_se(
    cells: Mapping[tuple[object, object], int],
    first: Mapping[object, int],
    second: Mapping[object, int],
    n: int,
    raw: float,
    chance: float,
    kappa: float,
) -> float:
    agree = sum(
        count / n * (1 - (first[a] + second[a]) / n * (1 - kappa)) ** 2 for (a, b), count in cells.items() if a == b
    )
    differ = (1 - kappa) ** 2 * sum(
        count / n * ((second[a] + first[b]) / n) ** 2 for (a, b), count in cells.items() if a != b
    )
    spread = agree + differ - (kappa - chance * (1 - kappa)) ** 2
    return math.sqrt(max(0.0, spread) / n) / (1 - chance)


def krippendorff_alpha(ratings: Sequence[Mapping[str, float]], level: Level = "nominal") -> float:
    """Krippendorff's α = 1 − D_o/D_e of any number of raters, with ratings missing (Krippendorff 2011).

    Args:
        ratings: For each item, rater to rating; items with fewer than two are left out.
        level: ``nominal`` counts every difference alike, ``interval`` by its square.

    Returns:
        α; not a number with nothing to compare, or one and the same rating everywhere.
    """
    counts: Counter[tuple[float, float]] = Counter()
    for item in ratings:
        values = list(item.values())
        for pair in permutations(values, 2):
            counts[pair] += 1 / (len(values) - 1)  # pyright: ignore[reportArgumentType]  # shares of a count
    totals: Counter[float] = Counter()
    for (one, _), count in counts.items():
        totals[one] += count
    n = sum(totals.values())
    observed = sum(count * _distance(one, other, level) for (one, other), count in counts.items())
    expected = sum(
        2 * totals[one] * totals[other] * _distance(one, other, level) for one, other in combinations(totals, 2)
    )
    return 1 - (n - 1) * observed / expected if expected else math.nan


def _distance(one: float, other: float, level: Level) -> float:
    return float(one != other) if level == "nominal" else (one - other) ** 2


class Calibration(Struct, frozen=True):
    """How scores between 0 and 1 compare with the truth: Brier score, expected calibration error, the bins."""

    brier: float
    ece: float
    bins: tuple[tuple[float, float, int], ...]


def calibration(pairs: Sequence[tuple[float, float]], bins: int = 10) -> Calibration:
    """Scores against truths, in bins of equal width.

    Args:
        pairs: Score and truth of each item, both from 0 to 1; at least one.
        bins: How many; each that holds anything comes back as mean score, mean truth, count.
    """
    members: dict[int, list[tuple[float, float]]] = {}
    for score, truth in pairs:
        members.setdefault(min(bins - 1, int(score * bins)), []).append((score, truth))
    rows = tuple(
        (math.fsum(s for s, _ in group) / len(group), math.fsum(t for _, t in group) / len(group), len(group))
        for _, group in sorted(members.items())
    )
    brier = math.fsum((score - truth) ** 2 for score, truth in pairs) / len(pairs)
    ece = math.fsum(count * abs(score - truth) for score, truth, count in rows) / len(pairs)
    return Calibration(brier, ece, rows)

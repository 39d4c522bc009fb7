"""Three columns or more: how strong each is, from how often it wins an example against each other.

The model is Bradley and Terry's (1952): i beats j with probability π_i ÷ (π_i + π_j). The strengths are found by the
MM updates π_i ← W_i ÷ Σ_j n_ij ÷ (π_i + π_j) of Hunter (2004), where W_i are the wins of i and n_ij the comparisons;
a tie is half a win for each. Every pair begins with half a win each way, so that a column that never lost has a
strength too. Intervals and the chance to be best come from drawing the examples, or clusters of them, again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

PRIOR = 0.5
DRAWS = 2000
_SEED = 20_250_103
_STEPS = 2000


class Standing(Struct, frozen=True):
    """One column among the others.

    Attributes:
        strength: Log of π, 0 on average over the columns: a difference of 1 is odds of 2.7 to 1.
        low, high: Percentile bootstrap interval of the strength.
        best: Share of the draws in which it is the strongest.
        wins: Against all others, with half of the ties; of ``compared``.
    """

    column: str
    strength: float
    low: float
    high: float
    best: float
    wins: float
    compared: int


def strengths(wins: Numbers, prior: float = PRIOR) -> Numbers:
    """Log strengths of the columns.

    Args:
        wins: (…, columns, columns): how often the column of the row beat that of the column, ties as halves.
        prior: Wins each way that every pair has beforehand. Without any, each column must have lost and won against
            others in a way that connects all of them.

    Returns:
        (…, columns): 0 on average.
    """
    import numpy as np

    count = wins.shape[-1]
    wins = wins + prior * (1 - np.eye(count))
    compared = wins + np.swapaxes(wins, -1, -2)
    total = wins.sum(axis=-1)
    power = np.ones_like(total)
    for _ in range(_STEPS):
        shared = compared / (power[..., :, None] + power[..., None, :])
        after = total / shared.sum(axis=-1)
        after /= np.exp(np.log(after).mean(axis=-1, keepdims=True))
        moved = float(np.abs(after / power - 1).max())
        power = after
        if moved < 1e-10:
            break
    return np.log(power)


def rank(
    columns: Mapping[str, Mapping[str, float | None]],
    direction: str,
    clusters: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> list[Standing]:
    """Every column's strength, the strongest first, over the examples that have a score in all of them.

    Args:
        columns: Column to example id to score.
        direction: "min" where less is better.
        clusters: Example id to cluster, or None.
        level: Confidence level.

    Returns:
        Nothing where no example has a score in every column.
    """
    import numpy as np

    ids = _complete(list(columns.values()))
    if not ids:
        return []
    values = np.array([[column[example] for column in columns.values()] for example in ids], dtype=np.float64)
    if direction == "min":
        values = -values
    ahead = values[:, :, None] - values[:, None, :]
    won = (ahead > 0) + 0.5 * (ahead == 0) * (1 - np.eye(len(columns)))
    places: dict[str, int] = {}
    at = [places.setdefault(clusters.get(id, f"\0{id}") if clusters else id, len(places)) for id in ids]
    units = np.zeros((len(places), *won.shape[1:]))
    np.add.at(units, at, won)
    dice = np.random.default_rng(_SEED)
    times = dice.multinomial(len(units), np.full(len(units), 1 / len(units)), size=DRAWS).astype(np.float64)
    drawn = strengths(np.tensordot(times, units, axes=1))
    found = strengths(won.sum(axis=0))
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    best = np.bincount(drawn.argmax(axis=1), minlength=len(columns)) / DRAWS
    wins, compared = won.sum(axis=(0, 2)), len(ids) * (len(columns) - 1)
    standings = [
        Standing(name, float(found[i]), float(low[i]), float(high[i]), float(best[i]), float(wins[i]), compared)
        for i, name in enumerate(columns)
    ]
    return sorted(standings, key=lambda standing: -standing.strength)


def _complete(columns: Sequence[Mapping[str, float | None]]) -> list[str]:
    """The examples that have a score in every column."""
    return [example for example in columns[0] if all(column.get(example) is not None for column in columns)]

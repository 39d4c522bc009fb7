"""How many of each: bars beside each other, drawn with characters and readable without colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from promptlab.tui.widgets.cells import fit
from promptlab.tui.widgets.wrapping import Piece

_BINS = 10
_FEW = 12
"""Different values up to which each has a bin of its own."""
_LOG_FROM = 20.0
_PARTS = "▏▎▍▌▋▊▉█"


class Series(NamedTuple):
    """The values of one column, and its letter."""

    label: str
    values: Sequence[float]


class Bin(NamedTuple):
    """A stretch of values, and how many of each series are in it. ``high`` is out of it, but for the last one."""

    low: float
    high: float
    counts: tuple[int, ...]


def bins(series: Sequence[Series]) -> list[Bin]:
    """Cut the values into stretches: one for each where they are few, else ten equal ones.

    Equal in ratio where the largest is many times the least: latencies spread like that.
    """
    different = sorted({value for one in series for value in one.values})
    if len(different) <= _FEW:
        return [
            Bin(value, value, tuple(sum(v == value for v in one.values) for one in series)) for value in different
        ]
    low, high = different[0], different[-1]
    ratio = low > 0 and high / low >= _LOG_FROM
    bend: Callable[[float], float] = math.log if ratio else float
    back: Callable[[float], float] = math.exp if ratio else float
    step = (bend(high) - bend(low)) / _BINS
    edges = [low, *(back(bend(low) + at * step) for at in range(1, _BINS)), high]
    counts = [[0] * len(series) for _ in range(_BINS)]
    for at, one in enumerate(series):
        for value in one.values:
            place = sum(value >= edge for edge in edges[1:-1])
            counts[place][at] += 1
    return [Bin(edges[at], edges[at + 1], tuple(counts[at])) for at in range(_BINS)]


def histogram_pieces(series: Sequence[Series], write: Callable[[float], str], width: int) -> list[Piece]:
    """A line for each series in each bin: the bin's values, the letter, the bar, the count.

    Args:
        write: How a value is written.
        width: Cells of a line.
    """
    found = bins(series)
    if not found:
        return [Piece("no value yet\n", "dim")]
    labels = [write(one.low) if one.low == one.high else f"{write(one.low)} – {write(one.high)}" for one in found]
    gutter = min(max(map(len, labels)), width // 3)
    most = max(max(one.counts) for one in found)
    room = max(width - gutter - len(str(most)) - max(len(one.label) for one in series) - 5, 4)
    pieces: list[Piece] = []
    for label, one in zip(labels, found, strict=True):
        for at, (name, count) in enumerate(zip((s.label for s in series), one.counts, strict=True)):
            head = fit(label if at == 0 else "", gutter, "right")
            pieces += [Piece(f"{head} ", "dim"), Piece(f"{name} ", "head")]
            pieces += [Piece(bar(count / most, room), "accent"), Piece(f" {count}\n" if count else "·\n", "dim")]
    return pieces


def bar(share: float, width: int) -> str:
    """A bar of at most ``width`` cells, an eighth of a cell exact; something is drawn of all that is not nothing."""
    eighths = round(share * width * 8)
    if share > 0 and not eighths:
        eighths = 1
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_PARTS[rest - 1] if rest else "")

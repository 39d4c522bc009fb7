"""A row of numbers as a row of blocks."""

from __future__ import annotations

from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float | None], width: int = 8) -> str:
    """The last ``width`` values, one block each, from the lowest to the highest of them; ``·`` for no value.

    Equal values are drawn in the middle: a flat line claims neither the best nor the worst.
    """
    values = values[-width:] if width > 0 else ()
    known = [value for value in values if value is not None]
    if not known:
        return "·" * len(values)
    low, span = min(known), max(known) - min(known)
    top = len(_BLOCKS) - 1
    return "".join(
        "·" if value is None else _BLOCKS[round((value - low) / span * top) if span else top // 2] for value in values
    )

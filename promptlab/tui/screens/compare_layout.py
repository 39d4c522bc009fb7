"""Which columns Compare shows at once."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Size

SLOTS = 6
"""Columns that are shown at once, at most."""
_WIDE = 36
"""Cells below which a column beside others is not worth reading."""
_HIGH = 7
"""Lines of the same, for columns one below the other."""


def seats(
    columns: Sequence[str], chosen: str, room: Size, *, stacked: bool, alone: bool, before: Sequence[str]
) -> tuple[str, ...]:
    """The columns to show, the baseline first and the chosen one among them.

    Args:
        columns: All columns, the baseline first.
        alone: There is room for one only.
        before: What was shown before: the others move no further than they must.
    """
    if chosen not in columns:
        return tuple(columns[:1])
    fit = 1 if alone else min(SLOTS, max(room.height // _HIGH, 1) if stacked else max(room.width // _WIDE, 2))
    if fit >= len(columns):
        return tuple(columns)
    if fit == 1:
        return (chosen,)
    rest, count = list(columns[1:]), fit - 1
    first = rest.index(before[1]) if len(before) > 1 and before[1] in rest else 0
    if chosen in rest:
        at = rest.index(chosen)
        first = min(max(first, at - count + 1), at)
    first = min(first, len(rest) - count)
    return (columns[0], *rest[first : first + count])

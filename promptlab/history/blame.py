"""Which text brought each line of the last of several texts."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher


def blame(texts: Sequence[str]) -> list[int]:
    """For every line of the last text the index of the text since which it has been there.

    A line that was moved past a line that stayed counts as new, as in ``git blame``.

    Args:
        texts: Oldest first, at least one.
    """
    lines = texts[0].splitlines()
    origin = [0] * len(lines)
    for at, text in enumerate(texts[1:], 1):
        after = text.splitlines()
        if after == lines:
            continue
        start = _common(lines, after)
        end = _common(lines[start:][::-1], after[start:][::-1])
        old, new = lines[start : len(lines) - end], after[start : len(after) - end]
        middle = [at] * len(new)
        for i, j, size in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
            middle[j : j + size] = origin[start + i : start + i + size]
        origin = [*origin[:start], *middle, *origin[len(origin) - end :]]
        lines = after
    return origin


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many elements the two begin with in common."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))

"""Which prompts begin alike: the tree of beginnings that are worth evaluating once, and the order that uses them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int32]

LEAST_GAIN = 32
"""Tokens that a shared beginning must save in all: below that it costs more than it gives."""

LEAST_LENGTH = 8
"""Tokens that a shared beginning must add to the one that it continues."""


@dataclass(eq=False)
class Prefix:
    """A beginning that several prompts share.

    Attributes:
        tokens: The whole beginning, from the first token on.
        parent: The shorter beginning that this one continues, if there is one.
    """

    tokens: Tokens
    parent: Prefix | None


def common(a: Tokens, b: Tokens) -> int:
    """How many tokens two prompts have in common from the first on."""
    size = min(len(a), len(b))
    differ = np.flatnonzero(a[:size] != b[:size])
    return int(differ[0]) if len(differ) else size


def arrange(prompts: Sequence[Tokens], share: bool = True) -> list[tuple[int, Prefix | None]]:
    """The order in which to evaluate prompts, each with the longest worthwhile beginning that it shares.

    Prompts with one beginning come together; among those, and among groups, the order is that of first appearance.
    A prefix is shorter than every prompt that uses it, so that each has a token of its own to predict from. A pure
    function: the same prompts give the same order and the same prefixes.

    Args:
        prompts: Token ids; no prompt is empty.
        share: False leaves the order as it is and shares nothing.
    """
    if not share or len(prompts) < 2:
        return [(index, None) for index in range(len(prompts))]
    # Big-endian bytes sort as the numbers do, much faster than lists of them.
    order = sorted(range(len(prompts)), key=lambda index: prompts[index].astype(">i4").tobytes())
    alike = np.array([0, *(common(prompts[a], prompts[b]) for a, b in pairwise(order))])
    found: list[tuple[int, Prefix | None]] = []
    # A stack, not recursion: prompts may nest as deeply as they are long.
    stack: list[tuple[int, int, Prefix | None]] = [(0, len(order), None)]
    while stack:
        begin, end, above = stack.pop()
        if end - begin == 1:
            found.append((order[begin], above))
            continue
        shared = int(alike[begin + 1 : end].min())
        # In sorted order a prompt that is the beginning of the others comes first.
        length = min(shared, len(prompts[order[begin]]) - 1)
        known = len(above.tokens) if above else 0
        node = above
        if length - known >= LEAST_LENGTH and (end - begin - 1) * (length - known) >= LEAST_GAIN:
            node = Prefix(prompts[order[begin]][:length], above)
        parts = sorted(_split(alike, begin, end, shared), key=lambda part: min(order[part[0] : part[1]]))
        stack += [(*part, node) for part in reversed(parts)]
    return found


def _split(alike: npt.NDArray[np.int64], begin: int, end: int, shared: int) -> Iterator[tuple[int, int]]:
    """The parts of a stretch of sorted prompts that share more than the stretch as a whole does."""
    cuts = (np.flatnonzero(alike[begin + 1 : end] == shared) + begin + 1).tolist()
    return zip([begin, *cuts], [*cuts, end], strict=True)

"""From the numbers of a model to probabilities of tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

LEAST = -1000.0
"""Stands for a probability of nothing, and for what a damaged model gives: files can hold no infinity and no NaN."""


def logprobs(logits: npt.NDArray[np.float32], tokens: Sequence[int]) -> list[float]:
    """Natural logarithms of the probabilities of tokens: log softmax, summed in double precision."""
    wide = logits.astype(np.float64)
    highest = float(wide.max())
    total = highest + math.log(float(np.exp(wide - highest).sum()))
    return [max(LEAST, float(wide[token]) - total) for token in tokens]


def most_probable(logits: npt.NDArray[np.float32], count: int) -> list[int]:
    """The tokens with the largest numbers, the largest first; of equal ones the first in the vocabulary."""
    count = min(count, len(logits))
    if not count:
        return []
    edge = np.partition(logits, -count)[-count]
    found = np.flatnonzero(logits >= edge)
    order = np.argsort(-logits[found], kind="stable")[:count]
    return [int(token) for token in found[order]]

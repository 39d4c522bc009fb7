"""Which of two sides a stream of paired comparisons is on, with leave to stop as soon as it is clear."""

from __future__ import annotations

from collections.abc import Iterable

BETS = (0.2, 0.4, 0.6, 0.8, 0.95)


def clear_side(signs: Iterable[float], alpha: float = 0.01) -> int:
    """+1 or -1 once positive or negative signs clearly prevail, 0 while neither does.

    A sequential sign test by betting: a fortune of 1 is staked on one side, ``fortune *= 1 + bet * sign`` for each
    comparison, averaged over several sizes of bets. If that side does not prevail, the fortune is a supermartingale,
    so by Ville's inequality it ever reaches ``1 / alpha`` with a probability of at most ``alpha``: however often one
    looks, and whenever one stops. (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
    betting", 2024.) Nine signs that agree are enough at 1 %.

    Args:
        signs: Differences in the order they came; only their signs count, and 0 says nothing.
        alpha: How often one may be wrong about a side.
    """
    up, down = [1.0] * len(BETS), [1.0] * len(BETS)
    for value in signs:
        sign = (value > 0) - (value < 0)
        up = [fortune * (1 + bet * sign) for fortune, bet in zip(up, BETS, strict=True)]
        down = [fortune * (1 - bet * sign) for fortune, bet in zip(down, BETS, strict=True)]
        for fortunes, side in ((up, 1), (down, -1)):
            if sum(fortunes) / len(BETS) >= 1 / alpha:
                return side
    return 0


def clearly_no_drop(signs: Iterable[float], drop: float = 0.15, alpha: float = 0.04) -> bool:
    """Whether it is clear that negative signs do not prevail by as much as ``drop``.

    The same bets, against the claim that the signs' mean is ``-drop`` or less: where it is, the fortune is a
    supermartingale. While all signs are 0, some thirty examples are enough.

    Args:
        signs: Differences in the order they came; only their signs count.
        drop: Share of examples by which those that got worse outnumber those that got better.
        alpha: How often a drop of that size may be overlooked.
    """
    fortunes = [1.0] * len(BETS)
    for value in signs:
        sign = (value > 0) - (value < 0)
        fortunes = [fortune * (1 + bet * (sign + drop)) for fortune, bet in zip(fortunes, BETS, strict=True)]
        if sum(fortunes) / len(BETS) >= 1 / alpha:
            return True
    return False

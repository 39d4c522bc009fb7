from __future__ import annotations

import random

import pytest

from promptlab.compare.sequential import clear_side


def test_nine_that_agree_are_enough_and_eight_are_not() -> None:
    assert clear_side([1.0] * 8) == 0
    assert clear_side([0.3] * 9) == 1
    assert clear_side([-2.0] * 9) == -1


def test_nothing_says_nothing() -> None:
    assert clear_side([]) == 0
    assert clear_side([0.0] * 1000) == 0
    assert clear_side([0.0, 1.0] * 10) == 1


def test_what_was_clear_stays_so() -> None:
    assert clear_side([1.0] * 10 + [-1.0] * 500) == 1


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_a_coin_is_called_clear_no_more_often_than_promised(alpha: float) -> None:
    """Looking after each of 300 tosses, over 500 sequences."""
    coin = random.Random(4)
    wrong = sum(clear_side((coin.choice((-1, 1)) for _ in range(300)), alpha) == 1 for _ in range(500))
    assert wrong <= 500 * alpha + 3 * (500 * alpha * (1 - alpha)) ** 0.5


def test_it_finds_a_side_that_prevails_a_little() -> None:
    coin = random.Random(5)
    found = [clear_side(1 if coin.random() < 0.75 else -1 for _ in range(200)) for _ in range(100)]
    assert found.count(1) >= 99

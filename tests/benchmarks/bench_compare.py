"""What comparing costs: a test of many draws, and a word diff that has a budget.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_compare.py
"""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from benchmarks.clock import least, ratio

from promptlab.compare.paired import DRAWS, sign_flip_p
from promptlab.compare.words import tokens, word_diff

pytestmark = pytest.mark.benchmark


def test_sign_flips_of_a_thousand_differences() -> None:
    dice = random.Random(6)
    differences = [dice.gauss(0, 1) for _ in range(1000)]

    def plain() -> None:
        values = np.array(differences)
        signs = np.random.default_rng(1).choice([-1.0, 1.0], size=(DRAWS, len(values)))
        np.count_nonzero(np.abs(signs @ values) >= abs(values.sum()))

    found = ratio(f"{DRAWS} draws of 1,000 signs", lambda: sign_flip_p(differences), "one plain matrix", plain)
    assert found < 1.5


def shuffled(line: int) -> tuple[str, str]:
    """Two texts of 100 kB with one vocabulary, so that they are not dismissed at first sight."""
    dice = random.Random(1)
    vocabulary = ["".join(dice.choices("abcdefghijklmnop", k=dice.randint(2, 9))) for _ in range(3000)]
    one = [dice.choice(vocabulary) + ("\n" if line and dice.random() < 1 / line else " ") for _ in range(15_500)]
    two = one.copy()
    dice.shuffle(two)
    assert 95_000 < len("".join(one)) < 105_000
    return "".join(one), "".join(two)


@pytest.mark.parametrize("budget", [0.25, 1.0])
@pytest.mark.parametrize("line", [12, 0], ids=["lines", "one line"])
def test_the_worst_diff_keeps_its_budget(line: int, budget: float) -> None:
    one, two = shuffled(line)
    (cut,) = least(lambda: (tokens(one), tokens(two)))
    seconds: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        word_diff(one, two, budget)
        seconds.append(time.perf_counter() - start)
    over = min(seconds) - budget
    print(f"\n  100 kB against the same words shuffled: {min(seconds):.3f} s of a budget of {budget} s", end="")
    print(f", cutting both into tokens {cut:.3f} s", end="")
    assert over < 0.2 * budget or over < 10 * cut

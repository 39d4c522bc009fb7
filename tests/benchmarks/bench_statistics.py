"""How often the verdicts are wrong, by simulation: pytest -s -m benchmark tests/benchmarks/bench_statistics.py

Every null has real variance between examples: two versions differ on single examples, and are the same on average.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from promptlab.compare.intervals import mean_interval
from promptlab.compare.resampling import decide_set
from promptlab.compare.values import Verdict
from promptlab.compare.verdict import decide
from promptlab.models.values import Outcome
from promptlab.scoring.families.labels import Reader, macro_f1
from promptlab.scoring.metrics import score
from promptlab.workspace.values import Decision, Example, MetricSpec

pytestmark = pytest.mark.benchmark
DECISION = Decision(min_effect=0.02)
Column = dict[str, float | None]


def column(values: np.ndarray) -> Column:
    return {f"e{at}": float(value) for at, value in enumerate(values)}


def rate(verdict: Callable[[np.random.Generator], Verdict], rounds: int, seed: int) -> float:
    """The share of rounds that claim a difference where there is none."""
    dice = np.random.default_rng(seed)
    return sum(verdict(dice).status in ("BETTER", "WORSE") for _ in range(rounds)) / rounds


def of(old: np.ndarray, new: np.ndarray, kind: str, clusters: Mapping[str, str] | None = None, k: int = 1) -> Verdict:
    return decide(
        column(old), column(new), "m", "max", "binary" if kind == "binary" else "numeric", DECISION, clusters, k
    )


def binary(dice: np.random.Generator) -> Verdict:
    p = dice.beta(2, 1, size=(2, 100))
    return of(*(dice.random((2, 100)) < p).astype(float), "binary")


def numeric(dice: np.random.Generator) -> Verdict:
    item = dice.lognormal(0, 0.5, 50)
    return of(*(item + dice.standard_t(4, size=(2, 50)) * 0.4), "numeric")


def repeated(dice: np.random.Generator) -> Verdict:
    p = dice.beta(1, 1, size=(2, 50))
    return of(*(dice.binomial(10, p) / 10), "binary", k=10)


def clustered(dice: np.random.Generator) -> Verdict:
    group = np.repeat(np.arange(10), 5)
    shift = dice.normal(0, 0.3, size=(2, 10))[:, group]
    clusters = {f"e{at}": str(of_) for at, of_ in enumerate(group)}
    return of(*(shift + dice.normal(0, 0.3, size=(2, 50))), "numeric", clusters)


LABELS = ("a", "b", "c")


def labelled(dice: np.random.Generator) -> Verdict:
    reader = Reader(LABELS)
    right = dice.choice(3, size=60, p=(0.6, 0.3, 0.1))
    p = dice.beta(3, 1, size=(2, 60))
    said = np.where(dice.random((2, 60)) < p, right, dice.integers(0, 4, size=(2, 60)))
    names = (*LABELS, "none")
    rows = tuple(
        {f"e{at}": reader.row(LABELS[r], names[s]) for at, (r, s) in enumerate(zip(right, side, strict=True))}
        for side in said
    )
    old, new = (column((side == right).astype(float)) for side in said)
    return decide_set(old, new, (rows[0], rows[1]), macro_f1, "f1", "max", DECISION)


@pytest.mark.parametrize(
    ("verdict", "rounds"),
    [(binary, 10_000), (numeric, 1000), (repeated, 1000), (clustered, 4000), (labelled, 400)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_false_positives(verdict: Callable[[np.random.Generator], Verdict], rounds: int) -> None:
    start = time.perf_counter()
    found = rate(verdict, rounds, seed=20_251_121)
    took = time.perf_counter() - start
    print(f"\n{verdict.__name__}: {found:.4f} of {rounds} nulls claim a difference ({took:.0f} s)")
    # Three standard errors of a rate of 0.05: with so few rounds a true 0.05 may look like 0.06 and more.
    noise = 3 * (0.05 * 0.95 / rounds) ** 0.5
    assert found <= max(0.06, 0.05 + noise)


@pytest.mark.parametrize("p", [0.5, 0.7, 0.9, 0.95])
@pytest.mark.parametrize("n", [20, 50, 100, 200])
def test_coverage_of_the_interval_of_a_share(n: int, p: float) -> None:
    """Exact: the binomial distribution is summed, not drawn."""
    from scipy.stats import binom

    covered = 0.0
    for hits in range(n + 1):
        interval = mean_interval([1.0] * hits + [0.0] * (n - hits), "binary")
        covered += float(binom.pmf(hits, n, p)) * (interval.low <= p <= interval.high)
    print(f"\nn = {n}, p = {p}: {covered:.4f}")
    # Wilson dips to 0.9245 at n = 20, p = 0.95, and nowhere else on this grid below 0.93.
    assert covered >= (0.92 if (n, p) == (20, 0.95) else 0.93)


def test_ten_metrics_of_ten_thousand_outcomes() -> None:
    names = "exact exact_norm contains token_f1 json_valid length rouge_l refusal pii repetition"
    specs = [MetricSpec(id, id) for id in names.split()]
    example = Example("e", expected="billing", reference="Dear customer, the parcel of order 17 was sent on Monday.")
    outcome = Outcome(
        "k", "The parcel of order 17 was sent on Monday. Please wait for two more days, then write again."
    )
    score(specs, example, outcome, None)
    start = time.perf_counter()
    for _ in range(10_000):
        score(specs, example, outcome, None)
    took = time.perf_counter() - start
    print(f"\n10,000 outcomes under ten metrics: {took:.2f} s")
    assert took < 2

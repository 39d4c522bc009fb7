"""How often the verdicts are wrong, by simulation: pytest -s -m benchmark tests/benchmarks/bench_statistics.py

Every null has real variance between examples: two versions differ on single examples, and are the same on average.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from promptlab.compare.anytime import Range, decide_anytime, fortunes
from promptlab.compare.intervals import mean_interval
from promptlab.compare.resampling import decide_set
from promptlab.compare.values import Verdict
from promptlab.compare.verdict import decide
from promptlab.models.values import Outcome
from promptlab.scoring.families import corpus
from promptlab.scoring.families.labels import Reader, macro_f1
from promptlab.scoring.metrics import score
from promptlab.scoring.sets import STATISTICS
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


@pytest.mark.parametrize("n", range(20, 201))
def test_coverage_of_the_interval_of_a_share(n: int) -> None:
    """Exact, at every share from 0.5 to 0.95 in steps of 0.001: the binomial distribution is summed, not drawn."""
    from scipy.stats import binom

    ends = [mean_interval([1.0] * hits + [0.0] * (n - hits), "binary") for hits in range(n + 1)]
    low, high = np.array([(end.low, end.high) for end in ends]).T
    p = np.arange(0.5, 0.9505, 0.001)[:, None]
    covered = np.where((low <= p) & (p <= high), binom.pmf(np.arange(n + 1), n, p), 0.0).sum(axis=1)
    assert covered.min() >= 0.93
    if n % 20 == 0:
        print(f"\n  n = {n}: at least {covered.min():.4f}, at p = {p[covered.argmin()][0]:.3f}", end="")


@pytest.mark.parametrize("p", [0.5, 0.7, 0.9, 0.95])
@pytest.mark.parametrize("alike", [0.1, 0.3, 0.7])
@pytest.mark.parametrize(("units", "trials"), [(20, 3), (20, 10), (50, 10), (200, 10)])
def test_coverage_of_the_interval_of_a_share_over_trials(units: int, trials: int, alike: float, p: float) -> None:
    """Examples whose own shares are beta distributed; ``alike`` is the correlation of two trials of one example."""
    dice, rounds = np.random.default_rng(20_261_122), 2000
    own = dice.beta(p * (1 - alike) / alike, (1 - p) * (1 - alike) / alike, size=(rounds, units))
    shares_ = dice.binomial(trials, own) / trials
    found = [mean_interval(list(map(float, row)), "binary", trials=trials) for row in shares_]
    covered = sum(one.low <= p <= one.high for one in found) / rounds
    print(f"\n  {units} examples of {trials} trials, alike {alike}, p = {p}: {covered:.4f}", end="")
    assert covered >= 0.93


@pytest.mark.parametrize("p", [0.5, 0.7, 0.9, 0.95])
@pytest.mark.parametrize("alike", [0.1, 0.3, 0.7])
@pytest.mark.parametrize(("groups", "size"), [(10, 5), (10, 20), (40, 5), (20, 1)])
def test_coverage_of_the_interval_of_a_clustered_share(groups: int, size: int, alike: float, p: float) -> None:
    """Clusters whose own shares are beta distributed, with this intraclass correlation."""
    dice, rounds = np.random.default_rng(20_261_122), 2000
    own = dice.beta(p * (1 - alike) / alike, (1 - p) * (1 - alike) / alike, size=(rounds, groups))
    scores = (dice.random((rounds, groups, size)) < own[:, :, None]).astype(float).reshape(rounds, -1)
    names = [str(at // size) for at in range(groups * size)]
    found = [mean_interval(list(map(float, row)), "binary", names if size > 1 else None) for row in scores]
    covered = sum(one.low <= p <= one.high for one in found) / rounds
    print(f"\n  {groups} clusters of {size}, alike {alike}, p = {p}: {covered:.4f}", end="")
    assert covered >= 0.93


class Looks(NamedTuple):
    """What looking after every example came to: how often it was called, when, and as what."""

    called: float
    better: float
    asked: float


def look_after_every_example(differences: np.ndarray, size: int = 1) -> Looks:
    """Runs (rounds × examples, or clusters of ``size``) that stop as soon as the interval leaves out 0."""
    bar = np.log(40.0)
    counts = np.full(differences.shape[1], float(size))
    called = better = asked = 0
    for row in differences:
        above, below = (fortunes(sign * row, counts, float(size), 0.0) for sign in (1.0, -1.0))
        clear = np.maximum(above, below) >= bar
        called += bool(clear.any())
        at = int(clear.argmax()) if clear.any() else len(row) - 1
        better += bool(clear.any() and above[at] >= bar)
        asked += at + 1
    rounds, examples = differences.shape
    return Looks(called / rounds, better / rounds, asked / (rounds * examples))


def shares(dice: np.random.Generator, lift: float, k: int) -> np.ndarray:
    """Paired differences of 2,000 runs of 200 examples: every example has a share of its own under each version."""
    old = dice.beta(2, 1, size=(2000, 200))
    new = np.clip(dice.beta(2, 1, size=(2000, 200)) + lift, 0, 1)
    return (dice.binomial(k, new) - dice.binomial(k, old)) / k


def grades(dice: np.random.Generator) -> np.ndarray:
    """Differences of grades from 1 to 5, over their range."""
    item = dice.normal(3.5, 0.8, size=(2000, 200, 1))
    return np.diff(np.clip(np.rint(item + dice.normal(0, 0.6, size=(2000, 200, 2))), 1, 5), axis=2)[..., 0] / 4


def in_groups(dice: np.random.Generator) -> np.ndarray:
    """Sums over 60 clusters of 5 whose examples move together."""
    p = np.clip(0.6 + dice.normal(0, 0.25, size=(2000, 60, 2)), 0, 1)
    return np.diff(dice.binomial(5, p), axis=2)[..., 0].astype(float)


def test_looking_after_every_example_calls_at_most_one_null_in_twenty() -> None:
    dice = np.random.default_rng(20_261_122)
    nulls = {
        "binary": look_after_every_example(shares(dice, 0.0, 1)),
        "ten trials": look_after_every_example(shares(dice, 0.0, 10)),
        "grades": look_after_every_example(grades(dice)),
        "clusters of 5": look_after_every_example(in_groups(dice), 5),
    }
    for name, found in nulls.items():
        print(f"\n  {name}: {found.called:.4f} of 2,000 nulls are ever called", end="")
        assert found.called <= 0.05


def test_what_stopping_when_it_is_clear_saves() -> None:
    """Mean saved share of 200 examples, and how often an effect is found; one look over all finds more."""
    dice = np.random.default_rng(7)
    for gain, loss in ((0.12, 0.02), (0.22, 0.02), (0.35, 0.05), (0.6, 0.05)):
        moves = dice.choice([1.0, -1.0, 0.0], size=(500, 200), p=[gain, loss, 1 - gain - loss])
        found = look_after_every_example(moves)
        moved = f"+{100 * (gain - loss):.0f} points ({gain:.0%} gained, {loss:.0%} lost)"
        print(f"\n  {moved}: {1 - found.asked:.0%} saved, {found.better:.1%} called BETTER", end="")
        assert found.better >= 0.9 or gain < 0.2
        assert 1 - found.asked >= (0.5 if gain >= 0.35 else 0.0)


def label_rows(dice: np.random.Generator, right: np.ndarray, p: float) -> tuple[Column, dict[str, list[float]]]:
    reader, names = Reader(LABELS), (*LABELS, "none")
    said = np.where(dice.random(len(right)) < p, right, dice.integers(0, 4, len(right)))
    rows = {f"e{at}": reader.row(LABELS[r], names[s]) for at, (r, s) in enumerate(zip(right, said, strict=True))}
    return column((said == right).astype(float)), rows


def chrf_rows(dice: np.random.Generator, n: int) -> tuple[Column, dict[str, list[float]]]:
    words = ("the", "parcel", "of", "order", "is", "late", "please", "wait", "days", "refund", "money", "sent")
    count = corpus.ROWS["chrf"]
    texts = [" ".join(dice.choice(words, 24)) for _ in range(2 * n)]
    return column(np.ones(n)), {f"e{at}": list(count(texts[2 * at], texts[2 * at + 1])) for at in range(n)}


def test_a_verdict_on_a_thousand_examples_takes_a_tenth_of_a_second_at_most() -> None:
    """CPU time of one core, the least of several rounds; 10,000 draws where there are any."""
    dice, n = np.random.default_rng(1), 1000
    binaries = [column((dice.random(n) < p).astype(float)) for p in (0.7, 0.75)]
    numbers = [column(dice.normal(size=n)) for _ in range(2)]
    clusters = {f"e{at}": str(at // 5) for at in range(n)}
    right = dice.integers(0, 3, n)
    (old, old_rows), (new, new_rows) = (label_rows(dice, right, p) for p in (0.7, 0.8))
    (same, one), (_, two) = chrf_rows(dice, n), chrf_rows(dice, n)
    kinds: dict[str, Callable[[], object]] = {
        "binary": lambda: decide(*binaries, "m", "max", "binary", DECISION),
        "numeric": lambda: decide(*numbers, "m", "max", "numeric", DECISION),
        "clusters": lambda: decide(*numbers, "m", "max", "numeric", DECISION, clusters),
        "macro F1": lambda: decide_set(old, new, (old_rows, new_rows), macro_f1, "m", "max", DECISION),
        "chrF": lambda: decide_set(same, same, (one, two), STATISTICS["chrf"], "m", "max", DECISION),
        "until clear": lambda: decide_anytime(*binaries, "m", "max", "binary", DECISION, Range(0, 1)),
    }
    for name, verdict in kinds.items():
        seconds: list[float] = []
        for _ in range(5):
            with threadpool_limits(1):  # several threads of BLAS that wait for each other are CPU time, too
                start = time.process_time()
                verdict()
                seconds.append(time.process_time() - start)
        print(f"\n  {name}: {1000 * min(seconds):.0f} ms", end="")
        assert min(seconds) < 0.1


def test_ten_metrics_of_ten_thousand_outcomes() -> None:
    names = "exact exact_norm contains token_f1 json_valid length rouge_l refusal pii repetition"
    specs = [MetricSpec(id, id) for id in names.split()]
    example = Example("e", expected="billing", reference="Dear customer, the parcel of order 17 was sent on Monday.")
    outcome = Outcome(
        "k", "The parcel of order 17 was sent on Monday. Please wait for two more days, then write again."
    )
    score(specs, example, outcome, None)
    start = time.process_time()
    for _ in range(10_000):
        score(specs, example, outcome, None)
    took = time.process_time() - start
    print(f"\n10,000 outcomes under ten metrics: {took:.2f} s of CPU")
    assert took < 2

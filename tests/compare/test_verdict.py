"""Verdicts: what is decided, when nothing can be, and the sentences that a person reads."""

from __future__ import annotations

import math
import random
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from promptlab.compare.values import Verdict
from promptlab.compare.verdict import decide
from promptlab.errors import UsageFault
from promptlab.workspace.values import Decision

DECISION = Decision(min_effect=0.05)
Scores = dict[str, float | None]


def flips(lost: int, gained: int, both: int = 0, neither: int = 0) -> tuple[Scores, Scores]:
    """Two columns of yes-or-no scores with so many examples of each kind."""
    old = [1.0] * lost + [0.0] * gained + [1.0] * both + [0.0] * neither
    new = [0.0] * lost + [1.0] * gained + [1.0] * both + [0.0] * neither
    return ({f"e{i}": v for i, v in enumerate(old)}, {f"e{i}": v for i, v in enumerate(new)})


def exact(columns: tuple[Scores, Scores], decision: Decision = DECISION) -> Verdict:
    return decide(*columns, metric="exact", direction="max", kind="binary", decision=decision)


def seconds(
    differences: list[float],
    direction: Literal["max", "min", "info"] = "min",
    decision: Decision = DECISION,
    clusters: dict[str, str] | None = None,
) -> Verdict:
    old: Scores = {f"e{i}": 2.0 + i % 3 for i in range(len(differences))}
    new: Scores = {key: (old[key] or 0.0) + d for key, d in zip(old, differences, strict=True)}
    return decide(
        old,
        new,
        metric="latency",
        direction=direction,
        kind="numeric",
        decision=decision,
        clusters=clusters,
        unit="s",
    )


def test_better_says_effect_interval_n_flips_and_p() -> None:
    verdict = exact(flips(0, 45, 10, 10))
    assert verdict.sentence == (
        "BETTER: exact is 69.2 points higher (95 % interval +55.2 to +79.1, n = 65, 45 better, 0 worse, "
        "McNemar mid-p < 0.001)."
    )
    assert verdict.notes == ("The difference is at least 55.2 points, more than the 5.0 points that matter.",)
    assert (verdict.status, verdict.better, verdict.worse, verdict.same) == ("BETTER", 45, 0, 20)
    assert verdict.method == "McNemar mid-p, Bonett–Price interval"
    assert verdict.effect == pytest.approx(45 / 65)


def test_worse() -> None:
    verdict = exact(flips(10, 1, 30, 30))
    assert verdict.status == "WORSE"
    assert verdict.sentence.startswith("WORSE: exact is 12.7 points lower (95 % interval -21.6 to -3.1, n = 71,")


def test_inconclusive_says_what_would_have_shown_and_what_it_takes() -> None:
    verdict = exact(flips(3, 5, 40, 12))
    assert verdict.sentence == (
        "INCONCLUSIVE: exact is 3.3 points higher, which may be chance (95 % interval -6.7 to +13.2, n = 60, "
        "5 better, 3 worse, McNemar mid-p = 0.508). A difference of 14.2 points would probably have shown. "
        "To see one of 5.0 points takes about 487 examples."
    )


def test_equivalent() -> None:
    verdict = exact(flips(2, 2, 500, 100))
    assert verdict.sentence == (
        "EQUIVALENT: exact is the same on average, and any true difference is smaller than 5.0 points "
        "(90 % interval -0.7 to +0.7, n = 604, 2 better, 2 worse, McNemar mid-p = 0.812)."
    )


def test_real_but_too_small_to_matter() -> None:
    verdict = exact(flips(0, 20, 900, 80))
    assert verdict.status == "BETTER"
    assert verdict.notes == ("The difference is real but smaller than the 5.0 points that matter.",)


def test_test_and_interval_must_agree() -> None:
    verdict = exact(flips(3, 10))
    assert verdict.low > 0
    assert verdict.status == "INCONCLUSIVE"
    assert verdict.notes == ("The interval leaves out 0 but p is not below 0.05: too close to call.",)


def test_interval_over_0_beats_a_small_p() -> None:
    # Darwin's maize has a sign-flip p of 0.0527, and a t interval that leaves out 0 by a hair.
    maize = [49.0, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    at_05 = seconds(maize)
    assert at_05.status == "INCONCLUSIVE"
    assert at_05.low > 0
    skewed = [0.1] * 9 + [6.0]
    verdict = seconds(skewed)
    assert (verdict.status, verdict.p < 0.05, verdict.low < 0) == ("INCONCLUSIVE", True, True)
    assert verdict.notes == ("The interval includes 0 though p is below 0.05: too close to call.",)


def test_less_is_better_for_a_metric_such_as_latency() -> None:
    dice = random.Random(1)
    verdict = seconds([-0.2 + dice.gauss(0, 0.1) for _ in range(80)])
    assert verdict.status == "BETTER"
    assert verdict.effect < 0
    assert verdict.better > 70
    assert verdict.sentence.startswith("BETTER: latency is 0.1")
    assert " s lower (95 % interval -0.2" in verdict.sentence
    assert "sign-flip p < 0.001" in verdict.sentence
    assert all((delta.delta or 0) * ((delta.candidate or 0) - (delta.baseline or 0)) <= 0 for delta in verdict.deltas)


def test_trials_make_shares_numbers_but_keep_them_points() -> None:
    old: Scores = {f"e{i}": 0.25 * (i % 3) for i in range(40)}
    new: Scores = {key: (value or 0) + 0.25 * (index % 4 > 0) for index, (key, value) in enumerate(old.items())}
    verdict = decide(old, new, "exact", "max", "binary", DECISION, trials=4)
    assert verdict.method == "sign-flip p, t interval"
    assert verdict.sentence.startswith("BETTER: exact is 18.8 points higher (95 % interval +")


def test_clusters_count_as_one_each() -> None:
    columns = flips(0, 30, 30, 0)
    alone = exact(columns)
    groups = {key: f"g{index % 60 // 15}" for index, key in enumerate(columns[0])}
    verdict = decide(*columns, metric="exact", direction="max", kind="binary", decision=DECISION, clusters=groups)
    assert alone.status == "BETTER"
    assert verdict.status == "INCONCLUSIVE"
    assert verdict.method == "sign-flip p, t interval, 4 clusters"
    assert verdict.notes == (
        "With 4 groups no result can reach p < 0.05: use more.",
        "Only 4 groups: intervals from fewer than 10 are rough.",
    )


def test_groups_of_one_change_nothing() -> None:
    columns = flips(2, 9, 20, 5)
    alone = {key: key for key in columns[0]}
    assert decide(
        *columns, metric="exact", direction="max", kind="binary", decision=DECISION, clusters=alone
    ) == exact(columns)


def test_an_example_without_a_group_stands_alone() -> None:
    columns = flips(0, 12)
    verdict = decide(
        *columns, metric="exact", direction="max", kind="binary", decision=DECISION, clusters={"e0": "x", "e1": "x"}
    )
    assert verdict.method.endswith("11 clusters")


def test_more_than_5_percent_missing_is_invalid() -> None:
    old, new = flips(0, 45, 10, 10)
    new |= {"e0": None, "e1": None, "e2": math.nan}
    del new["e3"]
    verdict = exact((old, new))
    assert verdict.status == "INVALID"
    assert verdict.sentence == (
        "INVALID: 4 of 65 examples (6.2 %) have no score in the candidate, more than 5 %: "
        "what is left may not be a fair sample."
    )
    assert verdict.unpaired == ("e0", "e1", "e2", "e3")
    assert verdict.notes[0] == "Left out, without a score on both sides: 4 examples: e0, e1, e2, e3."
    assert verdict.n == 61
    assert verdict.better == 41


def test_a_few_missing_are_listed() -> None:
    old, new = flips(0, 45, 10, 10)
    old["e64"] = None
    verdict = exact((old, new))
    assert verdict.status == "BETTER"
    assert verdict.unpaired == ("e64",)
    assert verdict.deltas[-1].delta is None
    assert verdict.deltas[-1].candidate == 0.0


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ({}, {}, "INVALID: 0 examples with a score on both sides; a comparison needs at least 2."),
        ({"a": 1.0}, {"a": 0.0}, "INVALID: 1 example with a score on both sides; a comparison needs at least 2."),
        (
            {"a": 1.0, "b": 1.0},
            {"c": 1.0, "d": 0.0},
            "INVALID: 2 of 4 examples (50 %) have no score in the baseline, more than 5 %: "
            "what is left may not be a fair sample.",
        ),
    ],
)
def test_too_little_to_compare(old: Scores, new: Scores, sentence: str) -> None:
    verdict = exact((old, new))
    assert verdict.sentence == sentence
    assert (verdict.status, verdict.mde, verdict.needed, verdict.method) == ("INVALID", None, None, "")
    assert math.isnan(verdict.p)


def test_one_group_is_invalid() -> None:
    columns = flips(0, 5)
    verdict = decide(
        *columns,
        metric="exact",
        direction="max",
        kind="binary",
        decision=DECISION,
        clusters=dict.fromkeys(columns[0], "g"),
    )
    assert verdict.sentence == (
        "INVALID: All examples are in one group, so nothing is known of the spread between groups; use at least 2."
    )


def test_a_metric_for_information_cannot_decide() -> None:
    with pytest.raises(
        UsageFault, match=r"^The metric “latency” is shown for information: it has no better or worse"
    ):
        seconds([1.0, 2.0], direction="info")


def test_a_handful_proves_nothing() -> None:
    same = seconds([0.0, 0.0, 0.0])
    assert (same.status, same.mde) == ("INCONCLUSIVE", None)
    assert same.notes == ("With 3 examples no result can reach p < 0.05: use more.",)
    assert seconds([0.0] * 30).status == "EQUIVALENT"
    shifted = seconds([-0.5] * 4)
    assert shifted.status == "INCONCLUSIVE"
    assert shifted.notes[-1] == (
        "Every example differs by the same amount, so the interval has no width; judge it by p."
    )
    assert exact(flips(0, 3)).mde is None  # larger than any share can differ


def test_rounding_is_no_difference() -> None:
    old: Scores = {str(i): 0.1 + 0.2 for i in range(20)}
    new: Scores = {str(i): 0.3 for i in range(20)}
    verdict = decide(old, new, "judge", "max", "numeric", DECISION)
    assert (verdict.effect, verdict.same) == (0.0, 20)


def spread(n: int, sd: float) -> list[float]:
    """Differences with mean 0 and exactly this standard deviation."""
    step = sd * math.sqrt((n - 1) / n)
    return [step if i % 2 else -step for i in range(n)]


@pytest.mark.parametrize(
    ("n", "variance", "mde"),
    # Miller 2024, section 5, recomputed: ω² = 1/9, σ² = 1/6 on both sides, α 0.05, power 0.8.
    [(100, 1 / 9 + 2 / 6, 0.187), (100, 1 / 9 + 2 / 6 / 4, 0.124), (50, 1 / 9, 0.132), (1000, 1 / 9 + 2 / 60, 0.034)],
)
def test_smallest_effect_as_published(n: int, variance: float, mde: float) -> None:
    verdict = seconds(spread(n, math.sqrt(variance)))
    assert verdict.mde is not None
    assert round(verdict.mde, 3) == mde


def test_examples_needed_as_published() -> None:
    """Miller 2024, section 5: ω² = 1/9 and an effect of 3 points take 969 examples."""
    assert seconds(spread(100, 1 / 3), decision=Decision(min_effect=0.03)).needed == 969
    assert seconds(spread(100, 1 / 3), decision=Decision(min_effect=0.0)).needed is None


@settings(max_examples=75, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=2, max_size=80),
    st.booleans(),
)
def test_swapping_the_sides_mirrors_the_verdict(pairs: list[tuple[float, float]], grouped: bool) -> None:
    old: Scores = {str(i): pair[0] for i, pair in enumerate(pairs)}
    new: Scores = {str(i): pair[1] for i, pair in enumerate(pairs)}
    groups = {str(i): str(i // 3) for i in range(len(pairs))} if grouped else None
    there = decide(old, new, "exact", "max", "binary", DECISION, groups)
    back = decide(new, old, "exact", "max", "binary", DECISION, groups)
    turned = decide(old, new, "exact", "min", "binary", DECISION, groups)
    mirror = {"BETTER": "WORSE", "WORSE": "BETTER"}
    assert back.status == turned.status == mirror.get(there.status, there.status)
    assert (back.better, back.worse) == (turned.better, turned.worse) == (there.worse, there.better)
    if there.n and not math.isnan(there.p):
        assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=1e-12)
        assert back.p == pytest.approx(there.p)
        assert there.low <= there.effect <= there.high
        assert -1 <= there.low <= there.high <= 1


def test_false_positives_of_yes_or_no_scores() -> None:
    """Two equal prompts over examples of differing difficulty: at α = 0.05 at most 6 % are called different."""
    dice = np.random.default_rng(11)
    runs, n = 1500, 60
    difficulty = dice.beta(0.7, 0.7, size=(runs, n))
    old, new = dice.random((runs, n)) < difficulty, dice.random((runs, n)) < difficulty
    wrong = 0
    for one, other in zip(old.astype(float).tolist(), new.astype(float).tolist(), strict=True):
        verdict = exact(
            (dict(zip(map(str, range(n)), one, strict=True)), dict(zip(map(str, range(n)), other, strict=True)))
        )
        wrong += verdict.status in ("BETTER", "WORSE")
    assert 0.02 <= wrong / runs <= 0.06


def test_amounts_are_compared_as_ratios() -> None:
    """Against scipy's t interval of the logarithms."""
    dice = np.random.default_rng(5)
    old = dice.lognormal(0, 0.5, 40)
    new = old * dice.lognormal(0.3, 0.2, 40)
    before, after = ({f"e{at}": float(value) for at, value in enumerate(side)} for side in (old, new))
    found = decide(before, after, "latency", "min", "numeric", Decision(min_effect=0.1), unit="s", ratio=True)
    low, high = stats.ttest_1samp(np.log(new / old), 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((np.exp(low), np.exp(high)))
    assert found.effect == pytest.approx(stats.gmean(new / old))
    assert (found.status, found.scale) == ("WORSE", "ratio")
    assert found.sentence.startswith(f"WORSE: latency is × {found.effect:.2f} of the baseline's (95 % interval × ")
    assert "at least a factor of" in found.notes[0]
    halves = {example: value / 2 for example, value in before.items()}
    assert decide(before, halves, "latency", "min", "numeric", Decision(), unit="s", ratio=True).status == "BETTER"
    noise = {example: value * 1.01 ** (at % 2) for at, (example, value) in enumerate(before.items())}
    same = decide(before, noise, "latency", "min", "numeric", Decision(min_effect=0.1), unit="s", ratio=True)
    assert same.status == "WORSE"
    assert same.notes[0] == "The difference is real but smaller than a factor of 1.10, which matters."
    free, dear = {"a": 0.0, "b": 1.0, "c": 2.0}, {"a": 1.0, "b": 1.0, "c": 2.0}
    nothing = decide(free, dear, "cost", "min", "numeric", Decision(), ratio=True)
    assert nothing.scale == "difference"

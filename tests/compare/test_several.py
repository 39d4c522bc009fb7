"""Several candidates at once, against statsmodels' Holm."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from msgspec import structs
from statsmodels.stats.multitest import multipletests

from promptlab.compare.several import corrected
from promptlab.compare.values import Verdict
from promptlab.compare.verdict import decide
from promptlab.workspace.values import Decision


def flips(gained: int, lost: int, n: int = 60) -> Verdict:
    old = {f"e{at}": float(at < lost) for at in range(n)}
    new = {f"e{at}": float(lost <= at < lost + gained) for at in range(n)}
    return decide(old, new, "exact", "max", "binary", Decision())


def test_as_statsmodels_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "collect", lambda: 0)  # which multipletests does at every call
    dice = np.random.default_rng(1)
    pool = [flips(gained, lost) for gained in (0, 2, 5, 6, 7, 8, 9, 11, 13) for lost in (0, 1, 3)]
    for _ in range(200):
        single = {str(at): pool[chosen] for at, chosen in enumerate(dice.integers(0, len(pool), 4))}
        reject, _, _, _ = multipletests([verdict.p for verdict in single.values()], 0.05, "holm")
        for (key, found), rejected in zip(corrected(single).items(), reject, strict=True):
            claimed = single[key].status in ("BETTER", "WORSE")
            assert (found.status in ("BETTER", "WORSE")) == (claimed and bool(rejected))
            assert (found.p, found.low, found.effect) == (single[key].p, single[key].low, single[key].effect)


def test_what_is_said() -> None:
    close, clear, none = flips(8, 1), flips(20, 0), flips(3, 3)
    assert close.status == clear.status == "BETTER"
    found = corrected({"b": close, "c": clear, "d": none, "e": structs.replace(close, p=0.04)})
    assert found["c"].status == "BETTER"
    assert found["c"].notes[-1] == "After Holm's correction over 4 comparisons p < 0.001."
    assert found["e"].sentence.startswith(
        "INCONCLUSIVE: by itself BETTER, but not as one of 4 comparisons (p = 0.080): exact is 11.7 points higher"
    )
    assert found["d"] == none


def test_one_comparison_or_one_that_cannot_be_made_changes_nothing() -> None:
    close = flips(8, 1)
    invalid = decide({"a": 1.0}, {"a": 1.0}, "exact", "max", "binary", Decision())
    assert corrected({"b": close}) == {"b": close}
    assert corrected({"b": close, "c": invalid})["b"] == close
    assert close.p == pytest.approx(0.02148, abs=1e-4)

"""BLEU, chrF and TER of a column against sacrebleu's corpus scores."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scored
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF, TER

from promptlab.scoring.catalogue import validate
from promptlab.scoring.families import corpus
from promptlab.workspace.values import MetricSpec

WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "mat.", "a", "dog", "Ran,"]), max_size=9).map(" ".join)
REFERENCE = WORDS.filter(bool)
ORACLES = {"bleu": BLEU, "chrf": CHRF, "ter": TER}


@pytest.mark.parametrize("id", ORACLES)
@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(WORDS, REFERENCE), min_size=1, max_size=6))
def test_a_column_scores_as_sacrebleu_has_it(id: str, pairs: list[tuple[str, str]]) -> None:
    answers, references = zip(*pairs, strict=True)
    totals = np.array([corpus.ROWS[id](*pair) for pair in pairs], dtype=float).sum(axis=0, keepdims=True)
    theirs = ORACLES[id]().corpus_score(list(answers), [list(references)]).score
    assert corpus.VALUES[id](totals)[0] == pytest.approx(theirs, abs=1e-9)


def test_one_answer() -> None:
    same = scored.referring("the cat sat on the mat")
    assert scored.value("bleu", "the cat sat on the mat", same) == pytest.approx(100)
    assert scored.value("chrf", "the cat sat on the mat", same) == pytest.approx(100)
    assert scored.value("ter", "the cat sat on a mat", same) == pytest.approx(100 / 6)
    assert scored.of("chrf", "x").missing == "the example has no `reference`"


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert validate(MetricSpec("bleu", "bleu"), "x") == []
    corpus._scorer.cache_clear()
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.bleu", None)
    found = scored.of("bleu", "a", scored.referring("a"))
    assert found.missing == ("`bleu` and `ter` need the package sacrebleu. Run: pip install 'promptlab-tui[text]'.")
    monkeypatch.setattr(corpus, "find_spec", lambda _: None)
    (problem,) = validate(MetricSpec("ter", "ter"), "x")
    assert str(problem) == (
        "x: metrics.ter: `bleu` and `ter` need the package sacrebleu. Run: pip install 'promptlab-tui[text]'."
    )

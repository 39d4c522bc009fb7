"""Nearness to a reference, against rouge-score, jiwer, scikit-learn and published examples."""

from __future__ import annotations

import math

import jiwer
import pytest
import scored
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics.pairwise import cosine_similarity

WORDS = st.lists(
    st.sampled_from(["the", "cat", "sat", "on", "mat", "a", "dog", "ran", "off", "42"]), min_size=1, max_size=14
)
TEXT = WORDS.map(" ".join)


@given(TEXT, TEXT, st.integers(1, 4))
def test_rouge_agrees_with_rouge_score(text: str, reference: str, n: int) -> None:
    names = [f"rouge{n}", "rougeL"]
    for name, ours in zip(names, [("rouge_n", {"n": n}), ("rouge_l", {})], strict=True):
        theirs = RougeScorer([name], use_stemmer=False).score(reference, text)[name]
        for part, expected in zip(("precision", "recall", "f1"), theirs, strict=True):
            got = scored.value(ours[0], text, scored.referring(reference), part=part, **ours[1])
            assert got == pytest.approx(expected, abs=1e-12)


def test_rouge_l_of_the_example_in_lin_2004() -> None:
    """Section 3.1: reference "police killed the gunman"; S2 has F = 3/4, S3 has F = 2/4, S4 has F = 2/4."""
    reference = scored.referring("police killed the gunman")
    for text, f1 in [
        ("police kill the gunman", 3 / 4),
        ("the gunman kill police", 2 / 4),
        ("the gunman police killed", 2 / 4),
    ]:
        assert scored.value("rouge_l", text, reference) == pytest.approx(f1)


def test_rouge_reads_every_script() -> None:
    assert scored.value("rouge_l", "Größe über alles", scored.referring("größe ÜBER alles")) == 1
    assert scored.of("rouge_l", "a b", scored.referring("b c")).detail == "precision 0.500, recall 0.500"


@given(TEXT, TEXT)
def test_error_rates_agree_with_jiwer(text: str, reference: str) -> None:
    assert scored.value("wer", text, scored.referring(reference)) == pytest.approx(jiwer.wer(reference, text))
    assert scored.value("cer", text, scored.referring(reference)) == pytest.approx(jiwer.cer(reference, text))


@pytest.mark.parametrize(
    ("one", "other", "method", "value"),
    [
        ("kitten", "sitting", "levenshtein", 1 - 3 / 7),  # Levenshtein's textbook example: distance 3
        ("saturday", "sunday", "levenshtein", 1 - 3 / 8),
        ("MARTHA", "MARHTA", "jaro_winkler", 0.9611),  # Winkler 1990, table of examples
        ("DIXON", "DICKSONX", "jaro_winkler", 0.8133),
        ("DWAYNE", "DUANE", "jaro_winkler", 0.84),
        ("new york mets", "mets new york", "token_sort", 1.0),
        ("", "abc", "levenshtein", 0.0),
    ],
)
def test_edit_sim(one: str, other: str, method: str, value: float) -> None:
    assert scored.value("edit_sim", one, scored.referring(other), method=method) == pytest.approx(value, abs=5e-5)


@given(TEXT, TEXT)
def test_trigram_cos_agrees_with_scikit_learn(text: str, reference: str) -> None:
    if len(text) < 3 or len(reference) < 3:
        return
    counts = CountVectorizer(analyzer="char", ngram_range=(3, 3)).fit_transform([text, reference])
    theirs = cosine_similarity(counts)[0, 1]
    assert scored.value("trigram_cos", text, scored.referring(reference)) == pytest.approx(theirs)


@given(st.text(min_size=1).filter(str.strip))
def test_a_text_is_itself(text: str) -> None:
    reference = scored.referring(text)
    assert scored.value("edit_sim", text, reference) == 1
    assert scored.value("trigram_cos", text, reference) == pytest.approx(1)
    assert scored.value("wer", text, reference) == scored.value("cer", text, reference) == 0
    assert scored.value("length_ratio", text, reference) == 1


def test_without_a_reference_there_is_no_score() -> None:
    assert scored.of("rouge_l", "x").missing == "the example has no `reference`"
    assert scored.of("wer", "x", scored.referring(" ")).missing == "the example's `reference` is empty"
    assert math.isclose(scored.value("wer", "a b c d", scored.referring("x y")), 2.0)

"""Nearness of texts from their vectors, and probabilities of choices, as plain functions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics.pairwise import cosine_similarity

from promptlab.models.values import ChoiceProbabilities, Outcome
from promptlab.scoring.catalogue import describe
from promptlab.scoring.families.meaning import MEANINGS, Compared, nearness
from promptlab.scoring.families.weighed import choice_prob, choices_of
from promptlab.scoring.metric import Case, Missing
from promptlab.workspace.values import Example, MetricSpec


def case(id: str, text: str, example: Example, **options: object) -> Case:
    return Case.of(MetricSpec(id, id, options), example, Outcome("", text), None)


def compared(id: str, text: str, example: Example, others: tuple[str, ...] = (), **options: object) -> Compared:
    return MEANINGS[id].compared(case(id, text, example, **options), others)


@given(st.integers(0, 999), st.integers(1, 3), st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_nearness_is_that_of_the_cosines_of_scikit_learn(seed: int, said: int, sizes: list[int]) -> None:
    dice = np.random.default_rng(seed)
    wide = dice.normal(size=(said + sum(sizes), 5))
    names = [f"t{at}" for at in range(len(wide))]
    vectors = {n: tuple(row / np.linalg.norm(row)) for n, row in zip(names, wide, strict=True)}
    cosines = cosine_similarity(wide[:said], wide[said:])
    edges = np.cumsum([0, *sizes])
    oracle = np.mean([cosines[:, a:b].max(axis=1) for a, b in pairwise(edges)])
    groups = [names[said + a : said + b] for a, b in pairwise(edges)]
    assert nearness(Compared(names[:said], groups), vectors) == pytest.approx(oracle)


def test_what_is_held_against_what() -> None:
    example = Example("e", {"q": "Why?"}, expected=["a", "b"], reference=" r ", previous="p")
    assert compared("emb_cos", " x ", example) == (("x",), [["r"]])
    assert compared("emb_cos", "x", example, to="expected") == (("x",), [["a", "b"]])
    assert compared("emb_cos", "x", example, to="previous") == (("x",), [["p"]])
    assert compared("input_cos", "x", example) == (("x",), [["Why?"]])
    assert compared("refusal_sim", "x", example, texts=["no"]) == (("x",), [["no"]])
    assert len(compared("refusal_sim", "x", example).groups[0]) > 3
    assert len(compared("injection_sim", "x", example).groups[0]) > 3
    said = compared("self_check", "One. Two.", example, ("One. Three.", "Four."))
    assert said == (("One.", "Two."), [("One.", "Three."), ("Four.",)])
    assert describe(MetricSpec("emb_cos", "m", {"model": "v", "to": "context"})).needs == "context"


@pytest.mark.parametrize(
    ("id", "text", "sentence"),
    [
        ("emb_cos", "x", "the example has no `reference`"),
        ("input_cos", "x", "the example has no variables"),
        ("refusal_sim", " ", "the answer is empty"),
        ("self_check", "x", r"one answer by itself says nothing here: run several trials \(-k\)"),
    ],
)
def test_where_nothing_can_be_compared(id: str, text: str, sentence: str) -> None:
    with pytest.raises(Missing, match=sentence):
        compared(id, text, Example("e"))


@given(st.lists(st.floats(-9, 9), min_size=3, max_size=3), st.sampled_from([["a"], "b", ["a", "c"], ["a", "x"]]))
def test_choice_prob_is_the_softmax_of_scipy(logits: list[float], expected: object) -> None:
    of = dict(zip("abc", map(float, softmax(logits)), strict=True))
    weighed = case("choice_prob", "", Example("e", expected=expected), choices=["a", "b", "c"])
    assert choices_of(weighed) == ("a", "b", "c")
    right = sum(of.get(text, 0.0) for text in expected)  # type: ignore[attr-defined] texts
    score = choice_prob(weighed, ChoiceProbabilities(of, 0.9))
    assert score.value == pytest.approx(right)
    assert score.detail == ""


def test_choices_that_are_not_declared() -> None:
    with pytest.raises(
        Missing, match=r"no choices are declared: give the metric `choices`, or the prompt's \[output"
    ):
        choices_of(case("choice_prob", "a", Example("e", expected="a")))
    with pytest.raises(Missing, match="the example's `expected` is none of the choices"):
        choices_of(case("choice_prob", "a", Example("e", expected="d"), choices=["a"]))

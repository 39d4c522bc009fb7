"""Right answers: against numpy, rouge-score as an oracle of bag-of-words F1, and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scored
from hypothesis import given
from hypothesis import strategies as st

from promptlab.scoring.catalogue import describe, validate
from promptlab.scoring.families.answers import normalise
from promptlab.workspace.values import MetricSpec


@pytest.mark.parametrize(
    ("text", "expected", "options", "value"),
    [
        ("The answer is 42.", 42, {}, 1),
        ("1,000 apples", 1000, {}, 1),
        ("$1,234.50", "1234.5", {}, 1),
        ("about 50%", 50, {}, 1),
        ("−3 degrees", -3, {}, 1),
        ("x = -2.5e-3", -0.0025, {}, 1),
        (".5", 0.5, {}, 1),
        ("from 10-12", 12, {}, 1),
        ("First 3, then 4", 4, {}, 1),
        ("First 3, then 4", 3, {}, 0),
        ("First 3, then 4", 3, {"take": "first"}, 1),
        ("v2 of it", 2, {}, 0),
        ("3.14", 3.1416, {"atol": 0.01}, 1),
        ("3.1", 3.1416, {"atol": 0.01}, 0),
        ("110", 100, {"rtol": 0.1}, 1),
        ("0.3", 0.2, {"atol": 0.1}, 1),
        ("8", [7, 8], {}, 1),
        ("none", 5, {}, 0),
    ],
)
def test_numeric(text: str, expected: object, options: dict[str, object], value: float) -> None:
    assert scored.value("numeric", text, scored.expecting(expected), **options) == value


def test_numeric_says_what_it_read_and_what_it_cannot_use() -> None:
    assert scored.of("numeric", "it is 1,500 km", scored.expecting(1500)).detail == "1500"
    assert scored.of("numeric", "none", scored.expecting(5)).detail == "no number in the answer"
    no_number = scored.of("numeric", "5", scored.expecting("five"))
    assert no_number.missing == "the example's `expected` is not one number: “five”"
    assert scored.of("numeric", "9" * 400, scored.expecting(5)).missing == "the number is too large"


@given(
    st.floats(-1e6, 1e6).map(lambda x: round(x, 3)),
    st.floats(-1e6, 1e6).map(lambda x: round(x, 3)),
    st.sampled_from([0.0, 0.5, 100.0]),
    st.sampled_from([0.0, 0.1, 1.0]),
)
def test_numeric_is_close_as_numpy_has_it(answer: float, expected: float, atol: float, rtol: float) -> None:
    ours = scored.value("numeric", f"{answer:f}", scored.expecting(expected), atol=atol, rtol=rtol)
    # Rounding at the very edge is the one place where the two may differ.
    theirs = {bool(np.isclose(answer, expected, atol=atol + d, rtol=rtol)) for d in (-1e-9, 1e-9)}
    assert bool(ours) in theirs


@pytest.mark.parametrize(
    ("id", "text", "options", "value", "detail"),
    [
        ("any_of", "red and blue", {"values": ["green", "blue"]}, 1, ""),
        ("any_of", "red", {"values": ["green", "blue"]}, 0, ""),
        ("any_of", "BLUE", {"values": ["blue"], "ignore_case": True}, 1, ""),
        ("all_of", "red and blue", {"values": ["red", "blue"]}, 1, ""),
        ("all_of", "red", {"values": ["red", "blue", "green"]}, 0, "without “blue”, “green”"),
        ("none_of", "red", {"values": ["blue"]}, 1, ""),
        ("none_of", "Red", {"values": ["red", "blue"], "ignore_case": True}, 0, "with “red”"),
    ],
)
def test_several_texts(id: str, text: str, options: dict[str, object], value: float, detail: str) -> None:
    found = scored.of(id, text, **options)
    assert (found.value, found.detail) == (value, detail)


def test_several_texts_come_from_the_example_where_the_metric_names_none() -> None:
    assert scored.value("all_of", "a b", scored.expecting(["a", "b"])) == 1
    assert scored.value("any_of", "b", scored.expecting(["a", "b"])) == 1
    assert scored.of("all_of", "a").missing == "the example has no `expected`"
    assert describe(MetricSpec("all_of", "x")).needs == "expected"
    assert describe(MetricSpec("all_of", "x", {"values": ["a"]})).needs == ""


@pytest.mark.parametrize(
    ("text", "expected", "f1"),
    [
        # Worked by hand: 2·shared ÷ (words + words) after normalising.
        ("The Eiffel Tower", "eiffel tower", 1.0),
        ("a tall tower in Paris", "the Eiffel tower", 2 * 1 / (4 + 2)),
        ("tower tower", "tower", 2 / 3),
        ("London", "Paris", 0.0),
        ("London", ["Paris", "London town"], 2 / 3),
        ("", "Paris", 0.0),
    ],
)
def test_token_f1(text: str, expected: object, f1: float) -> None:
    assert scored.value("token_f1", text, scored.expecting(expected)) == pytest.approx(f1)


TEXT = st.lists(st.sampled_from(["tower", "Paris", "the", "old", "red,", "a", "42"]), min_size=1, max_size=12).map(
    " ".join
)


@given(TEXT, TEXT)
def test_token_f1_agrees_with_rouge_1_of_normalised_texts(text: str, expected: str) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    if not normalise(text) or not normalise(expected):
        return
    theirs = RougeScorer(["rouge1"]).score(normalise(expected), normalise(text))["rouge1"].fmeasure
    assert scored.value("token_f1", text, scored.expecting(expected)) == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (MetricSpec("none_of", "n"), "x: metrics.n: The key `values` is missing. Add it."),
        (
            MetricSpec("all_of", "n", {"values": []}),
            "x: metrics.n.values: Expected at least one text, got an empty list.",
        ),
        (
            MetricSpec("numeric", "n", {"atol": -1}),
            "x: metrics.n.atol: Expected a number of at least 0, got -1.",
        ),
    ],
)
def test_what_a_person_reads(spec: MetricSpec, sentence: str) -> None:
    assert [str(problem) for problem in validate(spec, "x")] == [sentence]

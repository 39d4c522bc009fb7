"""JSON answers against scikit-learn's F1 over leaves."""

from __future__ import annotations

import json

import pytest
import scored
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score


@pytest.mark.parametrize(
    ("answer", "expected", "options", "value"),
    [
        ('{"id": 3, "team": "it"}', {"id": 3, "team": "it"}, {}, 1),
        ('{"id": 3.0}', {"id": 3}, {}, 1),
        ('{"id": true}', {"id": 1}, {}, 0),
        ('{"id": null}', {"id": 0}, {}, 0),
        ('{"id": 3, "team": "hr"}', {"id": 3, "team": "it"}, {}, 0.5),
        ('{"id": 3, "more": 1}', {"id": 3}, {}, 2 / 3),
        ("[1, 2]", [2, 1], {}, 0),
        ("[1, 2]", [2, 1], {"lists": "set"}, 1),
        ("[1, 1]", [1, 2], {"lists": "set"}, 0.5),
        ('{"a": []}', {"a": []}, {}, 1),
        ('{"a": []}', {"a": {}}, {}, 0),
        ('{"a": {"b": [1, {"c": 2}]}}', '{"a": {"b": [1, {"c": 2}]}}', {}, 1),
        ("no JSON", {"a": 1}, {}, 0),
    ],
)
def test_json_match(answer: str, expected: object, options: dict[str, object], value: float) -> None:
    assert scored.value("json_match", answer, scored.expecting(expected), **options) == pytest.approx(value)


def test_json_match_says_what_is_not_as_expected() -> None:
    found = scored.of("json_match", '{"a": [1, {"b": 2}]}', scored.expecting({"a": [1, {"b": 3}]}))
    assert found.detail == "not as expected: $.a[1].b"
    other = scored.of("json_match", "{", scored.expecting({"a": 1}))
    assert other.detail.startswith("the answer is not JSON: ")
    assert scored.of("json_match", "{}", scored.expecting("x")).missing == (
        "the example's `expected` is text that is no JSON"
    )


TABLE = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2), min_size=1)


@given(TABLE, TABLE)
def test_json_match_of_flat_tables_agrees_with_scikit_learn(answer: dict[str, int], expected: dict[str, int]) -> None:
    leaves = sorted({*answer.items(), *expected.items()})
    theirs = f1_score([leaf in expected.items() for leaf in leaves], [leaf in answer.items() for leaf in leaves])
    assert scored.value("json_match", json.dumps(answer), scored.expecting(expected)) == pytest.approx(theirs)

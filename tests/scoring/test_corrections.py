from __future__ import annotations

import pytest
import scored
from hypothesis import given
from hypothesis import strategies as st
from nltk.metrics.distance import edit_distance
from sklearn.metrics import accuracy_score

from promptlab.scoring.metric import Beside

TEXT = st.text("abc ", min_size=1, max_size=8).filter(str.strip).map(str.strip)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=8))
def test_a_match_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    found = [scored.of("correction_match", f" {text}\n", beside=Beside([f"{right} "])).value for text, right in pairs]
    assert sum(value or 0 for value in found) / len(pairs) == pytest.approx(accuracy_score(*zip(*pairs, strict=True)))


@given(TEXT, st.lists(TEXT, min_size=1, max_size=3))
def test_the_edit_ratio_is_that_of_nltk(text: str, corrections: list[str]) -> None:
    ratios = [edit_distance(text, right) / max(len(text), len(right)) for right in corrections]
    assert scored.of("edit_ratio", text, beside=Beside(corrections)).value == pytest.approx(min(ratios))


@pytest.mark.parametrize(
    ("text", "corrected", "ratio"),
    [("kitten", "sitting", 3 / 7), ("Sunday", "Saturday", 3 / 8), ("", "bug", 1.0), ("bug\n", " bug", 0.0)],
)
def test_what_had_to_be_edited(text: str, corrected: str, ratio: float) -> None:
    """The examples of Levenshtein's distance that every textbook has, and both ends."""
    assert scored.of("edit_ratio", text, beside=Beside([corrected])).value == pytest.approx(ratio)


@pytest.mark.parametrize("id", ["correction_match", "edit_ratio"])
@pytest.mark.parametrize("corrections", [[], [" \n"]])
def test_nothing_is_known_until_somebody_corrects(id: str, corrections: list[str]) -> None:
    assert scored.of(id, "x", beside=Beside(corrections)).missing == "nobody has corrected an answer to this example"

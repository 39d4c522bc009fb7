from __future__ import annotations

import jiwer
import pytest
import scored
from hypothesis import given
from hypothesis import strategies as st

from promptlab.workspace.values import Example

TEXT = st.text("abc ", min_size=1, max_size=20).filter(str.strip).map(str.strip)


@given(TEXT, TEXT)
def test_text_delta_is_the_edit_distance(text: str, previous: str) -> None:
    edits = jiwer.cer(previous, text) * len(previous)
    expected = 1 - edits / max(len(text), len(previous))
    assert scored.value("text_delta", text, Example("e", previous=previous)) == pytest.approx(expected)


def test_length_delta() -> None:
    assert scored.value("length_delta", "one two three", Example("e", previous="one two")) == 1.5
    assert scored.of("length_delta", "one").missing == "the example has no `previous`"

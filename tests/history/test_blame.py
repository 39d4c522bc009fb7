from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.history.blame import blame


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a\nb\n"], [0, 0]),
        (["a\nb\n", "a\nx\nb\n"], [0, 1, 0]),
        (["a\nb\n", "a\n", "a\nb\n"], [0, 2]),
        (["a\n", "", "a\n"], [2]),
        (["a\nb\nc", "c\nb\na", "c\nb\na\nd"], [0, 1, 1, 2]),
        (["a\na\na", "a\na\na\na"], [0, 0, 0, 1]),
        (["", ""], []),
    ],
)
def test_which_text_brought_a_line(texts: list[str], expected: list[int]) -> None:
    found = blame(texts)
    assert sorted(found) == sorted(expected)
    assert len(found) == len(texts[-1].splitlines())


@given(st.lists(st.lists(st.sampled_from("abc")).map("\n".join), min_size=1, max_size=6))
def test_a_line_was_there_ever_since(texts: list[str]) -> None:
    lines = texts[-1].splitlines()
    for line, origin in zip(lines, blame(texts), strict=True):
        assert all(line in text.splitlines() for text in texts[origin:])
    if texts[-1] == texts[0]:
        assert len(blame(texts)) == len(lines)

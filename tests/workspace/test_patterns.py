"""Patterns that would hold up the program do not, and all others find what Python's ``re`` finds."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from promptlab.workspace import patterns
from promptlab.workspace.patterns import LONGEST, SECONDS, TooMuchSearch, bounded, search

ATOMS = st.sampled_from(["a", "b", "[ab]", ".", r"\d", "(a)", "(?:ab)", "(b|a)", "a*", "b+", "a{2,3}", "^", "$"])
TEXTS = st.text("ab1\n ", max_size=12)


@given(st.lists(ATOMS, min_size=1, max_size=4).map("".join), TEXTS, st.booleans(), st.booleans())
def test_it_finds_what_re_finds(pattern: str, text: str, full: bool, elsewhere: bool) -> None:
    expected = re.fullmatch(pattern, text) if full else re.search(pattern, text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "_STEPS", -1 if elsewhere else float("inf"))
        found = search(pattern, text, full=full)
    assert (found is None) == (expected is None)
    if found and expected:
        assert (found.text, found.groups, found.end) == (expected[0], expected.groups(), expected.end())


def test_a_hostile_pattern_ends_in_time_and_is_then_left_alone() -> None:
    hostile, text = r"^(\w+\s?)*$", "a" * 40 + "!"
    begun = time.process_time()
    sentence = rf"longer than {SECONDS:g} s on a text of 41 characters\. Write it without repeating"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "SECONDS", 0.05)
        patch.setattr(patterns, "_ELSEWHERE", patterns._Elsewhere())
        for _ in range(patterns._GIVE_UP):
            with pytest.raises(TooMuchSearch, match=sentence.replace("1 s", r"0\.05 s")):
                search(hostile, text)
        assert search(r"(\w+\s?)*", "another pattern") is not None
        with pytest.raises(TooMuchSearch, match=r"or did so on 3 before it\."):
            search(hostile, "a")
        patterns._ELSEWHERE.close()
    assert time.process_time() - begun < SECONDS, "the searching is done elsewhere"


def test_a_long_text_is_not_searched() -> None:
    with pytest.raises(TooMuchSearch, match=r"has 20,001 characters, and a pattern is run on 20,000 at most"):
        search("a", "b" * (LONGEST + 1))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": r"^(a+)+$"}, "a" * 40 + "!"),
        ({"patternProperties": {r"^(a+)+$": {}}}, {"a" * 40 + "!": 1}),
        ({"additionalProperties": False, "patternProperties": {r"^(a+)+$": {}}}, {"a" * 40 + "!": 1}),
        ({"properties": {"x": {"items": {"pattern": r"^(a+)+$"}}}}, {"x": ["a" * 40 + "!"]}),
    ],
)
def test_patterns_of_a_schema(schema: dict[str, object], value: object) -> None:
    validator = bounded(Draft202012Validator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "SECONDS", 0.05)
        patch.setattr(patterns, "_ELSEWHERE", patterns._Elsewhere())
        with pytest.raises(TooMuchSearch, match="takes longer than"):
            list(validator(schema).iter_errors(value))
        patterns._ELSEWHERE.close()
    assert not list(validator({"pattern": "b$", "patternProperties": {"a": {}}}).iter_errors("ab"))
    assert [fault.message for fault in validator({"pattern": "c"}).iter_errors("ab")] == ["'ab' does not match 'c'"]

"""Grammars of schemas: what they let through is JSON, and valid."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

if importlib.util.find_spec("llama_cpp") is None:
    pytest.skip("the local engine is not installed", allow_module_level=True)

from promptlab.models.gguf.schema import schema_grammar

pytestmark = pytest.mark.local


def rules(schema: object) -> dict[str, str]:
    lines = schema_grammar(schema).splitlines()
    return dict(line.split(" ::= ", 1) for line in lines)


@given(least=st.integers(-50, 50), count=st.integers(1, 40), open_below=st.booleans(), open_above=st.booleans())
def test_the_whole_numbers_of_a_range_are_written_out(
    least: int, count: int, open_below: bool, open_above: bool
) -> None:
    most = least + count - 1
    schema: dict[str, object] = {"type": "integer"}
    schema |= {"exclusiveMinimum": least - 1} if open_below else {"minimum": least}
    schema |= {"exclusiveMaximum": most + 1} if open_above else {"maximum": most}
    found = rules(schema)["root"].replace('"', "").split(" | ")
    assert [int(text) for text in found] == list(range(least, most + 1))


def test_wide_and_open_ranges_are_left_to_the_metric() -> None:
    for schema in ({"minimum": 0}, {"minimum": 0, "maximum": 5000}, {"minimum": 5, "maximum": 4}):
        assert "integral-part" in rules({"type": "integer", **schema})["root"]


def test_what_is_no_schema_is_left_as_it_is() -> None:
    data = {"type": "integer", "minimum": 1, "maximum": 2}
    assert rules({"const": data})["root"] == '"{\\"type\\": \\"integer\\", \\"minimum\\": 1, \\"maximum\\": 2}"'
    named = rules({"type": "object", "properties": {"enum": data}, "required": ["enum"]})
    assert named["enum"] == '"1" | "2"'


def test_texts_hold_no_bare_control_character_and_no_quotation_mark() -> None:
    plain = r'[^"\\\x00-\x1F\x7F]'
    assert rules({"type": "string"})["char"].startswith(plain + " | ")
    assert rules({"type": "string", "pattern": "^a.*$"})["dot"] == plain


def test_a_schema_that_cannot_be_held_is_refused() -> None:
    with pytest.raises(AssertionError, match="Unrecognized schema"):
        schema_grammar({"type": "colour"})

"""Examples of large eval sets, held as JSON: nobody can tell but by the memory that they take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from promptlab.workspace import packed
from promptlab.workspace.evalsets import parse_evalset
from promptlab.workspace.identity import examples_hash
from promptlab.workspace.packed import PackedExamples, by_id, held, ids_of, rows_of
from promptlab.workspace.values import Example

texts = st.text(max_size=8)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
found = st.builds(
    Example,
    id=texts,
    vars=st.dictionaries(texts, plain, max_size=3),
    expected=plain,
    reference=st.none() | texts,
    tags=st.lists(texts, max_size=2).map(tuple),
    group=st.none() | texts,
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MANY", 3)


@given(st.lists(found, max_size=6, unique_by=lambda one: one.id), st.slices(10))
def test_packed_examples_are_what_they_were(examples: list[Example], cut: slice) -> None:
    many = held(examples)
    assert isinstance(many, PackedExamples) == (len(examples) >= 3)
    assert repr(list(many)) == repr(examples), "to the type of every number"
    assert [many[at] for at in range(-len(examples), len(examples))] == [*examples, *examples]
    assert list(many[cut]) == examples[cut]
    assert list(ids_of(many)) == [one.id for one in examples]
    assert dict(rows_of(many)) == {one.id: at for at, one in enumerate(examples)}
    assert dict(by_id(many)) == {one.id: one for one in examples}
    assert held(many) is many
    assert many == held(iter(examples))
    assert examples_hash(many) == examples_hash(examples)
    if isinstance(many, PackedExamples):
        assert json.decode(json.encode(many.json), type=list[Example]) == examples
        with pytest.raises(IndexError):
            many[len(many)]


def test_what_json_cannot_say_keeps_a_set_as_it_is() -> None:
    examples = [Example(f"e{at}", {"x": text}) for at, text in enumerate(["a", "b", "c", "\ud800", "d"])]
    assert held(examples) == tuple(examples)


def test_an_eval_set_of_many_examples_is_packed() -> None:
    lines = "".join(f'{{"id": {at}, "vars": {{"x": "{at}"}}}}\n' for at in range(5)).encode()
    found = parse_evalset(b'examples = "e.jsonl"', "e", "evalsets/e.toml", lambda _: lines)
    assert isinstance(found.examples, PackedExamples)
    assert list(found.examples) == [Example(str(at), {"x": str(at)}) for at in range(5)]

"""Computed metrics: right values, and missing with a reason where there is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import UsageFault
from promptlab.models.values import Fault, Outcome
from promptlab.scoring.catalogue import CATALOGUE, COMPUTED, JUDGE
from promptlab.scoring.metrics import score
from promptlab.scoring.values import Score
from promptlab.workspace.patterns import LONGEST
from promptlab.workspace.values import Example, MetricSpec, Output

SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "team": {"enum": ["billing", "other"]}},
    "required": ["id", "team"],
}


def one(id: str, text: str, expected: object = None, output: Output | None = None, **options: object) -> Score:
    spec = MetricSpec(id, f"my_{id}", options)
    (found,) = score([spec], Example("e", expected=expected), Outcome("k", text), output)
    assert found.metric == f"my_{id}"
    return found


@pytest.mark.parametrize(
    ("text", "expected", "value"),
    [
        ("billing", "billing", 1),
        (" billing\n", "billing", 1),
        ("billing", "billing ", 1),
        ("Billing", "billing", 0),
        ("billing.", "billing", 0),
        ("", "billing", 0),
        ("42", 42, 1),
        ("42.0", 42, 1),
        ("042", 42, 0),
        ("1", True, 0),
        ("true", True, 1),
        ('{"b": [1, 2], "a": null}', {"a": None, "b": [1, 2.0]}, 1),
        ('{"a": true}', {"a": 1}, 0),
        ('["x", "y"]', ["y", "x"], 0),
        ('["x"]', ["x", "y"], 0),
        ('{"a": 1}', {"a": 1, "b": 2}, 0),
        ("", "", 1),
    ],
)
def test_exact(text: str, expected: object, value: float) -> None:
    assert one("exact", text, expected).value == value


def test_exact_says_why_an_answer_is_no_json() -> None:
    assert one("exact", "about 42", 42) == Score(
        "my_exact",
        0.0,
        detail="the expected value is not text, and the answer is not JSON: Expecting value at line 1 column 1",
    )


@pytest.mark.parametrize(
    ("text", "expected", "value"),
    [
        # The official SQuAD script's own cases: case, punctuation, articles, spaces.
        ("The  Eiffel Tower!", "eiffel tower", 1),
        ("an answer", "Answer", 1),
        ("theatre", "atre", 0),
        ("U.S.A.", "usa", 1),
        ("Paris, France", ["paris france", "France"], 1),
        ("London", ["Paris", "France"], 0),
        ("7", 7, 1),
        ("a", "The", 0),
        ("the", "The", 1),
        ("…", "...", 0),
        ("Straße", "straße", 1),
    ],
)
def test_exact_norm(text: str, expected: object, value: float) -> None:
    assert one("exact_norm", text, expected).value == value


@pytest.mark.parametrize(
    ("text", "expected", "options", "value"),
    [
        ("Your order 1234 is late", "1234", {}, 1),
        ("Your order is late", "1234", {}, 0),
        ("Your order 1234 is late", 1234, {}, 1),
        ("We are SORRY", None, {"value": "sorry"}, 0),
        ("We are SORRY", None, {"value": "sorry", "ignore_case": True}, 1),
        ("STRASSE", "straße", {"ignore_case": True}, 1),
        ("red", ["blue", "red"], {}, 1),
        ("x", "y", {"value": "x"}, 1),
    ],
)
def test_contains(text: str, expected: object, options: dict[str, object], value: float) -> None:
    assert one("contains", text, expected, **options).value == value


@pytest.mark.parametrize(
    ("text", "options", "value"),
    [
        ("Hello there", {"pattern": "^Hello"}, 1),
        ("Oh, Hello there", {"pattern": "^Hello"}, 0),
        ("2024-05-01", {"pattern": r"\d{4}-\d\d-\d\d", "full": True}, 1),
        ("on 2024-05-01", {"pattern": r"\d{4}-\d\d-\d\d", "full": True}, 0),
        ("Bye\nCustomer Care\n", {"pattern": "Customer Care$"}, 1),
    ],
)
def test_regex(text: str, options: dict[str, object], value: float) -> None:
    assert one("regex", text, **options).value == value


def test_a_pattern_sees_so_much_of_a_long_answer() -> None:
    long = "x" * LONGEST
    assert one("regex", "Hello" + long, pattern="^Hello").value == 1
    reason = "the answer has 20,005 characters, and a pattern is run on 20,000 at most"
    assert one("regex", long + "Hello", pattern="Hello").missing == reason
    assert one("regex", long + "Hello", pattern="x+$").missing == reason
    assert one("regex", long + "Hello", pattern="x*Hello", full=True).missing == reason


def test_a_wrong_pattern_is_no_zero() -> None:
    assert one("regex", "x", pattern="(").missing.startswith("the pattern is wrong: missing )")


def test_choice() -> None:
    contract = Output(choices=("billing", "other"))
    assert one("choice", " billing\n", output=contract).value == 1
    assert one("choice", "Billing", output=contract).value == 0
    assert one("choice", "billing", output=contract, choices=["yes", "no"]).value == 0
    assert one("choice", "billing").missing == (
        "no choices are declared: give the metric `choices`, or the prompt `[output] choices`"
    )


@pytest.mark.parametrize(
    ("text", "value", "detail"),
    [
        ('{"a": [1, 2.5e3, null]}', 1, ""),
        ('"text"\n', 1, ""),
        ("9" * 5000, 1, ""),
        ("{'a': 1}", 0, "Expecting property name enclosed in double quotes at line 1 column 2"),
        ('```json\n{"a": 1}\n```', 0, "Expecting value at line 1 column 1 (it stands in a fence of backticks)"),
        ('{"a": NaN}', 0, "NaN is no JSON"),
        ("", 0, "Expecting value at line 1 column 1"),
        ('{"a": 1} and more', 0, "Extra data at line 1 column 10"),
    ],
)
def test_json_valid(text: str, value: float, detail: str) -> None:
    assert one("json_valid", text) == Score("my_json_valid", value, detail=detail)


def test_json_too_deep_is_missing() -> None:
    assert one("json_valid", "[" * 100_000).missing == "the answer is nested too deeply"


def test_json_schema() -> None:
    assert one("json_schema", '{"id": 3, "team": "other"}', schema=SCHEMA).value == 1
    wrong = one("json_schema", '{"id": "x\x1b[31m"}'.replace("\x1b", "\\u001b"), schema=SCHEMA)
    assert wrong.value == 0
    assert wrong.detail.startswith("$")
    assert "'team' is a required property" in wrong.detail
    assert "is not of type 'integer'" in wrong.detail
    assert "\x1b" not in wrong.detail
    assert one("json_schema", "no", schema=SCHEMA).detail == "Expecting value at line 1 column 1"


def test_json_schema_of_the_prompt_and_none_at_all() -> None:
    assert one("json_schema", "{}", output=Output(json_schema=SCHEMA)).value == 0
    assert one("json_schema", "{}").missing.startswith("no schema is declared: give the metric `schema`")


def test_json_schema_says_how_many_more_errors() -> None:
    many: dict[str, object] = {"type": "array", "items": {"type": "integer"}}
    assert one("json_schema", '["a", "b", "c", "d", "e"]', schema=many).detail.endswith("; and 2 more")


def test_a_schema_fetches_nothing() -> None:
    remote = one("json_schema", "1", schema={"$ref": "http://127.0.0.1:1/schema"})
    assert remote.missing == "the schema refers to http://127.0.0.1:1/schema, which is not in it"


def test_a_schema_that_refers_to_itself_for_ever_is_missing() -> None:
    loop = one("json_schema", "1", schema={"$ref": "#"})
    assert loop.missing == "the answer or the schema is nested too deeply"


def test_length() -> None:
    assert one("length", " two words \n").value == 9
    assert one("length", "two  words\n", unit="words").value == 2
    assert one("length", "two words", unit="words", max=2) == Score("my_length", 1.0, detail="2 words")
    assert one("length", "two words", max=8) == Score("my_length", 0.0, detail="9 chars")


def test_latency_and_cost_are_what_was_measured() -> None:
    specs = [MetricSpec("latency", "latency"), MetricSpec("cost", "cost")]
    known = score(specs, Example("e"), Outcome("k", "x", latency=0.5, cost=0.0, cached=True), None)
    assert known == (Score("latency", 0.5), Score("cost", 0.0))
    unknown = score(specs, Example("e"), Outcome("k", "x"), None)
    assert [found.missing for found in unknown] == ["the latency is not known", "the model has no price"]


@pytest.mark.parametrize("id", list(COMPUTED))
def test_a_fault_is_never_a_zero(id: str) -> None:
    outcome = Outcome("k", finish="error", fault=Fault("timeout", "The model did not answer within 120 s."))
    (found,) = score([MetricSpec(id, id)], Example("e", expected="x"), outcome, None)
    assert found == Score(id, missing="error: The model did not answer within 120 s.")


@pytest.mark.parametrize("id", ["exact", "exact_norm", "contains"])
def test_no_expected_is_never_a_zero(id: str) -> None:
    assert one(id, "x").missing == "the example has no `expected`"


def test_an_empty_expected_is_contained_in_everything_and_tells_nothing() -> None:
    assert one("contains", "x", " ").missing == "the example's `expected` is empty"
    assert one("exact_norm", "x", []).missing == "the example's `expected` is empty"


def test_judges_are_left_out_and_unknown_metrics_refused() -> None:
    assert score([MetricSpec(JUDGE, "polite")], Example("e"), Outcome("k", "x"), None) == ()
    with pytest.raises(UsageFault, match="There is no metric `exakt`"):
        one("exakt", "x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_a_json_value_is_exactly_itself(value: object) -> None:
    if value is not None and not isinstance(value, str):
        assert one("exact", json.dumps(value), value).value == 1
    assert one("json_valid", json.dumps(value)).value == 1


@given(st.sampled_from(list(COMPUTED)), st.text(), JSON)
def test_every_score_is_a_number_in_range_or_a_reason(id: str, text: str, expected: object) -> None:
    options = {"pattern": "a|b", "choices": ["a"], "schema": {"type": "object"}, "tools": {"a": {}}}
    found = one(id, text, expected, **options)
    assert (found.value is None) == bool(found.missing)
    if found.value is not None:
        high = CATALOGUE[id].high
        assert found.value >= 0
        assert high is None or found.value <= high

"""SQL and calls of tools, against another parser and another statement of the same rule."""

from __future__ import annotations

import json

import jsonschema
import pytest
import scored
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot.errors import SqlglotError

from promptlab.scoring.catalogue import validate
from promptlab.workspace.values import MetricSpec

TABLES = "CREATE TABLE orders (id INTEGER, total REAL);"
ORDER = ["FROM orders", "WHERE id = 1", "GROUP BY id", "ORDER BY total", "LIMIT 3"]
CLAUSES = st.sets(st.sampled_from(ORDER)).map(lambda found: sorted(found, key=ORDER.index))


@settings(max_examples=100)
@given(st.sampled_from(["SELECT id", "SELECT count(*)", "SELECT (id"]), CLAUSES, st.sampled_from(["", ")", "FROM"]))
def test_sql_is_what_sqlglot_reads(head: str, clauses: list[str], end: str) -> None:
    """In the order of SQL, of which sqlglot does not insist."""
    text = " ".join([head, *clauses, end])
    try:
        sqlglot.parse_one(text, dialect="sqlite")
        oracle = True
    except SqlglotError:
        oracle = False
    assert scored.value("sql_valid", text) == oracle


@pytest.mark.parametrize(
    ("text", "options", "value", "detail"),
    [
        ("SELECT * FROM anything WHERE x = ?", {}, 1, ""),
        ("SELECT 'a;b'; SELECT 2;", {}, 1, ""),
        ("SELEC 1", {}, 0, 'near "SELEC": syntax error'),
        ("SELECT 1; DROP", {}, 0, "incomplete input"),
        ("```sql\nSELECT 1\n```", {}, 0, 'near "```sql SELECT 1 ```": syntax error'),
        ("", {}, 0, "no statement in the answer"),
        ("SELECT total FROM orders", {"tables": TABLES}, 1, ""),
        ("SELECT price FROM orders", {"tables": TABLES}, 0, "no such column: price"),
        ("DROP TABLE orders; SELECT id FROM orders", {"tables": TABLES}, 1, ""),
        ("CREATE TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; SELECT 2; END;", {"tables": TABLES}, 1, ""),
    ],
)
def test_sql(text: str, options: dict[str, object], value: float, detail: str) -> None:
    found = scored.of("sql_valid", text, **options)
    assert found.value == value
    assert found.detail.replace("\\n", " ") == detail


def test_sql_that_would_act_while_it_is_read() -> None:
    for text in ("ATTACH 'x.db' AS x", "PRAGMA journal_mode = DELETE"):
        assert scored.of("sql_valid", text).missing == (
            "the answer attaches databases or sets pragmas, which are not read"
        )
    forever = "CREATE TABLE t AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n;"
    (problem,) = validate(MetricSpec("sql_valid", "s", {"tables": forever}), "e.toml")
    assert str(problem).startswith("e.toml: metrics.s.tables: Expected statements that declare tables, got some that")


TOOLS = {
    "refund": {"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]},
    "close": {"type": "object", "maxProperties": 0},
}
CALL = {
    "type": "object",
    "required": ["name", "arguments"],
    "oneOf": [{"properties": {"name": {"const": name}, "arguments": schema}} for name, schema in TOOLS.items()],
}


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "name": st.sampled_from(["refund", "close", "gone"]),
                "arguments": st.dictionaries(st.sampled_from(["order", "x"]), st.integers(0, 3) | st.just("1")),
            }
        ),
        min_size=1,
        max_size=2,
    ),
    st.sampled_from(["list", "function", "text"]),
)
def test_a_call_is_that_of_one_schema_for_all_tools(calls: list[dict[str, object]], shape: str) -> None:
    oracle = jsonschema.Draft202012Validator({"type": "array", "items": CALL}).is_valid(calls)
    said: list[object] = list(calls)
    if shape != "list":
        said = [{"function": {**one, "arguments": json.dumps(one["arguments"])}} for one in calls]
    text = json.dumps(said[0] if shape == "text" and len(said) == 1 else said)
    assert scored.value("tool_call", text, tools=TOOLS) == oracle


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("[]", "the answer calls no tool"),
        ("{}", "a call has no `name`"),
        ('{"name": "pay"}', "there is no tool `pay`"),
        ('{"name": "refund", "arguments": {}}', "refund: $: 'order' is a required property"),
        ("I will refund it.", "Expecting value at line 1 column 1"),
    ],
)
def test_why_a_call_is_none(text: str, detail: str) -> None:
    found = scored.of("tool_call", text, tools=TOOLS)
    assert (found.value, found.detail) == (0, detail)


def test_tools_have_schemas() -> None:
    (problem,) = validate(MetricSpec("tool_call", "t", {"tools": {"a": {"type": "none"}}}), "e.toml")
    assert str(problem).startswith("e.toml: metrics.t.tools: Expected a JSON schema, got one that is wrong at type: ")

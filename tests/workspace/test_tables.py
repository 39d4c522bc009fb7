"""Keys and tables set, added and taken out in place: what no change is about keeps every byte."""

from __future__ import annotations

import tomllib

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from promptlab.workspace.faults import CannotEdit
from promptlab.workspace.tables import GONE, Change, change_tables

SET = b"""\
# Tickets.
description = "x"

# billing ones
[[examples]]
id = "a"   # first
vars = { ticket = "hi" }

[[examples]]
id = "b"
expected = "x"
[examples.vars]
ticket = "yo"

# the last
[[examples]]
id = "c"

[decision]
alpha = 0.1 # usual
"""


def test_values_keys_and_tables_change_beside_comments() -> None:
    edited = change_tables(
        SET,
        [
            Change(("decision", "alpha"), 0.05),
            Change(("decision", "min_effect"), 0.02),
            Change(("examples", 0, "vars", "ticket"), 'say "hi"'),
            Change(("examples", 0, "tags"), ["q"]),
            Change(("examples", 1, "vars", "n"), 3),
            Change(("examples", 1, "expected"), GONE),
            Change(("examples", 3), {"id": "d"}),
        ],
    )
    assert edited.decode() == (
        SET.decode()
        .replace("alpha = 0.1 # usual\n", "alpha = 0.05 # usual\nmin_effect = 0.02\n")
        .replace('{ ticket = "hi" }\n', '{ ticket = \'say "hi"\' }\ntags = ["q"]\n')
        .replace('ticket = "yo"\n', 'ticket = "yo"\nn = 3\n')
        .replace('expected = "x"\n', "")
        .replace('id = "c"\n', 'id = "c"\n\n[[examples]]\nid = "d"\n')
    )


def test_a_table_that_goes_takes_its_own_lines_and_no_comment_of_the_next() -> None:
    edited = change_tables(SET, [Change(("examples", 1), GONE)])
    assert edited == SET.replace(b'[[examples]]\nid = "b"\nexpected = "x"\n[examples.vars]\nticket = "yo"\n\n', b"")


def test_a_new_table_stands_before_the_examples() -> None:
    without = SET.partition(b"\n[decision]")[0]
    edited = change_tables(without, [Change(("decision", "alpha"), 0.2)], above="examples")
    assert b'# billing ones\n[decision]\nalpha = 0.2\n\n[[examples]]\nid = "a"' in edited


def test_line_ends_and_a_missing_last_one_stay() -> None:
    crlf = SET.replace(b"\n", b"\r\n").rstrip()
    edited = change_tables(crlf, [Change(("decision", "trials"), 3), Change(("description",), GONE)])
    assert edited == crlf.replace(b'description = "x"\r\n', b"") + b"\r\ntrials = 3\r\n"


def test_inline_tables_gain_and_lose_keys() -> None:
    data = b'examples = [\n  { id = "a", vars = { t = "1" } }, # one\n  { id = "b" },\n]\n'
    edited = change_tables(data, [Change(("examples", 0, "vars", "u"), "2")])
    assert tomllib.loads(edited.decode())["examples"][0]["vars"] == {"t": "1", "u": "2"}
    assert change_tables(data, [Change(("examples", 0, "vars", "t"), "9")]) == data.replace(b'"1"', b'"9"')


def test_what_cannot_be_changed_alone_is_refused() -> None:
    with pytest.raises(CannotEdit, match=r"`a\.b` cannot be changed without changing something else"):
        change_tables(b"a.b.c = 1\n[x]\ny = 2\n[a.b.d]\ne = 1\n", [Change(("a", "b"), GONE)])
    with pytest.raises(CannotEdit, match="cannot be edited in place"):
        change_tables(b"= 1", [Change(("a",), 1)])


KEYS = st.sampled_from(["a", "b", "c d"])
VALUES = st.one_of(st.booleans(), st.integers(-9, 9), st.text("x\"'\\\n#", max_size=6), st.lists(st.integers(0, 3)))
TABLES = st.dictionaries(KEYS, VALUES, max_size=3)


@given(
    top=TABLES,
    rows=st.lists(st.dictionaries(KEYS, VALUES, min_size=1, max_size=3), min_size=1, max_size=4),
    named=TABLES,
    taken=st.sets(st.integers(0, 3), max_size=2),
    row=st.integers(0, 3),
    key=KEYS,
    value=VALUES,
)
def test_the_file_says_what_was_asked_for(
    top: dict[str, object],
    rows: list[dict[str, object]],
    named: dict[str, object],
    taken: set[int],
    row: int,
    key: str,
    value: object,
) -> None:
    tree = {**top, "rows": rows, "table": named}
    data = tomli_w.dumps(tree).encode()
    if b"rows = [" in data:  # small tables are written inline
        data = data.replace(b"rows = [", b"rows = [ # all\n", 1)
    gone = {index for index in taken if index < len(rows)} - {row}
    changes = [Change(("rows", index), GONE) for index in gone]
    if row < len(rows):
        changes.append(Change(("rows", row, key), value))
    changes += [Change(("rows", len(rows)), {"new": value}), Change(("table", key), value), Change((key,), GONE)]
    edited = tomllib.loads(change_tables(data, changes).decode())
    expected_rows = [
        {**old, key: value} if index == row else old for index, old in enumerate(rows) if index not in gone
    ]
    assert edited["rows"] == [*expected_rows, {"new": value}]
    assert edited.get("table", {}) == {**named, key: value}
    assert {name: item for name, item in edited.items() if name not in ("rows", "table")} == {
        name: item for name, item in top.items() if name != key
    }

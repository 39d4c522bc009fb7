"""What makes two prompts the same version."""

from __future__ import annotations

import tomllib
from datetime import date, time

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from promptlab.workspace.identity import content_hash, examples_hash
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.values import Example

PROMPT = '''\
[params]
temperature = 0.2
max_tokens = 16
[[messages]]
role = "user"
content = """
Route:
{{ ticket }}"""
'''


def content(text: str) -> str:
    return parse_prompt(text.encode(), "p", "prompts/p.toml").content


def test_the_rule_never_changes_by_accident() -> None:
    # Names in histories and tags rest on this value. A new rule needs a new number in the hashed text.
    assert content(PROMPT) == "9a34e8564e0d"


@pytest.mark.parametrize(
    "same",
    [
        "# comment\n" + PROMPT,
        "\ufeff" + PROMPT,
        PROMPT.replace("\n", "\r\n"),
        PROMPT.replace("temperature = 0.2\nmax_tokens = 16", "max_tokens = 16\ntemperature = 0.2"),
        PROMPT.replace("[params]\ntemperature = 0.2\n", "params.temperature = 0.2\nparams."),
        PROMPT.replace('"""\nRoute:\n{{ ticket }}"""', '"Route:\\n{{ ticket }}"'),
        'description = "d"\nowner = "o"\nlabels = ["l"]\nnotes = 2026-01-02\nid = "i"\nevalset = "e"\n' + PROMPT,
    ],
)
def test_what_does_not_change_a_version(same: str) -> None:
    assert content(same) == content(PROMPT)


@pytest.mark.parametrize(
    "other",
    [
        PROMPT.replace("0.2", "0.3"),
        PROMPT.replace("Route:", "Route: "),
        PROMPT.replace("16", "16\nseed = 0"),
        PROMPT.replace("Route", "route"),
    ],
)
def test_what_changes_a_version(other: str) -> None:
    assert content(other) != content(PROMPT)


def test_one_and_one_point_nought_differ() -> None:
    assert content(PROMPT.replace("0.2", "1")) != content(PROMPT.replace("0.2", "1.0"))


def test_dates_are_their_text() -> None:
    assert content_hash({"a": date(2026, 1, 2), "b": time(1, 2)}) == content_hash(
        {"a": "2026-01-02", "b": "01:02:00"}
    )
    with pytest.raises(TypeError, match="object has no JSON form"):
        content_hash({"a": object()})


values = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=6,
)
tables = st.dictionaries(st.text("abcdef", min_size=1, max_size=4), values, max_size=5)


@given(tables, st.randoms(use_true_random=False))
def test_comments_order_and_line_ends_never_count(table: dict[str, object], random: object) -> None:
    keys = list(table)
    random.shuffle(keys)  # type: ignore[attr-defined] - hypothesis gives a Random
    text = tomli_w.dumps({key: table[key] for key in keys}, multiline_strings=True)
    dressed = "\ufeff# first\r\n" + text.replace("\n", "\r\n")
    assert content_hash(tomllib.loads(dressed.removeprefix("\ufeff"))) == content_hash(
        tomllib.loads(tomli_w.dumps(table))
    )


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_one_trailing_space_always_counts(text: str) -> None:
    assert content_hash({"content": text}) != content_hash({"content": text + " "})


def test_examples_have_no_order() -> None:
    a, b = Example("a", {"x": 1}), Example("b", expected={"y": [None]})
    assert examples_hash([a, b]) == examples_hash([b, a])
    assert examples_hash([a]) != examples_hash([a, b])
    assert examples_hash([a]) != examples_hash([Example("a", {"x": 1.0})])

"""Where things stand in a TOML file, and the sentence for a file that is none."""

from __future__ import annotations

import tomllib

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import InvalidFile
from promptlab.workspace.scan import places
from promptlab.workspace.toml import did_you_mean, line_of, nearest, parse, show_path, shown


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"a = 1\nb = \n", "x.toml:2: This is not valid TOML at column 5: Invalid value. Correct the line."),
        (b'a = 1\nb = """x\n', "x.toml:2: This is not valid TOML: Unterminated string. Correct the line."),
        (
            b"a = 1\na = 2\n",
            "x.toml:2: This is not valid TOML at column 6: Cannot overwrite a value.",
        ),
        (b"a = 'x\xff'\n", "x.toml:1: The file is not UTF-8 text (byte 0xff). Save it as UTF-8."),
        (b"a = 1\nb = '\xc3'\n", "x.toml:2: The file is not UTF-8 text (byte 0xc3). Save it as UTF-8."),
        ("a = 1".encode("utf-16"), "x.toml:1: The file is not UTF-8 text (byte 0xff). Save it as UTF-8."),
        (b"a = " + b"[" * 50_000, "x.toml: Arrays or tables are nested too deeply. Flatten the file."),
        (b"a = " + b"1" * 5000, "x.toml: This is not valid TOML: Exceeds the limit (4300 digits)"),
    ],
)
def test_a_file_that_is_not_toml(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        parse(data, "x.toml")
    assert str(caught.value).startswith(sentence)
    assert caught.value.__context__ is None  # it can carry the file's text, and with it a secret


def test_a_byte_order_mark_and_crlf_are_accepted() -> None:
    assert parse(b'\xef\xbb\xbfa = """x\r\ny"""\r\n', "x.toml") == {"a": "x\ny"}
    assert parse(b"", "x.toml") == {}


TEXT = """\
# comment = 1
a = 1
"b.c".d = [ # [[x]]
  1,
  { e = '''
}''' },
]
[f]   # table
g.h = 1979-05-27 07:32:00
[[i]]
[[i]]
j = \"""
one
two\"""
[[i.k]]
[[i.k]]
l = true
[i.k.m]
n = "\\"]"
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 2),
        (("b.c", "d"), 3),
        (("b.c", "d", 0), 4),
        (("b.c", "d", 1, "e"), 5),
        (("f",), 8),
        (("f", "g", "h"), 9),
        (("i",), 10),
        (("i", 0), 10),
        (("i", 1), 11),
        (("i", 1, "j"), 12),
        (("i", 1, "k", 1, "l"), 17),
        (("i", 1, "k", 1, "m", "n"), 19),
        (("i", 1, "k", 1, "missing", "deeper"), 16),
        (("nowhere",), 0),
        ((), 0),
    ],
)
def test_the_line_of_a_key(path: tuple[str | int, ...], line: int) -> None:
    assert line_of(TEXT.encode(), path) == line
    assert line_of(TEXT.replace("\n", "\r\n").encode(), path) == line


def test_a_line_inside_a_text() -> None:
    assert line_of(TEXT.encode(), ("i", 1, "j"), below=1) == 14
    assert line_of(TEXT.encode(), ("i", 1, "j"), below=9) == 14  # never below the value


keys = st.text("ab-_ .\"'#=[é", min_size=0, max_size=3)
texts = st.text("'\"\\\n\t# ]},=a[{é", max_size=12)
values = st.recursive(
    texts
    | st.integers(-9, 9)
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.datetimes()
    | st.dates()
    | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(keys, values, max_size=4), st.booleans())
def test_every_value_of_every_file_is_found(content: dict[str, object], multiline: bool) -> None:
    text = tomli_w.dumps(content, multiline_strings=multiline)
    found = places(text)
    for path, place in found.items():
        value: object = tomllib.loads(text)
        for part in path:
            value = value[part]  # type: ignore[index] - a path walks tables and arrays
        if place.start < place.end:
            assert tomllib.loads("k = " + text[place.start : place.end])["k"] == value
    leaves = sum(1 for place in found.values() if place.start < place.end)
    assert leaves >= sum(1 for value in content.values() if not isinstance(value, dict | list))


def test_a_text_of_too_many_brackets_has_no_places() -> None:
    assert places("a = " + "[" * 5000 + "]" * 5000) == {}


def test_nearest() -> None:
    known = ["temperature", "max_tokens", "Seed"]
    assert nearest("temprature", known) == "temperature"
    assert nearest("SEED", known) == "Seed"
    assert nearest("zzz", known) is None
    assert did_you_mean("max_token", known) == "Did you mean `max_tokens`?"
    assert did_you_mean("zzz", known) == ""


def test_foreign_texts_are_made_fit_for_a_message() -> None:
    assert shown("a\x1b[31m\n\x9b") == "a\\x1b[31m\\n\\x9b"
    assert shown("x" * 100) == "x" * 59 + "…"
    assert show_path(("models", "gpt 4", "price", 0)) == 'models."gpt 4".price[0]'


_QUOTES = ['"""', "'''", '"', "'", '""', "\\", "\\n"]
_PIECES = [*_QUOTES, "#", " ", "=", "a", "[", "]", "{", "}", ",", "\r", "\t", "\x00", "a = ", "\n"]
fragments = st.lists(st.sampled_from(_PIECES), max_size=14).map("".join)
bodies = fragments.map(lambda text: text.replace('"""', ""))


@settings(max_examples=150)
@given(st.lists(fragments | bodies.map(lambda body: f'x = """{body}"""\n'), max_size=4).map("".join))
def test_a_text_in_three_quotes_is_what_tomllib_makes_of_it(text: str) -> None:
    try:
        expected = repr(tomllib.loads(text))
    except ValueError:
        with pytest.raises(InvalidFile):
            parse(text.encode(), "")
    else:
        assert repr(parse(text.encode(), "")) == expected


@pytest.mark.parametrize(
    "text",
    [
        'a = """\none "two" three\n"""\nb = """x"""\n',
        '# """\na = """x"""\n',
        'a = """it\'s"""\n',
        'a = \'""" \'\n',
        'a = ["""x""", """y"""]\n',
        'a = """\nit\'s\n"""\n',
        'a = """"x""""\n',
    ],
)
def test_quotes_inside_quotes(text: str) -> None:
    assert parse(text.encode(), "") == tomllib.loads(text)


def test_three_quotes_after_a_text_are_a_fault() -> None:
    with pytest.raises(InvalidFile):
        parse(b'a = "x"""y"\n', "")

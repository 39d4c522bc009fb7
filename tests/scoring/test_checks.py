"""Static checks: what they find, what they leave, and what is hostile."""

from __future__ import annotations

import time

import pytest
import scored

from promptlab.models.values import Outcome
from promptlab.scoring.catalogue import COMPUTED, describe, validate
from promptlab.workspace.values import MetricSpec


@pytest.mark.parametrize(
    ("text", "unit", "length"),
    [
        ("one two", "chars", 7),
        ("one  two\n", "words", 2),
        ("It is 3.14 m. Is it? Yes! Version 2.0 came.", "sentences", 4),
        ("No full stop", "sentences", 1),
        ("Wait... what?!", "sentences", 2),
        ("これは文です。もう一つ。", "sentences", 2),
        ("", "sentences", 0),
        ("a\n\n b\n", "lines", 2),
    ],
)
def test_length(text: str, unit: str, length: float) -> None:
    assert scored.value("length", text, unit=unit) == length


def test_an_amount_with_limits_is_yes_or_no() -> None:
    between = {"unit": "words", "min": 2, "max": 3}
    assert [scored.value("length", "w " * n, **between) for n in range(1, 5)] == [0, 1, 1, 0]
    assert scored.of("length", "a b", **between).detail == "2 words"
    assert scored.of("repetition", "a b c d a b c d", max=0.1).detail == "0.2"
    info = describe(MetricSpec("length", "l", between))
    assert (info.kind, info.direction, info.unit) == ("binary", "max", "")
    assert info.summary == "how long the answer is: at least 2 and at most 3 words"
    (problem,) = validate(MetricSpec("length", "l", {"min": 3, "max": 2}), "x")
    assert str(problem) == "x: metrics.l.min: `min` is above `max`, which nothing can be. Exchange them."


@pytest.mark.parametrize(
    ("text", "count"),
    [("- a\n- b\n* c", 3), ("1. a\n2) b\n  • c", 3), ("-a\n3.5 is pi\n---", 0), ("text\n- a", 1)],
)
def test_bullets(text: str, count: float) -> None:
    assert scored.value("bullets", text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It is so [1], and so [2, 3].", 2),
        ("As (Lin, 2004) and (Post et al., 2018) say.", 2),
        ("See https://example.org/a?b=1 and http://x.test/.", 2),
        ("[3](https://example.org)", 1),
        ("An array a[10] (in 2004)", 1),
        ("nothing (maybe)", 0),
    ],
)
def test_citations(text: str, count: float) -> None:
    assert scored.value("citations", text) == count


@pytest.mark.parametrize(
    ("id", "text", "options", "value"),
    [
        ("one_line", "one\n", {}, 1),
        ("one_line", "one\ntwo", {}, 0),
        ("one_line", "", {}, 0),
        ("starts_with", "Dear Ann,", {"value": "Dear "}, 1),
        ("starts_with", "dear Ann,", {"value": "Dear"}, 0),
        ("starts_with", "dear Ann,", {"value": "Dear", "ignore_case": True}, 1),
        ("ends_with", "… Customer Care\n", {"value": "Customer Care"}, 1),
        ("ends_with", "Customer Care.", {"value": "Customer Care"}, 0),
        ("no_placeholder", "Dear [Your Name],", {}, 0),
        ("no_placeholder", "Dear [INSERT NAME HERE]", {}, 0),
        ("no_placeholder", "Dear {{ name }}", {}, 0),
        ("no_placeholder", "TODO: the rest", {}, 0),
        ("no_placeholder", "Lo hizo todo [sic] <b>bien</b>", {}, 1),
    ],
)
def test_yes_or_no(id: str, text: str, options: dict[str, object], value: float) -> None:
    assert scored.value(id, text, **options) == value


def test_not_truncated() -> None:
    assert scored.of("not_truncated", "", outcome=Outcome("k", "x", finish="length")).value == 0
    assert scored.of("not_truncated", "", outcome=Outcome("k", "x")).value == 1


@pytest.mark.parametrize(
    ("text", "value", "detail"),
    [
        ('<?xml version="1.0"?><a b="1">ü<c/></a>', 1, ""),
        ("<a><b></a>", 0, "mismatched tag at line 1 column 9"),
        ("no xml", 0, "syntax error at line 1 column 1"),
        ("<a/> and more", 0, "junk after document element at line 1 column 6"),
        ("", 0, "no element found at line 1 column 1"),
    ],
)
def test_xml_valid(text: str, value: float, detail: str) -> None:
    found = scored.of("xml_valid", text)
    assert (found.value, found.detail) == (value, detail)


def test_an_xml_bomb_is_not_read() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><a>&y;</a>'
    assert scored.of("xml_valid", bomb).missing == "the answer declares XML entities, which are not read"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("def f(x):\n    return x\n", 1),
        ("x is 1", 1),
        ("def f(:", 0),
        ("Here is code: x = 1", 0),
        ("a\0b", 0),
        ("", 1),
    ],
)
def test_python_parses(text: str, value: float) -> None:
    assert scored.value("python_parses", text) == value


def test_hostile_python_neither_runs_nor_crashes() -> None:
    assert scored.value("python_parses", "import os; os._exit(1)") == 1
    deep = scored.of("python_parses", "(" * 50_000)
    assert deep.value == 0 or deep.missing
    assert scored.of("python_parses", "-" * 90_000 + "1").missing == "the answer is nested too deeply"
    assert scored.of("python_parses", "x" * 100_001).missing == "the answer has more than 100,000 characters"


@pytest.mark.parametrize(
    ("text", "value", "detail"),
    [
        ("| a | b |\n|---|:-:|\n| 1 | 2 |", 1, ""),
        ("a | b\n--|--\n1 | 2", 1, ""),
        ("Text\n\n| a \\| x | b |\n|---|---|\n| 1 | 2 |\n\nMore | text", 1, ""),
        ("| a | b |\n|---|---|\n| 1 |", 0, "line 3 has 1 cells, the head of the table 2"),
        ("a | b", 0, "no table in the answer"),
    ],
)
def test_markdown_table(text: str, value: float, detail: str) -> None:
    found = scored.of("markdown_table", text)
    assert (found.value, found.detail) == (value, detail)


HOSTILE = (" " * 20_000, "-" * 20_000, "| " * 9_000 + "\n" + " |-" * 6_000, "[" * 20_000, "1 " * 10_000, ". " * 9_000)


@pytest.mark.parametrize(
    "text",
    [*HOSTILE, "a@" * 9_000, "(A" * 9_000, "{{" * 9_000, "i can " * 3_000, "+1 (0)" * 3_000],
    ids=lambda text: text[:4],
)
def test_no_answer_takes_a_metric_long(text: str) -> None:
    scored.of("bleu", "a", scored.referring("a"))  # imports sacrebleu
    options = {"values": ["a"], "pattern": "a", "value": "a", "tools": {"a": {}}}
    example = scored.referring("a b c").__class__("e", expected="1", reference="a b c", previous="a b")
    for id in COMPUTED:
        start = time.perf_counter()
        scored.of(id, text, example, **options)
        assert time.perf_counter() - start < 5, id  # a hang, not a busy machine

"""Eval set files: what is accepted, and the sentence for everything that is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlab.errors import InvalidFile, NotFound
from promptlab.workspace.evalsets import parse_evalset
from promptlab.workspace.values import Decision, EvalSet, Example, Guardrail, MetricSpec

SUPPORT = """\
description = "Support tickets"
[[metrics]]
id = "exact"
[[metrics]]
id = "regex"
name = "has_id"
pattern = "A-[0-9]+"
[decision]
primary = "exact"
min_effect = 0.05
cluster_by = "group"
trials = 3
guardrails = [{ metric = "refusal", margin = 0.03 }, { metric = "latency_p95", ratio = 1.2 }]
[[examples]]
id = 7
vars = { ticket = "x", when = 2026-01-02 }
expected = { label = ["billing", 1.5, true] }
tags = ["easy"]
group = 12
split = "dev"
reference = "r"
"""
ONE = '[[examples]]\nid = "a"\n'


def load(text: str, lines: bytes = b"") -> EvalSet:
    return parse_evalset(text.encode(), "support", "evalsets/support.toml", lambda _: lines)


def problems_of(text: str, lines: bytes = b"") -> list[str]:
    with pytest.raises(InvalidFile) as caught:
        load(text, lines)
    return [str(problem) for problem in caught.value.problems]


def test_an_eval_set_is_read_as_it_stands() -> None:
    evalset = load(SUPPORT)
    assert evalset.description == "Support tickets"
    assert evalset.files == ("evalsets/support.toml",)
    assert evalset.metrics == (MetricSpec("exact", "exact"), MetricSpec("regex", "has_id", {"pattern": "A-[0-9]+"}))
    assert evalset.decision == Decision(
        primary="exact",
        min_effect=0.05,
        cluster_by="group",
        trials=3,
        guardrails=(Guardrail("refusal", margin=0.03), Guardrail("latency_p95", ratio=1.2)),
    )
    assert evalset.examples == (
        Example(
            id="7",
            vars={"ticket": "x", "when": "2026-01-02"},
            expected={"label": ["billing", 1.5, True]},
            tags=("easy",),
            group="12",
            split="dev",
            reference="r",
        ),
    )


def test_examples_of_a_jsonl_file(tmp_path: Path) -> None:
    asked: list[str] = []

    def read(relative: str) -> bytes:
        asked.append(relative)
        return (
            b'\xef\xbb\xbf{"id": "a", "vars": {"t": "\xe2\x80\xa8"}, "expected": null, "group": null}\r\n\n{"id": 2}'
        )

    evalset = parse_evalset(b'examples = "data/x.jsonl"\n', "deep/s", "evalsets/deep/s.toml", read)
    assert asked == ["data/x.jsonl"]
    assert evalset.files == ("evalsets/deep/s.toml", "evalsets/deep/data/x.jsonl")
    assert evalset.examples == (Example("a", {"t": "\u2028"}), Example("2"))


def test_the_same_cases_have_the_same_content_wherever_they_stand() -> None:
    inline = load('[[examples]]\nid = "a"\nvars = { t = "x" }\n[[examples]]\nid = "b"\nexpected = 1\n')
    lines = load('examples = "x.jsonl"\n', b'{"expected": 1, "id": "b"}\n{"id": "a", "vars": {"t": "x"}}\n')
    assert inline.content == lines.content
    assert len(inline.content) == 12
    assert load(ONE).content != inline.content


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "evalsets/support.toml: The key `examples` is missing. Add it."),
        ("examples = []", ":1: examples: Expected `[[examples]]` tables, or the name of a file such as"),
        ('examples = "x.csv"', "examples: Expected the name of a .jsonl file, got `x.csv`."),
        ("[[examples]]\nvars = {}", ":1: examples[0]: The key `id` is missing. Add it."),
        ("[[examples]]\nid = true", ":2: examples[0].id: Expected a text or a whole number, got true."),
        ("[[examples]]\nid = ''", "examples[0].id: Expected a text or a whole number, got an empty text."),
        ("examples = [1]", "examples[0]: Expected a table, got 1."),
        (ONE + "vars = 1", ":3: examples[0].vars: Expected a table, got 1."),
        (ONE + "vars = { a = nan }", "examples[0].vars: Expected a finite number, got nan."),
        (ONE + "expect = 1", "examples[0].expect: Unknown key `expect`. Did you mean `expected`?"),
        (ONE + "tags = 'a'", "examples[0].tags: Expected a list of texts, got text."),
        (ONE + "reference = 1", "examples[0].reference: Expected text in quotes, got 1."),
        (
            ONE + ONE.replace('"a"', '"b"') + ONE,
            ":6: examples[2].id: The example id `a` is used twice: examples[0] on line 1 has it too. Give each",
        ),
        ("metrics = 1\n" + ONE, "metrics: Expected `[[metrics]]` tables, got 1."),
        ("metrics = [1]\n" + ONE, "metrics[0]: Expected a table, got 1."),
        ("[[metrics]]\nname = 'a'\n" + ONE, "metrics[0]: The key `id` is missing. Add it."),
        ("[[metrics]]\nid = 'a'\nx = inf\n" + ONE, ":3: metrics[0].x: Expected a finite number, got inf."),
        (
            "[[metrics]]\nid = 'a'\n[[metrics]]\nid = 'a'\n" + ONE,
            ':3: metrics[1]: Two metrics are named `a`. Give one of them another name: name = "…".',
        ),
        ("decision = 1\n" + ONE, "decision: Expected a table, got 1."),
        ("decision.primry = 'a'\n" + ONE, "decision.primry: Unknown key `primry`. Did you mean `primary`?"),
        ("decision.alpha = 0\n" + ONE, "decision.alpha: Expected a number above 0, at most 0.5, got 0."),
        ("decision.cluster_by = 'id'\n" + ONE, 'decision.cluster_by: Expected "group", got "id".'),
        ("decision.primary = 'a'\n" + ONE, "`a` is no metric of this eval set. Declare it in `[[metrics]]`."),
        (
            "decision.primary = 'exct'\n[[metrics]]\nid = 'exact'\n" + ONE,
            ":1: decision.primary: `exct` is no metric of this eval set. Did you mean `exact`?",
        ),
        (
            "decision.primary = 'zzz'\n[[metrics]]\nid = 'exact'\n" + ONE,
            "`zzz` is no metric of this eval set. Declared metrics: exact.",
        ),
        ("decision.guardrails = 1\n" + ONE, "decision.guardrails: Expected a list of tables, got 1."),
        ("decision.guardrails = [1]\n" + ONE, "decision.guardrails[0]: Expected a table, got 1."),
        (
            "decision.guardrails = [{ metric = 'a', margin = 1, ratio = 1 }]\n" + ONE,
            "decision.guardrails[0]: A guardrail needs exactly one of `margin` and `ratio`.",
        ),
    ],
)
def test_one_problem_one_sentence(text: str, sentence: str) -> None:
    found = problems_of(text)
    assert len(found) == 1
    assert sentence in found[0]


def test_problems_of_a_jsonl_file_have_its_line() -> None:
    lines = b'{"id": 1}\n{"id": "1"}\n{"id": "b", "var": {}}\n{x\n[]\n{"vars": {"a": 1}}\n'
    assert problems_of('descripton = ""\nexamples = "x.jsonl"\n', lines) == [
        "evalsets/support.toml:1: descripton: Unknown key `descripton`. Did you mean `description`?",
        "evalsets/x.jsonl:2: id: The example id `1` is used twice: line 1 has it too. Give each example its own id.",
        "evalsets/x.jsonl:3: var: Unknown key `var`. Did you mean `vars`?",
        "evalsets/x.jsonl:4: The line is not valid JSON: JSON is malformed: object keys must be strings (byte 1). "
        "Write one object on each line.",
        "evalsets/x.jsonl:5: Expected a table, got an empty list.",
        "evalsets/x.jsonl:6: The key `id` is missing. Add it.",
    ]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (b"\n \n", "evalsets/x.jsonl: The file has no examples. Add at least one line."),
        (b'{"id": "\xff"}', "evalsets/x.jsonl:1: The file is not UTF-8 text (byte 0xff). Save it as UTF-8."),
        (
            b'{"id": "a", "expected": ' + b"[" * 300 + b"]" * 300 + b"}",
            "evalsets/x.jsonl:1: expected: Expected at most 60 lists and tables inside each other, got more.",
        ),
        (b'{"id": ' + b"[" * 100_000, "evalsets/x.jsonl:1: The line is not valid JSON: "),
        (b'{"id": "a", "vars": null}', "evalsets/x.jsonl:1: vars: Expected a table, got null."),
    ],
)
def test_a_jsonl_file_that_is_wrong_as_a_whole(lines: bytes, sentence: str) -> None:
    found = problems_of('examples = "x.jsonl"\n', lines)
    assert len(found) == 1
    assert found[0].startswith(sentence)


def test_a_jsonl_file_that_cannot_be_read() -> None:
    def missing(_: str) -> bytes:
        raise NotFound("There is no file evalsets/x.jsonl in the workspace.")

    with pytest.raises(InvalidFile) as caught:
        parse_evalset(b'\nexamples = "x.jsonl"\n', "s", "evalsets/s.toml", missing)
    assert str(caught.value) == (
        "evalsets/s.toml:2: examples: The file `x.jsonl` cannot be read: "
        "There is no file evalsets/x.jsonl in the workspace."
    )

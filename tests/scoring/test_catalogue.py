"""What an eval set may say about metrics, and the sentences when it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlab.errors import UsageFault
from promptlab.scoring.catalogue import CATALOGUE, COMPUTED, describe, validate
from promptlab.workspace.values import Judge, MetricSpec

SCHEMA = {"type": "object", "required": ["id"]}


@pytest.mark.parametrize(
    "spec",
    [
        MetricSpec("exact", "exact"),
        MetricSpec("contains", "sorry", {"value": "sorry", "ignore_case": True}),
        MetricSpec("regex", "date", {"pattern": r"\d{4}-\d\d", "full": True}),
        MetricSpec("choice", "choice", {"choices": ["a", "b"]}),
        MetricSpec("json_schema", "shape", {"schema": SCHEMA}),
        MetricSpec("json_schema", "contract"),
        MetricSpec("length", "words", {"unit": "words", "max": 50}),
        MetricSpec("length", "short", {"direction": "min"}),
        MetricSpec("judge", "polite", {"judge": "judges/polite", "model": "gpt"}),
    ],
)
def test_valid_entries_have_no_problems(spec: MetricSpec) -> None:
    assert validate(spec, "evalsets/x.toml") == []


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            MetricSpec("exat", "exat"),
            "evalsets/x.toml: metrics.exat.id: There is no metric `exat`. Did you mean `exact`?",
        ),
        (
            MetricSpec("zzz", "zzz"),
            f"evalsets/x.toml: metrics.zzz.id: There is no metric `zzz`. Known metrics: {', '.join(CATALOGUE)}.",
        ),
        (
            MetricSpec("contains", "has", {"ignorecase": True}),
            "evalsets/x.toml: metrics.has.ignorecase: Unknown key `ignorecase`. Did you mean `ignore_case`?",
        ),
        (
            MetricSpec("regex", "date"),
            "evalsets/x.toml: metrics.date: The key `pattern` is missing. Add it.",
        ),
        (
            MetricSpec("regex", "date", {"pattern": "(["}),
            "evalsets/x.toml: metrics.date.pattern: Expected a regular expression, got one that is wrong: "
            "unterminated character set at position 1.",
        ),
        (
            MetricSpec("regex", "slow", {"pattern": r"^(\w+)*$"}),
            "evalsets/x.toml: metrics.slow.pattern: Expected a regular expression that ends in reasonable time, got "
            "one that tries every split. Write it without repeating a repetition, such as `a+` for `(a+)+`: "
            r"here `(\w+)*`.",
        ),
        (
            MetricSpec("json_schema", "shape", {"schema": {"type": "objekt"}}),
            "evalsets/x.toml: metrics.shape.schema: Expected a JSON schema, got one that is wrong at type: "
            "'objekt' is not valid under any of the given schemas.",
        ),
        (
            MetricSpec("length", "length", {"unit": "bytes"}),
            'evalsets/x.toml: metrics.length.unit: Expected "chars" or "words" or "sentences" or "lines", '
            'got "bytes".',
        ),
        (
            MetricSpec("length", "length", {"max": 0}),
            "evalsets/x.toml: metrics.length.max: Expected a whole number of at least 1, got 0.",
        ),
        (
            MetricSpec("length", "length", {"max": 9, "direction": "min"}),
            "evalsets/x.toml: metrics.length.direction: With `max` the score is yes or no: `direction` has no "
            "meaning. Remove it.",
        ),
        (
            MetricSpec("choice", "choice", {"choices": []}),
            "evalsets/x.toml: metrics.choice.choices: Expected at least one choice, got an empty list.",
        ),
        (
            MetricSpec("judge", "polite"),
            "evalsets/x.toml: metrics.polite: The key `judge` is missing. Add it.",
        ),
    ],
)
def test_what_a_person_reads(spec: MetricSpec, sentence: str) -> None:
    assert [str(problem) for problem in validate(spec, "evalsets/x.toml")] == [sentence]


@pytest.mark.parametrize("pattern", [r"(\w+\s)+", r"(?:[A-Z]+-)*\d+", "(ab)+", "a+", r"(Hello|Hi)\b", r"(\d{3})*"])
def test_ordinary_repetitions_are_not_refused(pattern: str) -> None:
    assert validate(MetricSpec("regex", "r", {"pattern": pattern}), "x") == []


@pytest.mark.parametrize("pattern", ["(a+)+", "(?:a*)*", r"([a-z]+)+$", r"(\d+){2,}x"])
def test_a_repeated_repetition_is_refused(pattern: str) -> None:
    assert len(validate(MetricSpec("regex", "r", {"pattern": pattern}), "x")) == 1


def test_options_change_what_a_score_is() -> None:
    assert describe(MetricSpec("contains", "c")).needs == "expected"
    assert describe(MetricSpec("contains", "c", {"value": "x"})).needs == ""
    length = describe(MetricSpec("length", "l"))
    assert (length.direction, length.kind, length.unit) == ("info", "numeric", "chars")
    words = describe(MetricSpec("length", "l", {"unit": "words", "direction": "min"}))
    assert (words.direction, words.unit) == ("min", "words")
    limited = describe(MetricSpec("length", "l", {"unit": "words", "max": 20}))
    assert (limited.direction, limited.kind, limited.unit, limited.high) == ("max", "binary", "", 1.0)
    assert limited.summary == "how long the answer is: at most 20 words"
    assert describe(MetricSpec("cost", "cost"), currency="EUR").unit == "EUR"


def test_a_judge_gives_its_metric_a_range() -> None:
    spec = MetricSpec("judge", "polite", {"judge": "judges/polite"})
    unknown = describe(spec)
    assert (unknown.kind, unknown.low, unknown.high) == ("numeric", None, None)
    scale = describe(spec, Judge(scale=(1, 5)))
    assert (scale.kind, scale.low, scale.high) == ("numeric", 1.0, 5.0)
    yes_no = describe(spec, Judge(choices={"yes": 1.0, "no": 0.0}))
    assert (yes_no.kind, yes_no.low, yes_no.high) == ("binary", 0.0, 1.0)
    half = describe(spec, Judge(choices={"yes": 1.0, "partly": 0.5, "no": 0.0}))
    assert half.kind == "numeric"


def test_an_unknown_metric_cannot_be_described() -> None:
    with pytest.raises(UsageFault, match=r"^There is no metric `latncy`\. Did you mean `latency`\?$"):
        describe(MetricSpec("latncy", "latncy"))


def test_every_metric_and_option_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    documented: dict[str, set[str]] = {}
    for ids, *_, options in rows:
        for id in ids.replace("|", "").replace("`", "").split(","):
            documented[id.strip()] = {option.strip(" `|") for option in options.split(",")} - {""}
    assert documented.keys() == CATALOGUE.keys()
    for id, metric in COMPUTED.items():
        assert documented[id] == set(metric.options), id

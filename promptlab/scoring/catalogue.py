"""The metrics that an eval set may name, and the options that each of them takes."""

from __future__ import annotations

import re
from typing import cast

from msgspec import structs

from promptlab.errors import Problem, UsageFault
from promptlab.scoring.values import MetricInfo
from promptlab.workspace import sheet as check
from promptlab.workspace.scan import KeyPath
from promptlab.workspace.sheet import Check, Expected, Sheet
from promptlab.workspace.toml import did_you_mean, show_path, shown
from promptlab.workspace.values import Judge, MetricSpec

JUDGE = "judge"
"""The metric that asks a model; the others are computed."""


def _share(id: str, needs: str, summary: str) -> MetricInfo:
    """A yes-or-no metric where yes is better."""
    return MetricInfo(id, "max", "binary", 0.0, 1.0, "", needs, 1, summary)


CATALOGUE: dict[str, MetricInfo] = {
    info.id: info
    for info in (
        _share("exact", "expected", "the answer is the expected one"),
        _share("exact_norm", "expected", "the same, whatever the case, punctuation and English articles (SQuAD)"),
        _share("contains", "expected", "the expected text, or `value`, stands in the answer"),
        _share("regex", "", "`pattern` is found in the answer, or with `full` is all of it"),
        _share("choice", "", "the answer is one of the declared choices"),
        _share("json_valid", "", "the answer is JSON"),
        _share("json_schema", "", "the answer is JSON that the schema allows"),
        MetricInfo("length", "info", "numeric", 0.0, None, "chars", "", 1, "how long the answer is"),
        MetricInfo("latency", "min", "numeric", 0.0, None, "s", "", 1, "seconds from asking to the whole answer"),
        MetricInfo("cost", "min", "numeric", 0.0, None, "", "", 1, "what the answer cost, at the model's price"),
        MetricInfo(JUDGE, "max", "numeric", None, None, "", "", 1, "the grade that a judge gives"),
    )
}


def validate(spec: MetricSpec, source: str) -> list[Problem]:
    """What is wrong with one ``[[metrics]]`` entry.

    Args:
        spec: The entry as the eval set has it.
        source: The eval set's file, for the message.
    """

    def place(path: KeyPath, below: int) -> tuple[int, str]:
        return 0, show_path(("metrics", spec.name, *path))

    sheet = Sheet(source, place)
    if spec.id not in CATALOGUE:
        sheet.problem(("id",), f"There is no metric `{shown(spec.id)}`.", _known(spec.id))
    else:
        checks = {"id": check.anything, "name": check.anything} | _OPTIONS[spec.id]
        values = sheet.table(dict(spec.options), (), checks, _REQUIRED.get(spec.id, ()))
        if spec.id == "length" and "max" in values and "direction" in values:
            sheet.problem(
                ("direction",), "With `max` the score is yes or no: `direction` has no meaning.", "Remove it."
            )
    return sheet.problems()


def describe(spec: MetricSpec, judge: Judge | None = None, currency: str = "") -> MetricInfo:
    """What the scores of this entry are, its options considered.

    Args:
        spec: A valid entry.
        judge: The ``[judge]`` table behind a judge metric, where known: it gives the range, and makes scores of 0 and
            1 only ``binary``.
        currency: Of the models' prices, the unit of ``cost``.

    Raises:
        UsageFault: The metric is not in the catalogue.
    """
    info = CATALOGUE.get(spec.id)
    if info is None:
        raise unknown(spec.id)
    options = spec.options
    if spec.id == "contains" and "value" in options:
        return structs.replace(info, needs="")
    if spec.id == "length" and "max" in options:
        limit = f"the answer has at most {options['max']} {options.get('unit', 'chars')}"
        return _share("length", "", limit)
    if spec.id == "length":
        direction = "min" if options.get("direction") == "min" else "info"
        return structs.replace(info, direction=direction, unit=str(options.get("unit", "chars")))
    if spec.id == "cost":
        return structs.replace(info, unit=currency)
    if spec.id == JUDGE and judge is not None:
        return _judged(info, judge)
    return info


def unknown(id: str) -> UsageFault:
    """The fault of asking for a metric that the catalogue does not have."""
    return UsageFault(f"There is no metric `{shown(id)}`. {_known(id)}")


def _judged(info: MetricInfo, judge: Judge) -> MetricInfo:
    grades = judge.scale or tuple((judge.choices or {}).values())
    yes_or_no = judge.choices is not None and set(grades) <= {0.0, 1.0}
    return structs.replace(
        info, kind="binary" if yes_or_no else "numeric", low=float(min(grades)), high=float(max(grades))
    )


def _known(id: str) -> str:
    return did_you_mean(id, CATALOGUE) or f"Known metrics: {', '.join(CATALOGUE)}."


def _pattern(value: object) -> str:
    pattern = check.word(value)
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as fault:
        raise Expected("a regular expression", f"one that is wrong: {fault}") from None
    if nested := _NESTED.search(pattern):
        hint = f"Write it without repeating a repetition, such as `a+` for `(a+)+`: here `{shown(nested[0])}`."
        raise Expected("a regular expression that ends in reasonable time", "one that tries every split", hint)
    return pattern


_NESTED = re.compile(r"\((?:\?:)?(?:\\[a-zA-Z]|\[[^\]\\]*\]|[^\\()\[\]|?*+{}^$])(?:[*+]|\{\d+,\})\)(?:[*+]|\{\d+,\})")
"""One repeated character class as all of a repeated group, as in ``(a+)+``: on a text that does not match, ``re``
tries 2^n ways to split it and cannot be stopped. This is the common form; ``re`` has no general guard."""


def _schema(value: object) -> object:
    from jsonschema import Draft202012Validator, SchemaError  # heavy, and few metrics have a schema
    from jsonschema.validators import validator_for

    schema = cast("dict[str, object]", check.plain_table(value))
    try:
        validator_for(schema, Draft202012Validator).check_schema(schema)
    except SchemaError as fault:
        where = ".".join(str(part) for part in fault.absolute_path) or "its top level"
        raise Expected("a JSON schema", f"one that is wrong at {shown(where)}: {shown(fault.message, 120)}") from None
    return schema


def _choices(value: object) -> list[str]:
    choices = check.words(value)
    if not choices:
        raise Expected("at least one choice")
    return choices


_OPTIONS: dict[str, dict[str, Check]] = {
    "exact": {},
    "exact_norm": {},
    "contains": {"value": check.word, "ignore_case": check.boolean},
    "regex": {"pattern": _pattern, "full": check.boolean},
    "choice": {"choices": _choices},
    "json_valid": {},
    "json_schema": {"schema": _schema},
    "length": {
        "unit": check.one_of("chars", "words"),
        "max": check.whole(1),
        "direction": check.one_of("min", "info"),
    },
    "latency": {},
    "cost": {},
    JUDGE: {"judge": check.word, "model": check.word},
}
_REQUIRED: dict[str, tuple[str, ...]] = {"regex": ("pattern",), JUDGE: ("judge",)}

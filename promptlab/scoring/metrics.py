"""The computed metrics: one example and one outcome → one score each.

White space around an answer never counts: chat models end their lines. A metric that cannot be computed gives a
missing score with the reason, and so does every metric of an outcome that has a fault; neither is ever a 0.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import msgspec

from promptlab.models.values import Outcome
from promptlab.scoring.catalogue import JUDGE, unknown
from promptlab.scoring.values import Score
from promptlab.workspace.toml import shown
from promptlab.workspace.values import Example, MetricSpec, Output

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

PATTERN_LIMIT = 20_000
"""Characters of an answer that a pattern is run on: ``re`` cannot be stopped once it has begun."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ERRORS_SHOWN = 3


def score(
    specs: Sequence[MetricSpec], example: Example, outcome: Outcome, output: Output | None
) -> tuple[Score, ...]:
    """Score one outcome with every computed metric; judge metrics are left out.

    Args:
        specs: Valid entries of an eval set.
        example: The example that was asked.
        outcome: What came back. Latency and cost of a cached outcome are those of the time it was made.
        output: The prompt's output contract, for ``choice`` and ``json_schema``.

    Raises:
        UsageFault: A metric is not in the catalogue.
    """
    text = outcome.text.strip()
    return tuple(
        _score_one(_Case(spec.name, spec.options, example, outcome, text, output), spec)
        for spec in specs
        if spec.id != JUDGE
    )


class _Case(NamedTuple):
    """What a metric looks at. ``text`` is the answer without the white space around it."""

    name: str
    options: Mapping[str, object]
    example: Example
    outcome: Outcome
    text: str
    output: Output | None

    def score(self, value: float, detail: str = "") -> Score:
        return Score(self.name, float(value), detail=detail)

    @property
    def expected(self) -> object:
        if self.example.expected is None:
            raise _Missing("the example has no `expected`")
        return self.example.expected


class _Missing(Exception):
    """This metric has no value here; the text says why."""


def _score_one(case: _Case, spec: MetricSpec) -> Score:
    if case.outcome.fault is not None:
        return Score(case.name, missing=f"error: {case.outcome.fault.message}")
    metric = _METRICS.get(spec.id)
    if metric is None:
        raise unknown(spec.id)
    try:
        return metric(case)
    except _Missing as reason:
        return Score(case.name, missing=str(reason))


def _exact(case: _Case) -> Score:
    """Equal to ``expected``: as text without the white space around it, or, if it is no text, as a JSON value.

    An answer that is not JSON where a JSON value is expected is wrong, and scores 0.
    """
    expected = case.expected
    if isinstance(expected, str):
        return case.score(case.text == expected.strip())
    try:
        return case.score(_same_json(_parse_json(case.text), expected))
    except ValueError as fault:
        return case.score(0, f"the expected value is not text, and the answer is not JSON: {fault}")


def _exact_norm(case: _Case) -> Score:
    """SQuAD's exact match (Rajpurkar 2016), the best over a list of expected answers.

    Differs from the official script in one case: where normalising leaves nothing of the expected answer ("The"),
    only case and white space are ignored, so that "a" is no right answer to it.
    """
    best = any(_same_norm(case.text, expected) for expected in _alternatives(case.expected))
    return case.score(best)


def _same_norm(answer: str, expected: str) -> bool:
    normal = _normalise(expected)
    if normal:
        return _normalise(answer) == normal
    return answer.lower().split() == expected.lower().split()


def _normalise(text: str) -> str:
    """Lower case, then no ASCII punctuation, then no articles, then single spaces: the order matters."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def _contains(case: _Case) -> Score:
    """The fixed ``value``, or any of the expected answers, is a part of the answer."""
    value = case.options.get("value")
    wanted = [str(value)] if value is not None else _alternatives(case.expected)
    text = case.text
    if case.options.get("ignore_case"):
        wanted, text = [part.casefold() for part in wanted], text.casefold()
    return case.score(any(part.strip() in text for part in wanted))


def _alternatives(expected: object) -> list[str]:
    """Right answers as texts: a list holds alternatives, a number or a table is written as JSON."""
    found = cast("list[object]", expected) if isinstance(expected, list) else [expected]
    texts = [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in found]
    if not any(text.strip() for text in texts):
        raise _Missing("the example's `expected` is empty")
    return [text for text in texts if text.strip()]


def _regex(case: _Case) -> Score:
    """``pattern`` is found in the answer; with ``full`` it is the whole answer."""
    try:
        pattern = re.compile(str(case.options.get("pattern", "")))
    except (re.error, RecursionError, OverflowError) as fault:
        raise _Missing(f"the pattern is wrong: {fault}") from None
    full = bool(case.options.get("full"))
    length = len(case.text)
    if length <= PATTERN_LIMIT:
        return case.score((pattern.fullmatch(case.text) if full else pattern.search(case.text)) is not None)
    found = None if full else pattern.search(case.text, 0, PATTERN_LIMIT)
    # A match that ends before the cut would be one in the whole answer too.
    if found and found.end() < PATTERN_LIMIT:
        return case.score(1)
    raise _Missing(f"the answer has {length:,} characters, and a pattern is run on {PATTERN_LIMIT:,} at most")


def _choice(case: _Case) -> Score:
    """The answer is one of ``choices``, by default those of the prompt's output contract, to the letter."""
    choices = case.options.get("choices") or (case.output and case.output.choices)
    if not choices:
        raise _Missing("no choices are declared: give the metric `choices`, or the prompt `[output] choices`")
    return case.score(case.text in (choice.strip() for choice in cast("Sequence[str]", choices)))


def _json_valid(case: _Case) -> Score:
    """The whole answer is one JSON value as RFC 8259 has it; a fence of backticks around it is no JSON."""
    try:
        _parse_json(case.text)
    except ValueError as fault:
        return case.score(0, str(fault))
    return case.score(1)


def _json_schema(case: _Case) -> Score:
    """The answer is JSON that ``schema`` allows, by default that of the prompt's output contract.

    ``format`` is an annotation, as the specification says. A schema is complete in itself: nothing is fetched.
    """
    schema = case.options.get("schema") or (case.output and case.output.json_schema)
    if not schema:
        raise _Missing("no schema is declared: give the metric `schema`, or the prompt `[output] json_schema`")
    try:
        value = _parse_json(case.text)
    except ValueError as fault:
        return case.score(0, str(fault))
    from referencing.exceptions import Unresolvable

    try:
        errors = list(_validator(msgspec.json.encode(schema)).iter_errors(value))
    except Unresolvable as fault:
        raise _Missing(f"the schema refers to {shown(fault.ref)}, which is not in it") from None
    except RecursionError:
        raise _Missing("the answer or the schema is nested too deeply") from None
    said = [f"{error.json_path}: {shown(error.message, 120)}" for error in errors[:_ERRORS_SHOWN]]
    if len(errors) > _ERRORS_SHOWN:
        said.append(f"and {len(errors) - _ERRORS_SHOWN} more")
    return case.score(not errors, "; ".join(said))


@lru_cache(maxsize=64)
def _validator(schema: bytes) -> Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from referencing import Registry

    parsed = cast("Mapping[str, object]", msgspec.json.decode(schema))
    # Without a registry of its own, jsonschema would fetch references from the network.
    return validator_for(parsed, Draft202012Validator)(parsed, registry=Registry())


def _parse_json(text: str) -> Json:
    """The JSON value that a text is.

    Raises:
        ValueError: It is none; the sentence says where.
        _Missing: It is nested too deeply to tell.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, parse_int=_integer)
    except RecursionError:
        raise _Missing("the answer is nested too deeply") from None
    except json.JSONDecodeError as fault:
        fence = " (it stands in a fence of backticks)" if text.startswith("```") else ""
        raise ValueError(f"{fault.msg} at line {fault.lineno} column {fault.colno}{fence}") from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _integer(digits: str) -> int | float:
    """Python refuses to read integers of more than 4,300 digits; as JSON they are fine."""
    return int(digits) if len(digits) <= 4000 else float(digits)


def _same_json(one: Json, other: object) -> bool:
    """Equality of JSON values: 1 is 1.0, but true is not 1, which Python thinks it is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        theirs = cast("list[object]", other)
        return len(one) == len(theirs) and all(map(_same_json, one, theirs))
    if isinstance(one, dict) and isinstance(other, dict):
        yours = cast("dict[str, object]", other)
        return one.keys() == yours.keys() and all(_same_json(value, yours[key]) for key, value in one.items())
    return one == other


def _length(case: _Case) -> Score:
    """Characters, or words between white space; with ``max``, whether it is at most that many."""
    length = len(case.text.split()) if case.options.get("unit") == "words" else len(case.text)
    limit = case.options.get("max")
    if isinstance(limit, int):
        return case.score(length <= limit, f"{length:,} {case.options.get('unit', 'chars')}")
    return case.score(length)


def _latency(case: _Case) -> Score:
    if case.outcome.latency <= 0:
        raise _Missing("the latency is not known")
    return case.score(case.outcome.latency)


def _cost(case: _Case) -> Score:
    if case.outcome.cost is None:
        raise _Missing("the model has no price")
    return case.score(case.outcome.cost)


_METRICS: dict[str, Callable[[_Case], Score]] = {
    "exact": _exact,
    "exact_norm": _exact_norm,
    "contains": _contains,
    "regex": _regex,
    "choice": _choice,
    "json_valid": _json_valid,
    "json_schema": _json_schema,
    "length": _length,
    "latency": _latency,
    "cost": _cost,
}

"""Answers in JSON: whether they are, whether a schema allows them, and how much of the expected value they hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, cast

import msgspec

from promptlab.scoring.metric import Case, Metric, Missing, number, yes_no
from promptlab.scoring.values import Score
from promptlab.workspace import sheet as check
from promptlab.workspace.patterns import TooMuchSearch, bounded
from promptlab.workspace.sheet import Expected
from promptlab.workspace.toml import shown

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_ERRORS_SHOWN = 3


def json_valid(case: Case) -> Score:
    """The whole answer is one JSON value as RFC 8259 has it; a fence of backticks around it is no JSON."""
    try:
        parse_json(case.text)
    except ValueError as fault:
        return case.score(0, str(fault))
    return case.score(1)


def json_schema(case: Case) -> Score:
    """The answer is JSON that ``schema`` allows, by default that of the prompt's output contract.

    ``format`` is an annotation, as the specification says. A schema is complete in itself: nothing is fetched.
    """
    schema = case.options.get("schema") or (case.output and case.output.json_schema)
    if not schema:
        raise Missing("no schema is declared: give the metric `schema`, or the prompt `[output] json_schema`")
    try:
        value = parse_json(case.text)
    except ValueError as fault:
        return case.score(0, str(fault))
    errors = schema_errors(msgspec.json.encode(schema), value)
    return case.score(not errors, errors)


def schema_errors(schema: bytes, value: Json) -> str:
    """What a schema, in JSON, does not allow of a value; "" where it allows it."""
    from referencing.exceptions import Unresolvable

    try:
        errors = list(_validator(schema).iter_errors(value))
    except Unresolvable as fault:
        raise Missing(f"the schema refers to {shown(fault.ref)}, which is not in it") from None
    except RecursionError:
        raise Missing("the answer or the schema is nested too deeply") from None
    except TooMuchSearch as much:
        raise Missing(f"no score: {much}".rstrip(".")) from None
    said = [f"{error.json_path}: {shown(error.message, 120)}" for error in errors[:_ERRORS_SHOWN]]
    if len(errors) > _ERRORS_SHOWN:
        said.append(f"and {len(errors) - _ERRORS_SHOWN} more")
    return "; ".join(said)


@lru_cache(maxsize=64)
def _validator(schema: bytes) -> Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from referencing import Registry

    parsed = cast("Mapping[str, object]", msgspec.json.decode(schema))
    # Without a registry of its own, jsonschema would fetch references from the network.
    return bounded(validator_for(parsed, Draft202012Validator))(parsed, registry=Registry())


def json_match(case: Case) -> Score:
    """F1 over the leaves of the answer and of the expected value: a leaf is a path and the value there.

    Lists are compared place by place, or with ``lists = "set"`` whatever their order. 1 and 1.0 are the same number,
    true and 1 are not. An empty list or table is a leaf. An answer that is not JSON holds nothing of it: 0.
    """
    expected = case.expected
    if isinstance(expected, str):
        try:
            expected = parse_json(expected.strip())
        except ValueError:
            raise Missing("the example's `expected` is text that is no JSON") from None
    try:
        answer = parse_json(case.text)
    except ValueError as fault:
        return case.score(0, f"the answer is not JSON: {fault}")
    ordered = case.options.get("lists") != "set"
    try:
        mine, wanted = (Counter(_leaves(value, ordered)) for value in (answer, expected))
    except RecursionError:
        raise Missing("the answer is nested too deeply") from None
    shared = mine & wanted
    lacking = next(iter(wanted - shared), None)
    detail = f"not as expected: {shown(_path(lacking[0]))}" if lacking else ""
    return case.share(2 * shared.total() / (mine.total() + wanted.total()), detail)


Leaf = tuple[tuple[str | int, ...], str, object]


def _leaves(value: object, ordered: bool, path: tuple[str | int, ...] = ()) -> Iterator[Leaf]:
    if isinstance(value, dict) and value:
        for key, item in cast("dict[str, object]", value).items():
            yield from _leaves(item, ordered, (*path, key))
    elif isinstance(value, list) and value:
        for at, item in enumerate(cast("list[object]", value)):
            yield from _leaves(item, ordered, (*path, at if ordered else -1))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, "number", value
    elif isinstance(value, list | dict):
        yield path, type(cast("object", value)).__name__, None
    else:
        yield path, type(value).__name__, value


def _path(path: tuple[str | int, ...]) -> str:
    return "$" + "".join(f".{step}" if isinstance(step, str) else "[*]" if step < 0 else f"[{step}]" for step in path)


def parse_json(text: str) -> Json:
    """The JSON value that a text is.

    Raises:
        ValueError: It is none; the sentence says where.
        Missing: It is nested too deeply to tell.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, parse_int=_integer)
    except RecursionError:
        raise Missing("the answer is nested too deeply") from None
    except json.JSONDecodeError as fault:
        fence = " (it stands in a fence of backticks)" if text.startswith("```") else ""
        raise ValueError(f"{fault.msg} at line {fault.lineno} column {fault.colno}{fence}") from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _integer(digits: str) -> int | float:
    """Python refuses to read integers of more than 4,300 digits; as JSON they are fine."""
    return int(digits) if len(digits) <= 4000 else float(digits)


def same_json(one: Json, other: object) -> bool:
    """Equality of JSON values: 1 is 1.0, but true is not 1, which Python thinks it is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        theirs = cast("list[object]", other)
        return len(one) == len(theirs) and all(map(same_json, one, theirs))
    if isinstance(one, dict) and isinstance(other, dict):
        yours = cast("dict[str, object]", other)
        return one.keys() == yours.keys() and all(same_json(value, yours[key]) for key, value in one.items())
    return one == other


def schema_option(value: object) -> object:
    """An option that is a JSON schema."""
    from jsonschema import Draft202012Validator, SchemaError  # heavy, and few metrics have a schema
    from jsonschema.validators import validator_for

    schema = cast("dict[str, object]", check.plain_table(value))
    try:
        validator_for(schema, Draft202012Validator).check_schema(schema)
    except SchemaError as fault:
        where = ".".join(str(part) for part in fault.absolute_path) or "its top level"
        raise Expected("a JSON schema", f"one that is wrong at {shown(where)}: {shown(fault.message, 120)}") from None
    return schema


METRICS = (
    Metric(yes_no("json_valid", "the answer is JSON"), json_valid),
    Metric(
        yes_no("json_schema", "the answer is JSON that the schema allows"), json_schema, {"schema": schema_option}
    ),
    Metric(
        number("json_match", "leaves shared with the expected JSON, as F1", "expected", "max", high=1.0),
        json_match,
        {"lists": check.one_of("ordered", "set")},
    ),
)

"""From a JSON schema to a grammar whose every text is JSON and valid, as far as a grammar can say it.

The converter of llama-cpp-python lets line ends and other control characters stand in texts, which JSON forbids, a
``.`` of a pattern be a quotation mark, and passes over the bounds of whole numbers. Wide bounds, those of fractions,
and what is no matter of form, such as ``uniqueItems``, are left to the metric that checks the contract.
"""

from __future__ import annotations

import json
import re
from typing import cast

from llama_cpp.llama_grammar import json_schema_to_gbnf  # noqa: TID251  (only the child process imports this module)

_MOST_NUMBERS = 1000  # of a range: beyond, it is no longer written out
_DATA = ("enum", "const", "default", "examples")  # keys whose values are no schemas
_NAMED = ("properties", "$defs", "definitions")  # keys of schemas by name
_PLAIN = r'[^"\\\x00-\x1F\x7F]'
_LOOSE = re.compile(r"^(char ::= )\[\^\"\\\\\]|^(dot ::= ).*$", re.MULTILINE)


def schema_grammar(schema: object) -> str:
    """The grammar of a schema.

    Raises:
        Exception: The converter cannot take it, and raises what it likes: ValueError, KeyError, AssertionError …
    """
    grammar = json_schema_to_gbnf(json.dumps(_without_bounds(schema)))
    return _LOOSE.sub(lambda found: (found[1] or found[2]) + _PLAIN, grammar)


def _without_bounds(schema: object) -> object:
    """The same schema, with the whole numbers of a small range written out."""
    if isinstance(schema, list):
        return [_without_bounds(part) for part in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    parts = cast("dict[str, object]", schema)
    numbers = _numbers(parts)
    if numbers is not None:
        return {"enum": list(numbers)}
    return {key: _part_without_bounds(key, part) for key, part in parts.items()}


def _part_without_bounds(key: str, part: object) -> object:
    if key in _DATA:
        return part
    if key in _NAMED and isinstance(part, dict):
        return {name: _without_bounds(below) for name, below in cast("dict[str, object]", part).items()}
    return _without_bounds(part)


def _numbers(schema: dict[str, object]) -> range | None:
    """The whole numbers that a schema allows, where they are few and it says nothing else."""
    if schema.get("type") != "integer" or "enum" in schema or "const" in schema:
        return None
    lower = [schema.get("minimum"), _beside(schema.get("exclusiveMinimum"), 1)]
    upper = [schema.get("maximum"), _beside(schema.get("exclusiveMaximum"), -1)]
    least = [bound for bound in lower if isinstance(bound, int)]
    most = [bound for bound in upper if isinstance(bound, int)]
    if not least or not most:
        return None
    numbers = range(max(least), min(most) + 1)
    return numbers if 0 < len(numbers) <= _MOST_NUMBERS else None


def _beside(bound: object, step: int) -> object:
    return bound + step if isinstance(bound, int) and not isinstance(bound, bool) else None

"""What steps do to texts without a model: take a part, check, repair, make comparable. Plain functions."""

from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from promptlab.workspace.patterns import Match, TooMuchSearch, bounded, search
from promptlab.workspace.toml import shown
from promptlab.workspace.values import Extract, Validate

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*([\w+-]*)")
_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_DEEP = 200


class Miss(Exception):
    """There is no such part, or the text is not what it has to be; the text says why."""


def extract(rule: Extract, text: str) -> object:
    """The part of a text that a rule takes: a text, or any JSON value where the rule is a pointer.

    Raises:
        Miss: There is no such part.
    """
    if rule.regex is not None:
        found = searched(rule.regex, text)
        if found is None:
            raise Miss(f"The pattern {shown(rule.regex)} is not in the text.")
        return found.first
    if rule.pointer is not None:
        return pointed(json_of(text), rule.pointer)
    if rule.last_line:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines:
            raise Miss("The text is empty, so it has no last line.")
        return lines[-1]
    return fenced(text, rule.fence or "")


def searched(pattern: str, text: str) -> Match | None:
    """Where a pattern is in a text.

    Raises:
        Miss: The text is too long for a pattern, or the search takes too long.
    """
    try:
        return search(pattern, text)
    except TooMuchSearch as much:
        raise Miss(str(much)) from None


def fenced(text: str, language: str) -> str:
    """The first fenced block of a language, of any where ``language`` is "".

    Raises:
        Miss: There is none.
    """
    lines = text.split("\n")
    ends: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if line[:3] in ("```", "~~~"):
            ends.setdefault(line.rstrip(" \t\r"), []).append(number)
    at = 0
    while at < len(lines):
        begin = _FENCE.match(lines[at])
        closing = ends.get(begin[1], []) if begin else []
        place = bisect_right(closing, at)
        if begin is None or place == len(closing):
            at += 1
            continue
        if language in ("", begin[2]):
            return "\n".join(lines[at + 1 : closing[place]]).rstrip("\r\n")
        at = closing[place] + 1
    raise Miss(f"The text has no fenced block{f' of {shown(language)}' if language else ''}.")


def json_of(text: str) -> Json:
    """The JSON value that a text is.

    Raises:
        Miss: It is none.
    """
    try:
        found = cast("Json", json.loads(text))
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # JSON, and yet no text that could be kept or sent
        raise Miss("The text is not JSON: it escapes one half of a pair of code units.") from None
    except (ValueError, RecursionError) as fault:
        reason = str(fault) if isinstance(fault, ValueError) else "it is nested too deeply"
        raise Miss(f"The text is not JSON: {shown(reason, 120)}.") from None
    return found


def pointed(value: object, pointer: str) -> object:
    """What a JSON pointer (RFC 6901) leads to.

    Raises:
        Miss: There is nothing.
    """
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = cast("dict[str, object]", value)[key]
        elif isinstance(value, list) and re.fullmatch(r"0|[1-9][0-9]{0,8}", key):
            items = cast("list[object]", value)
            if int(key) >= len(items):
                raise Miss(f"There is nothing at {shown(pointer)}: the list has {len(items)} items.")
            value = items[int(key)]
        else:
            raise Miss(f"There is nothing at {shown(pointer)}.")
    return value


def plain_text(value: object) -> str:
    """A value as the text that stands for it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def invalid(rule: Validate, text: str) -> str:
    """Why a text breaks a rule (any but a metric), as a sentence; "" where it does not."""
    answer = text.strip()
    if rule.choices is not None:
        allowed = ", ".join(shown(choice) for choice in rule.choices)
        return "" if answer in rule.choices else f"Expected one of: {allowed}."
    if rule.length is not None:
        low, high = rule.length
        return "" if low <= len(answer) <= high else f"It has {len(answer)} characters; expected {low} to {high}."
    try:
        if rule.regex is not None:
            return "" if searched(rule.regex, answer) else f"It does not match {shown(rule.regex)}."
        if rule.json_schema is not None:
            return _off_schema(json_of(answer), rule.json_schema)
    except (Miss, TooMuchSearch) as miss:
        return str(miss)
    return ""


def _off_schema(value: Json, schema: Mapping[str, object]) -> str:
    from referencing.exceptions import Unresolvable

    try:
        fault = next(iter(_checker(schema).iter_errors(value)), None)
    except Unresolvable as unknown:
        raise Miss(f"The schema refers to {shown(unknown.ref)}, which is not in it.") from None
    except RecursionError:
        raise Miss("The text is nested too deeply.") from None
    return f"{shown(fault.json_path)}: {shown(fault.message, 200).rstrip('.')}." if fault else ""


def _checker(schema: Mapping[str, object]) -> Validator:
    from jsonschema import Draft202012Validator  # heavy, and only some steps have a schema
    from referencing import Registry

    # Without a registry of its own, jsonschema would fetch references from the network.
    return bounded(Draft202012Validator)(dict(schema), registry=Registry())


def repaired(text: str) -> str:
    """JSON made of a text that is nearly JSON: fences, quotes, commas, a missing end.

    Raises:
        Miss: Nothing of it is JSON.
    """
    from json_repair import repair_json

    if text.count("{") + text.count("[") > _DEEP:
        raise Miss("The text is nested too deeply to be repaired.")
    made = str(repair_json(text, ensure_ascii=False))
    if made in ("", '""'):
        raise Miss("Nothing in the text can be repaired to JSON.")
    return made


Normal = Literal["text", "exact", "number", "json"]


def majority(texts: Sequence[str], normalise: Normal) -> tuple[int, int]:
    """Which text is given most often, and how often: the earliest one of the largest group, ties to the earliest."""
    keys = [NORMAL[normalise](text) for text in texts]
    counts = {key: keys.count(key) for key in dict.fromkeys(keys)}
    most = max(counts.values())
    winner = next(key for key, count in counts.items() if count == most)
    return keys.index(winner), most


def _same_text(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(char if char.isalnum() else " " for char in folded).split()) or text.strip()


def _same_number(text: str) -> str:
    found = _NUMBER.findall(text)
    return f"{float(found[-1].replace(',', '')):.12g}" if found else _same_text(text)


def _same_json(text: str) -> str:
    try:
        return json.dumps(json_of(text), sort_keys=True)
    except Miss:
        return text.strip()


NORMAL: dict[Normal, Callable[[str], str]] = {
    "exact": str,
    "text": _same_text,
    "number": _same_number,
    "json": _same_json,
}
"""What makes two answers of a vote the same."""

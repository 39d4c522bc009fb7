"""One prompt file (a judge is one too): from bytes to a ``Prompt``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import msgspec

from promptlab.workspace import sheet as check
from promptlab.workspace.identity import content_hash
from promptlab.workspace.scan import KeyPath
from promptlab.workspace.sheet import Check, Expected, Sheet, toml_sheet
from promptlab.workspace.toml import shown
from promptlab.workspace.values import Judge, Message, Output, Params, Prompt

Fetch = Callable[[str], "bytes | None"]
"""Gives the bytes of the prompt that a reference means, or None where it cannot be followed."""

Made = TypeVar("Made")

PARAMS: dict[str, Check] = {
    "temperature": check.number(0, 100),
    "max_tokens": check.whole(1),
    "seed": check.whole(0, 2**31 - 1),
    "top_p": check.number(0, 1),
    "top_k": check.whole(0),
    "min_p": check.number(0, 1),
    "repeat_penalty": check.number(0, above=True),
    "presence_penalty": check.number(-2, 2),
    "frequency_penalty": check.number(-2, 2),
    "stop": check.words,
}
"""What each key of ``[params]`` takes."""


def parse_prompt(data: bytes, name: str, source: str, fetch: Fetch | None = None) -> Prompt:
    """A prompt file, or that of a chain, as a value.

    Args:
        data: The file's bytes.
        name: The prompt's name: its path below ``prompts/`` without ``.toml``.
        source: The file's path as the person knows it, for messages.
        fetch: Gives the bytes of what a chain refers to: a prompt, ``triage`` or ``triage@v3``. Without it such a
            chain is read, but can neither be run nor has it the name of its version.

    Raises:
        InvalidFile: With every problem of the file: wrong TOML, unknown keys, wrong values, templates that do not
            compile.
    """
    root, sheet = toml_sheet(data, source)
    if "steps" in root:
        from promptlab.workspace.chains import read_chain  # most files are prompts

        return read_chain(root, sheet, name, source, fetch)
    top = sheet.table(root, (), _TOP, required=("messages",))
    prompt = read_prompt(top, sheet, (), name, source)
    sheet.finish()
    return msgspec.structs.replace(
        prompt,
        content=content_hash(root),
        id=cast("str | None", top.get("id")),
        evalset=cast("str | None", top.get("evalset")),
        description=cast("str", top.get("description", "")),
    )


def read_prompt(top: Mapping[str, object], sheet: Sheet, at: KeyPath, name: str, source: str) -> Prompt:
    """The parts of a prompt's table that reach a model; what is wrong with them is noted on the sheet.

    Args:
        top: Its keys, whose names are checked.
        at: Where in the file it stands.
    """
    messages = _messages(sheet, top["messages"], (*at, "messages")) if "messages" in top else []
    params = sheet.table(top.get("params", {}), (*at, "params"), PARAMS)
    output = _output(sheet, top["output"], (*at, "output")) if "output" in top else None
    judge = _judge(sheet, top["judge"], (*at, "judge")) if "judge" in top else None
    if output is not None and judge is not None:
        message = "A judge has no `[output]`: its scale or choices bound the answer."
        sheet.problem((*at, "output"), message, "Remove it.")
    return Prompt(
        name=name,
        content="",
        source=source,
        messages=tuple(msgspec.convert(_complete(messages), list[Message])),
        params=msgspec.convert(params, Params),
        output=_converted(sheet, output, Output),
        judge=_converted(sheet, judge, Judge),
    )


def _complete(messages: list[dict[str, object]]) -> list[dict[str, object]]:
    """Those without a fault; the others are noted."""
    return [message for message in messages if message.keys() >= {"role", "content"}]


def _converted(sheet: Sheet, table: dict[str, object] | None, kind: type[Made]) -> Made | None:
    return None if table is None or sheet.problems() else msgspec.convert(table, kind)


def _messages(sheet: Sheet, raw: object, at: KeyPath) -> list[dict[str, object]]:
    from promptlab.workspace.templates import syntax_fault  # jinja2: not for commands that load no prompt

    items = check.items(raw)
    if not items:
        sheet.problem(at, f"Expected at least one `[[messages]]` table, got {check.kind(raw)}.")
        return []
    messages: list[dict[str, object]] = []
    for index, item in enumerate(items):
        path = (*at, index)
        message = sheet.table(item, path, _MESSAGE, required=("role", "content"))
        messages.append(message)
        fault = syntax_fault(str(message.get("content", "")))
        if fault is not None:
            sheet.problem((*path, "content"), fault.message, "Correct the template.", below=fault.line - 1)
    return messages


def _output(sheet: Sheet, raw: object, at: KeyPath) -> dict[str, object]:
    values = sheet.table(raw, at, OUTPUT)
    contracts = ("choices", "json_schema", "regex")
    if isinstance(raw, dict) and sum(key in raw for key in contracts) != 1:
        sheet.problem(at, "`[output]` needs exactly one of `choices`, `json_schema` and `regex`.")
    return values


def _judge(sheet: Sheet, raw: object, at: KeyPath) -> dict[str, object]:
    values = sheet.table(raw, at, _JUDGE)
    if not isinstance(raw, dict):
        return values
    if values.get("kind") == "pairwise":
        if given := [key for key in ("scale", "choices") if key in raw]:
            message = f"A pairwise judge has no `{given[0]}`: it answers A, B or tie."
            sheet.problem((*at, given[0]), message, "Remove it.")
    elif ("scale" in raw) == ("choices" in raw):
        hint = "Write `scale = [1, 5]` or `choices = { yes = 1.0, no = 0.0 }`."
        sheet.problem(at, "`[judge]` needs exactly one of `scale` and `choices`.", hint)
    _check_judge(sheet, values, at)
    return values


def _check_judge(sheet: Sheet, values: dict[str, object], at: KeyPath) -> None:
    """Keys of a judge that exclude each other."""
    kind = values.get("kind", "grade")
    for first, why in (("reason", "says why"), ("quote", "quotes")):
        if values.get(first) and values.get("expected"):
            said = f"A judge that {why} first has no probabilities of grades"
            message = f"{said}: `{first}` and `expected` exclude each other."
            sheet.problem((*at, "expected"), message, "Remove one of them.")
    if values.get("expected") and kind != "grade":
        sheet.problem((*at, "expected"), 'Only a judge of kind "grade" has an `expected` grade.', "Remove it.")
    if values.get("turned") and kind != "grade":
        sheet.problem((*at, "turned"), 'Only a judge of kind "grade" can be `turned`.', "Remove it.")
    if values.get("quote") and kind == "pairwise":
        sheet.problem((*at, "quote"), "A pairwise judge has no answer of its own to quote from.", "Remove it.")
    if "claims_of" in values and kind != "claims":
        sheet.problem((*at, "claims_of"), 'Only a judge of kind "claims" has `claims_of`.', "Remove it.")


def _choices(value: object) -> list[str]:
    choices = check.words(value)
    if not choices:
        raise Expected("at least one choice")
    if len(set(choices)) < len(choices):
        raise Expected("choices that all differ", "one of them twice")
    return choices


def _regex(value: object) -> str:
    pattern = check.word(value)
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as fault:
        raise Expected("a regular expression", f"one that is wrong: {fault}") from None
    return pattern


def _json_schema(value: object) -> object:
    import jsonschema  # heavy, and few prompts have a schema

    schema = check.plain_table(value)
    try:
        jsonschema.Draft202012Validator.check_schema(cast("dict[str, object]", schema))
    except jsonschema.SchemaError as fault:
        where = ".".join(str(part) for part in fault.absolute_path) or "its top level"
        raise Expected("a JSON schema", f"one that is wrong at {shown(where)}") from None
    return schema


def _scale(value: object) -> object:
    match value:
        case [int(low), int(high)] if low < high and not isinstance(low, bool) and not isinstance(high, bool):
            return [low, high]
        case _:
            raise Expected("two whole numbers, the lower one first, such as [1, 5]")


def _grades(value: object) -> dict[str, float]:
    expected = "a table of at least two answers and their scores, such as { yes = 1.0, no = 0.0 }"
    if not isinstance(value, dict):
        raise Expected(expected)
    grades: dict[str, float] = {}
    for answer, score in cast("dict[str, object]", value).items():
        if not answer.strip() or isinstance(score, bool) or not isinstance(score, int | float):
            raise Expected(expected, f"{check.kind(score)} for `{shown(answer)}`")
        grades[answer] = float(cast("float", check.plain(score)))
    if len(grades) < 2:
        raise Expected(expected, f"{len(grades)}")
    return grades


_TOP: dict[str, Check] = {
    "description": check.text,
    "owner": check.anything,
    "labels": check.anything,
    "evalset": check.word,
    "notes": check.anything,
    "export": check.anything,
    "id": check.word,
    "params": check.anything,
    "output": check.anything,
    "judge": check.anything,
    "messages": check.anything,
}
_MESSAGE: dict[str, Check] = {"role": check.one_of("system", "user", "assistant"), "content": check.text}
OUTPUT: dict[str, Check] = {
    "choices": _choices,
    "json_schema": _json_schema,
    "regex": _regex,
    "enforce": check.boolean,
}
_JUDGE: dict[str, Check] = {
    "kind": check.one_of("grade", "pairwise", "claims"),
    "scale": _scale,
    "choices": _grades,
    "criterion": check.word,
    "reason": check.boolean,
    "expected": check.boolean,
    "claims_of": check.one_of("answer", "reference", "expected", "both"),
    "turned": check.boolean,
    "quote": check.boolean,
}

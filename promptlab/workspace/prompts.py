"""One prompt file (a judge is one too): from bytes to a ``Prompt``."""

from __future__ import annotations

import re
from typing import cast

import msgspec

from promptlab.errors import InvalidFile, Problem
from promptlab.workspace import sheet as check
from promptlab.workspace.identity import content_hash
from promptlab.workspace.sheet import Check, Expected, Sheet, toml_sheet
from promptlab.workspace.toml import shown
from promptlab.workspace.values import Judge, Message, Output, Params, Prompt

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


def parse_prompt(data: bytes, name: str, source: str) -> Prompt:
    """A prompt file as a value.

    Args:
        data: The file's bytes.
        name: The prompt's name: its path below ``prompts/`` without ``.toml``.
        source: The file's path as the person knows it, for messages.

    Raises:
        InvalidFile: With every problem of the file: wrong TOML, unknown keys, wrong values, templates that do not
            compile.
    """
    root, sheet = toml_sheet(data, source)
    if "steps" in root:
        message = "This file is a chain (it has `[[steps]]`), and chains are not supported by this version."
        hint = "Move it out of prompts/, or make it a prompt with `[[messages]]`."
        raise InvalidFile(Problem(message, source, sheet.line(("steps",)), "steps", hint))
    top = sheet.table(root, (), _TOP, required=("messages",))
    messages = _messages(sheet, top["messages"]) if "messages" in top else []
    params = sheet.table(top.get("params", {}), ("params",), PARAMS)
    output = _output(sheet, top["output"]) if "output" in top else None
    judge = _judge(sheet, top["judge"]) if "judge" in top else None
    if output is not None and judge is not None:
        sheet.problem(("output",), "A judge has no `[output]`: its scale or choices bound the answer.", "Remove it.")
    sheet.finish()
    return Prompt(
        name=name,
        content=content_hash(root),
        source=source,
        messages=tuple(msgspec.convert(messages, list[Message])),
        params=msgspec.convert(params, Params),
        output=msgspec.convert(output, Output) if output is not None else None,
        judge=msgspec.convert(judge, Judge) if judge is not None else None,
        id=cast("str | None", top.get("id")),
        evalset=cast("str | None", top.get("evalset")),
        description=cast("str", top.get("description", "")),
    )


def _messages(sheet: Sheet, raw: object) -> list[dict[str, object]]:
    from promptlab.workspace.templates import syntax_fault  # jinja2: not for commands that load no prompt

    items = check.items(raw)
    if not items:
        sheet.problem(("messages",), f"Expected at least one `[[messages]]` table, got {check.kind(raw)}.")
        return []
    messages: list[dict[str, object]] = []
    for index, item in enumerate(items):
        path = ("messages", index)
        message = sheet.table(item, path, _MESSAGE, required=("role", "content"))
        messages.append(message)
        fault = syntax_fault(str(message.get("content", "")))
        if fault is not None:
            sheet.problem((*path, "content"), fault.message, "Correct the template.", below=fault.line - 1)
    return messages


def _output(sheet: Sheet, raw: object) -> dict[str, object]:
    values = sheet.table(raw, ("output",), _OUTPUT)
    contracts = ("choices", "json_schema", "regex")
    if isinstance(raw, dict) and sum(key in raw for key in contracts) != 1:
        sheet.problem(("output",), "`[output]` needs exactly one of `choices`, `json_schema` and `regex`.")
    return values


def _judge(sheet: Sheet, raw: object) -> dict[str, object]:
    values = sheet.table(raw, ("judge",), _JUDGE)
    if not isinstance(raw, dict):
        return values
    if values.get("kind") == "pairwise":
        if given := [key for key in ("scale", "choices") if key in raw]:
            message = f"A pairwise judge has no `{given[0]}`: it answers A, B or tie."
            sheet.problem(("judge", given[0]), message, "Remove it.")
    elif ("scale" in raw) == ("choices" in raw):
        hint = "Write `scale = [1, 5]` or `choices = { yes = 1.0, no = 0.0 }`."
        sheet.problem(("judge",), "`[judge]` needs exactly one of `scale` and `choices`.", hint)
    if values.get("reason") and values.get("expected"):
        message = (
            "A judge that says why first has no probabilities of grades: `reason` and `expected` exclude each other."
        )
        sheet.problem(("judge", "expected"), message, "Remove one of them.")
    if values.get("expected") and values.get("kind", "grade") != "grade":
        sheet.problem(("judge", "expected"), 'Only a judge of kind "grade" has an `expected` grade.', "Remove it.")
    return values


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
    "id": check.word,
    "params": check.anything,
    "output": check.anything,
    "judge": check.anything,
    "messages": check.anything,
}
_MESSAGE: dict[str, Check] = {"role": check.one_of("system", "user", "assistant"), "content": check.text}
_OUTPUT: dict[str, Check] = {
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
}

"""One chain file: from its tables to a ``Prompt`` with steps, and back to a text that needs no other file."""

from __future__ import annotations

import copy
import re
from typing import cast

from promptlab.workspace import sheet as check
from promptlab.workspace.expressions import expression_fault
from promptlab.workspace.identity import content_hash
from promptlab.workspace.operations import OPERATIONS, Reading, template
from promptlab.workspace.prompts import Fetch, parse_prompt
from promptlab.workspace.scan import KeyPath
from promptlab.workspace.sheet import Check, Expected, Sheet
from promptlab.workspace.toml import parse
from promptlab.workspace.values import Ask, BestOf, Output, Prompt, Step, Validate, Vote
from promptlab.workspace.wiring import wire

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN = frozenset({"item", "reason", "true", "false", "none", "not", "and", "or", "in", "is"})
_MOST_STEPS = 100


def read_chain(root: dict[str, object], sheet: Sheet, name: str, source: str, fetch: Fetch | None) -> Prompt:
    """A chain from the tables of its file. Its content is that of itself and of all that it uses.

    Args:
        sheet: Of the file; what is wrong is noted there and raised at the end.
        fetch: As in :func:`promptlab.workspace.prompts.parse_prompt`.

    Raises:
        InvalidFile: With every problem of the file.
    """
    reading = Reading(sheet, source, fetch, {})
    top = sheet.table(root, (), _TOP, required=("inputs", "steps"))
    inputs = cast("list[str]", top.get("inputs", []))
    items = check.items(top.get("steps", []))
    if not items or len(items) > _MOST_STEPS:
        sheet.problem(("steps",), f"Expected 1 to {_MOST_STEPS} `[[steps]]` tables, got {len(items or ())}.")
    steps = [_step(reading, item, ("steps", index)) for index, item in enumerate(items or ())]
    _check_names(sheet, steps, inputs)
    if not sheet.problems():
        steps = wire(sheet, [step for step in steps if step], inputs)
    sheet.finish()
    return Prompt(
        name=name,
        content=content_hash(_replaced(root, reading.used)),
        source=source,
        messages=(),
        output=_contract(steps[-1] if steps else None),
        id=cast("str | None", top.get("id")),
        evalset=cast("str | None", top.get("evalset")),
        description=cast("str", top.get("description", "")),
        steps=tuple(step for step in steps if step),
        inputs=tuple(inputs),
    )


def closed(data: bytes, source: str, fetch: Fetch) -> bytes:
    """A chain's file with everything that it refers to written out: it needs no other file. Its content is the same.

    A file without references comes back as it is.

    Raises:
        InvalidFile: With every problem of the file.
    """
    import tomli_w

    root = parse(data, source)
    if "steps" not in root:
        return data
    used: dict[KeyPath, object] = {}

    def remembered(name: str) -> bytes | None:
        used[(name,)] = {}
        return fetch(name)

    parse_prompt(data, "", source, remembered)
    if not used:
        return data
    sheet = Sheet(source, lambda path, below: (0, ""))
    reading = Reading(sheet, source, fetch, {})
    for index, item in enumerate(check.items(root["steps"]) or ()):
        _step(reading, item, ("steps", index))
    return tomli_w.dumps(_replaced(root, reading.used), multiline_strings=True).encode()


def references(prompt: Prompt) -> tuple[str, ...]:
    """The prompts that a chain, read without ``fetch``, refers to: ``triage``, ``triage@v3``."""
    return tuple(dict.fromkeys(part.name for part in prompts_in(prompt) if not part.messages))


def prompts_in(chain: Prompt) -> list[Prompt]:
    """Every prompt that a chain's steps use, judges included, in the order of the file."""
    fields = ("prompt", "critic", "revise", "judge")
    found = [getattr(step.does, field, None) for step in chain.steps for field in fields]
    return [prompt for prompt in found if isinstance(prompt, Prompt)]


def _step(reading: Reading, raw: object, path: KeyPath) -> Step | None:
    sheet = reading.sheet
    values = sheet.table(raw, path, _STEP, required=("name",))
    given = [key for key in OPERATIONS if key in values]
    if len(given) != 1:
        known = ", ".join(f"`{key}`" for key in OPERATIONS)
        sheet.problem(path, f"A step has exactly one operation, and this one has {len(given)}.", f"One of {known}.")
        return None
    does = OPERATIONS[given[0]](reading, values[given[0]], (*path, given[0]))
    inputs = sheet.table(values.get("inputs", {}), (*path, "inputs"), _Any())
    if "name" not in values or does is None:
        return None
    return Step(
        name=cast("str", values["name"]),
        does=does,
        inputs=cast("dict[str, str]", inputs),
        when=cast("str", values.get("when", "")),
        foreach=cast("str", values.get("foreach", "")),
    )


def _contract(last: Step | None) -> Output | None:
    """What the chain's answer is held to: what its last step is."""
    match last.does if last else None:
        case Ask(prompt=prompt) | Vote(prompt=prompt) | BestOf(prompt=prompt):
            return prompt.output
        case Validate(choices=choices, json_schema=schema) if choices or schema is not None:
            return Output(choices=choices, json_schema=schema)
        case _:
            return None


class _Any(dict[str, Check]):
    """Takes every key, with a template."""

    def get(self, key: str, default: object = None) -> Check:  # type: ignore[override] # the default is never used
        return template


def _check_names(sheet: Sheet, steps: list[Step | None], inputs: list[str]) -> None:
    seen: set[str] = set()
    for index, step in enumerate(steps):
        if step is None:
            continue
        path = ("steps", index, "name")
        if step.name in seen:
            sheet.problem(path, f"Two steps are named `{step.name}`.", "Give each step its own name.")
        if step.name in inputs:
            sheet.problem(path, f"`{step.name}` is an input of the chain too.", "Give the step another name.")
        seen.add(step.name)


def _replaced(root: dict[str, object], used: dict[KeyPath, object]) -> dict[str, object]:
    """The tables with every reference written out."""
    whole = copy.deepcopy(root)
    for path, value in used.items():
        place = cast("dict[str | int, object]", whole)
        for part in path[:-1]:
            place = cast("dict[str | int, object]", place[part])
        place[path[-1]] = value
    return whole


def _name(value: object) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value) or value.lower() in _TAKEN:
        raise Expected("a name of letters, digits and _, and no word such as `item` or `not`")
    return value


def _names(value: object) -> list[str]:
    return [_name(item) for item in check.words(value)]


def _expression(value: object) -> str:
    text = check.word(value)
    if fault := expression_fault(text):
        raise Expected("an expression, such as route.text == 'billing'", f"one that is wrong: {fault}")
    return text


_TOP: dict[str, Check] = {
    "description": check.text,
    "owner": check.anything,
    "labels": check.anything,
    "evalset": check.word,
    "notes": check.anything,
    "id": check.word,
    "export": check.anything,
    "inputs": _names,
    "steps": check.anything,
}
_STEP: dict[str, Check] = {
    "name": _name,
    "inputs": check.anything,
    "when": _expression,
    "foreach": _expression,
    **{key: check.anything for key in OPERATIONS},
}

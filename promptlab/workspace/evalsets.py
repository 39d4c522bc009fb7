"""One eval set file, and the JSONL of examples that it may name: from bytes to an ``EvalSet``."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

import msgspec

from promptlab.errors import InvalidFile, Problem, PromptlabError
from promptlab.workspace import sheet as check
from promptlab.workspace.identity import examples_hash
from promptlab.workspace.packed import held
from promptlab.workspace.scan import KeyPath
from promptlab.workspace.sheet import Check, Expected, Sheet, toml_sheet
from promptlab.workspace.toml import decode, did_you_mean, show_path, shown
from promptlab.workspace.values import Decision, EvalSet, Example, MetricSpec

Read = Callable[[str], bytes]


def parse_evalset(data: bytes, name: str, source: str, read: Read) -> EvalSet:
    """An eval set file as a value.

    Args:
        data: The file's bytes.
        name: The eval set's name: its path below ``evalsets/`` without ``.toml``.
        source: The file's path, relative to the workspace root.
        read: Gives the bytes of the file that ``examples = "cases.jsonl"`` names, relative to the eval set file.

    Raises:
        InvalidFile: With every problem of the file, and of its JSONL.
    """
    root, sheet = toml_sheet(data, source)
    top = sheet.table(root, (), _TOP, required=("examples",))
    metrics = _metrics(sheet, top.get("metrics", []))
    decision = _decision(sheet, top.get("decision", {}), [metric.name for metric in metrics])
    files = (source,)
    examples: Sequence[Example] = ()
    raw = top.get("examples")
    problems: list[Problem] = []
    if isinstance(raw, str):
        if raw.endswith(".jsonl"):
            lines = posixpath.normpath(posixpath.join(posixpath.dirname(source), raw))
            files = (source, lines)
            examples, problems = _read_jsonl(sheet, raw, lines, read)
        else:
            sheet.problem(("examples",), f"Expected the name of a .jsonl file, got `{shown(raw)}`.")
    elif raw is not None:
        examples = _inline(sheet, raw)
    problems = sheet.problems() + problems
    if problems:
        raise InvalidFile(*problems)
    return EvalSet(
        name=name,
        content=examples_hash(examples),
        source=source,
        files=files,
        examples=examples,
        metrics=tuple(metrics),
        decision=msgspec.convert(decision, Decision),
        description=cast("str", top.get("description", "")),
    )


def _inline(sheet: Sheet, raw: object) -> Sequence[Example]:
    items = check.items(raw)
    if not items:
        expected = '`[[examples]]` tables, or the name of a file such as "cases.jsonl"'
        sheet.problem(("examples",), f"Expected {expected}, got {check.kind(raw)}.", "Add at least one example.")
        return ()
    numbered = [(("examples", index), item) for index, item in enumerate(items)]
    return held(_examples(sheet, numbered))


def _read_jsonl(sheet: Sheet, named: str, file: str, read: Read) -> tuple[Sequence[Example], list[Problem]]:
    """The examples of a JSONL file, and what is wrong with them. Empty lines are skipped."""
    try:
        text = decode(read(named), file)
    except InvalidFile as fault:
        return (), list(fault.problems)
    except (PromptlabError, OSError) as fault:
        sheet.problem(("examples",), f"The file `{shown(named)}` cannot be read: {shown(str(fault), 200)}")
        return (), []
    lines = Sheet(file, _jsonl_place)
    examples = held(_examples(lines, _parsed(lines, text)), about=text.count("\n"))
    problems = lines.problems()
    if not examples and not problems:
        problems = [Problem("The file has no examples.", file, hint="Add at least one line.")]
    return examples, problems


def _parsed(lines: Sheet, text: str) -> Iterator[tuple[KeyPath, object]]:
    """The values of the lines, one at a time: a file may hold a hundred thousand."""
    parse = msgspec.json.Decoder[object]().decode
    for number, line in enumerate(_lines(text), start=1):
        if not line or line.isspace():
            continue
        try:
            value = parse(line)
        except (msgspec.DecodeError, RecursionError) as fault:
            lines.problem((number,), f"The line is not valid JSON: {fault}.", "Write one object on each line.")
        else:
            yield (number,), value


def _lines(text: str) -> Iterator[str]:
    """Not splitlines(): JSON strings may hold U+2028 and other line separators as they are."""
    at = 0
    while (end := text.find("\n", at)) >= 0:
        yield text[at:end]
        at = end + 1
    yield text[at:]


def _jsonl_place(path: KeyPath, below: int) -> tuple[int, str]:
    return int(path[0]), show_path(path[1:])


def _examples(sheet: Sheet, numbered: Iterable[tuple[KeyPath, object]]) -> Iterator[Example]:
    first: dict[str, int | str] = {}  # the last step of its path: all stand in one list
    for path, item in numbered:
        values = sheet.table(item, path, _EXAMPLE, required=("id",))
        id = values.get("id")
        if not isinstance(id, str):
            continue
        if id in first:
            before = (*path[:-1], first[id])
            line = sheet.line(before)
            other = f"{show_path(before)} on line {line}" if len(path) > 1 else f"line {line}"
            message = f"The example id `{shown(id)}` is used twice: {other} has it too."
            sheet.problem((*path, "id"), message, "Give each example its own id.")
            continue
        first[id] = path[-1]
        yield msgspec.convert(values, Example)


def _metrics(sheet: Sheet, raw: object) -> list[MetricSpec]:
    items = check.items(raw)
    if items is None:
        sheet.problem(("metrics",), f"Expected `[[metrics]]` tables, got {check.kind(raw)}.")
        return []
    specs: list[MetricSpec] = []
    for index, item in enumerate(items):
        path = ("metrics", index)
        options = dict.fromkeys(check.mapping(item) or (), check.plain)  # every key but two is the metric's own
        values = sheet.table(item, path, {**options, **_METRIC}, required=("id",))
        id = str(values.pop("id", ""))
        name = str(values.pop("name", id))
        on = str(values.pop("on", ""))
        if name and any(spec.name == name for spec in specs):
            message = f"Two metrics are named `{shown(name)}`."
            sheet.problem(path, message, 'Give one of them another name: name = "…".')
        specs.append(MetricSpec(id, name, values, on))
    return specs


def _decision(sheet: Sheet, raw: object, names: list[str]) -> dict[str, object]:
    decision = sheet.table(raw, ("decision",), _DECISION)
    primary = decision.get("primary")
    if isinstance(primary, str) and primary not in names:
        hint = did_you_mean(primary, names) or (
            f"Declared metrics: {', '.join(names)}." if names else "Declare it in `[[metrics]]`."
        )
        message = f"`{shown(primary)}` is no metric of this eval set."
        sheet.problem(("decision", "primary"), message, hint)
    guardrails = decision.get("guardrails", [])
    items = check.items(guardrails)
    if items is None:
        sheet.problem(("decision", "guardrails"), f"Expected a list of tables, got {check.kind(guardrails)}.")
        return decision
    rails: list[dict[str, object]] = []
    for index, item in enumerate(items):
        path = ("decision", "guardrails", index)
        rails.append(sheet.table(item, path, _GUARDRAIL, required=("metric",)))
        if isinstance(item, dict) and ("margin" in item) == ("ratio" in item):
            sheet.problem(path, "A guardrail needs exactly one of `margin` and `ratio`.")
    return {**decision, "guardrails": rails}


def _example_id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise Expected("a text or a whole number")
    return value


def _or_null(inner: Check) -> Check:
    return lambda value: None if value is None else inner(value)


_TOP: dict[str, Check] = {
    "description": check.text,
    "metrics": check.anything,
    "decision": check.anything,
    "examples": check.anything,
}
# JSON has null, and writers of JSONL put it where a key has no value.
_EXAMPLE: dict[str, Check] = {
    "id": _example_id,
    "vars": check.plain_table,
    "expected": check.plain,
    "reference": _or_null(check.text),
    "previous": _or_null(check.text),
    "feedback": _or_null(check.text),
    "context": _or_null(check.text),
    "tags": check.words,
    "group": _or_null(_example_id),
    "split": _or_null(check.word),
}
_METRIC: dict[str, Check] = {"id": check.word, "name": check.word, "on": check.word}
_DECISION: dict[str, Check] = {
    "primary": check.word,
    "min_effect": check.number(0),
    "alpha": check.number(0, 0.5, above=True),
    "cluster_by": check.one_of("group"),
    "trials": check.whole(1, 1000),
    "guardrails": check.anything,
}
_GUARDRAIL: dict[str, Check] = {
    "metric": check.word,
    "margin": check.number(0),
    "ratio": check.number(0, above=True),
}

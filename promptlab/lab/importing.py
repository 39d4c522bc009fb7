"""Examples out of a CSV or JSONL of somebody else's: what of it would be added, before it is."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec
from msgspec import Struct, structs

from promptlab.errors import InvalidFile, NotFound, Problem, StorageFault
from promptlab.lab.examples import ExampleList, free_ids, same_as
from promptlab.workspace.example_files import raw_example
from promptlab.workspace.toml import decode, shown
from promptlab.workspace.values import Example

_FIELDS = tuple(name for name in Example.__struct_fields__ if name != "vars")
_ONE_TEXT = ("reference", "previous", "feedback", "context", "group", "split")
_VARIABLE = "vars."
_BETWEEN = re.compile(r"\s*[,;|]\s*")
_MOST = 50_000_000
"""Bytes of a file that is still read."""


class Import(Struct, frozen=True):
    """What a file would add.

    Attributes:
        new: Examples that are not there yet, with ids that are free.
        twins: Of those, the ones that ask the same as an example that is there, or as an earlier line.
        known: How many lines are there already, word for word.
        renamed: Id in the file to the id that it gets, where another example has it.
        variables: The variables that they have.
        fields: The fields besides.
        strange: Variables that no example of the eval set has.
    """

    source: str
    new: tuple[Example, ...]
    twins: frozenset[str]
    known: int
    renamed: Mapping[str, str]
    variables: tuple[str, ...]
    fields: tuple[str, ...]
    strange: tuple[str, ...]


def read_import(path: Path, into: ExampleList | None) -> Import:
    """What the file would add to an eval set, or begin one with. Nothing is written.

    A column or key named as a field of an example is that field; every other one is a variable, as is ``vars.NAME``.

    Raises:
        NotFound, StorageFault: There is no such file, or it cannot be read.
        InvalidFile: With every line that is none.
    """
    source = path.name
    try:
        if not path.is_file():
            raise NotFound(f"There is no file {shown(str(path), 200)}.")
        if path.stat().st_size > _MOST:
            raise StorageFault(
                f"{shown(str(path), 200)} is larger than {_MOST // 1_000_000} MB: import a part of it."
            )
        text = decode(path.read_bytes(), source)
    except OSError as fault:
        raise StorageFault(f"{shown(str(path), 200)} cannot be read: {fault.strerror}.") from None
    problems: list[Problem] = []
    rows = _csv_rows(text, source) if path.suffix.lower() in (".csv", ".tsv") else _json_rows(text, source, problems)
    found = [example for line, row in rows if (example := _example(row, source, line, problems)) is not None]
    if not found and not problems:
        problems.append(Problem("The file has no examples.", source, hint="Each line is one, after a line of names."))
    if problems:
        raise InvalidFile(*problems[:20])
    return _sorted_out(source, found, into)


def _csv_rows(text: str, source: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        head = [name.strip() for name in next(reader, list[str]())]
        if len(set(head)) < len(head) or not all(head):
            raise InvalidFile(Problem("The first line must name every column, each differently.", source, 1))
        for cells in reader:
            if any(cell.strip() for cell in cells):
                # A cell too many has no name; one too few is empty.
                extra = {"": cells} if len(cells) > len(head) else {}
                yield reader.line_num, {**dict(zip(head, cells, strict=False)), **extra}
    except csv.Error as fault:
        raise InvalidFile(Problem(f"This is no CSV: {fault}.", source, reader.line_num)) from None


def _json_rows(text: str, source: str, problems: list[Problem]) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row: object = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            yield number, cast("dict[str, object]", row)
        else:
            problems.append(Problem("Expected one JSON object on the line.", source, number))


def _example(row: Mapping[str, object], source: str, line: int, problems: list[Problem]) -> Example | None:
    vars: dict[str, object] = {}
    values: dict[str, object] = {}
    for key, value in row.items():
        if key == "":
            problems.append(Problem("The line has more cells than the first line has names.", source, line))
            return None
        if key == "vars" and isinstance(value, dict):
            vars |= cast("dict[str, object]", value)
        elif key not in _FIELDS or key.startswith(_VARIABLE):
            vars[key.removeprefix(_VARIABLE)] = "" if value is None else value
        elif value not in (None, ""):
            values[key] = _field(key, value)
    try:
        return msgspec.convert({"id": "", **values, "vars": vars}, Example)
    except msgspec.ValidationError as fault:
        problems.append(Problem(f"The line is no example: {shown(str(fault), 120)}.", source, line))
        return None


def _field(key: str, value: object) -> object:
    if key == "tags" and isinstance(value, str):
        return [tag for tag in _BETWEEN.split(value.strip()) if tag]
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if key in ("id", *_ONE_TEXT) and plain else value


def _sorted_out(source: str, found: Sequence[Example], into: ExampleList | None) -> Import:
    there = {example.id: example for example in into.evalset.examples} if into is not None else {}
    contents = {_content(example) for example in there.values()}
    asked = {same_as(example) for example in there.values()}
    wanted = [example for example in found if _content(example) not in contents]
    taken = set(there)
    free = iter(free_ids([*there, *(example.id for example in found if example.id)], len(wanted)))
    new: list[Example] = []
    twins: set[str] = set()
    renamed: dict[str, str] = {}
    for example in wanted:
        id = example.id if example.id and example.id not in taken else next(free)
        if example.id and id != example.id:
            renamed[example.id] = id
        taken.add(id)
        new.append(structs.replace(example, id=id))
        if (question := same_as(example)) in asked:
            twins.add(id)
        asked.add(question)
    variables = tuple(dict.fromkeys(name for example in new for name in example.vars))
    fields = tuple(name for name in _FIELDS if name != "id" and any(name in raw_example(one) for one in new))
    usual = into.variables if into is not None else variables
    strange = tuple(name for name in variables if name not in usual)
    return Import(source, tuple(new), frozenset(twins), len(found) - len(wanted), renamed, variables, fields, strange)


def _content(example: Example) -> bytes:
    """All that an example says but its id."""
    return msgspec.json.encode(structs.replace(example, id=""), order="deterministic")

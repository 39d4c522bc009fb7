"""Examples changed in the file that holds them: lines of a JSONL, or ``[[examples]]`` of the eval set itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import msgspec
from msgspec import Struct

from promptlab.workspace.tables import GONE, Change, change_tables
from promptlab.workspace.values import EvalSet, Example

_FIELDS = Example.__struct_fields__


class ExampleEdits(Struct, frozen=True):
    """What is to become of the examples of an eval set.

    Attributes:
        changed: Id as it is now to the example as it shall be.
        gone: Ids of those that are taken out.
        new: Those that are added at the end.
    """

    changed: Mapping[str, Example] = {}
    gone: frozenset[str] = frozenset()
    new: tuple[Example, ...] = ()


def file_of(evalset: EvalSet) -> str:
    """The file with the examples, relative to the workspace."""
    return evalset.files[-1]


def edit_examples(evalset: EvalSet, data: bytes, edits: ExampleEdits) -> bytes:
    """The bytes of the examples' file after the edits; lines and keys that none is about stay byte for byte.

    Args:
        evalset: As ``data`` says it.
        data: The bytes of ``file_of(evalset)``.
        edits: Their ids are those of the eval set.

    Raises:
        CannotEdit: The file writes its examples in a way that cannot be changed in place.
    """
    if file_of(evalset) == evalset.source:
        return _edit_toml(evalset, data, edits)
    return _edit_lines(evalset, data, edits)


def raw_example(example: Example) -> dict[str, object]:
    """An example as a file has it: the keys that say something."""
    return cast("dict[str, object]", msgspec.to_builtins(example))


def _edit_toml(evalset: EvalSet, data: bytes, edits: ExampleEdits) -> bytes:
    changes: list[Change] = []
    for index, example in enumerate(evalset.examples):
        at = ("examples", index)
        if example.id in edits.gone:
            changes.append(Change(at, GONE))
        elif example.id in edits.changed:
            old, new = raw_example(example), raw_example(edits.changed[example.id])
            for key in _differing(old, new):
                before, after = old.get(key), new.get(key, GONE)
                if key == "vars" and isinstance(before, dict) and isinstance(after, dict):
                    was, now = cast("dict[str, object]", before), cast("dict[str, object]", after)
                    names = [name for name in {**was, **now} if was.get(name, GONE) != now.get(name, GONE)]
                    changes += [Change((*at, key, name), now.get(name, GONE)) for name in names]
                else:
                    changes.append(Change((*at, key), after))
    start = len(evalset.examples)
    changes += [Change(("examples", start + at), raw_example(new)) for at, new in enumerate(edits.new)]
    return change_tables(data, changes)


def _edit_lines(evalset: EvalSet, data: bytes, edits: ExampleEdits) -> bytes:
    known = {example.id: example for example in evalset.examples}
    kept: list[bytes] = []
    style = b""
    for line in data.split(b"\n"):
        if not line.strip(b" \t\r\n\xef\xbb\xbf"):
            kept.append(line)
            continue
        style = line
        raw = cast("dict[str, object]", json.loads(line.decode("utf-8-sig")))
        id = str(raw["id"])
        if id in edits.gone:
            continue
        if id in edits.changed:
            line = _changed_line(line, raw, known[id], edits.changed[id])
        kept.append(line)
    ended = bool(kept) and not kept[-1]  # the file ends with a line feed
    if ended:
        kept.pop()
    kept += [_written(raw_example(new), style) for new in edits.new]
    return b"\n".join([*kept, b""] if ended or edits.new else kept)


def _changed_line(line: bytes, raw: dict[str, object], old: Example, new: Example) -> bytes:
    was, now = raw_example(old), raw_example(new)
    differing = _differing(was, now)
    for key in differing:
        if key in now:
            raw[key] = now[key]
        else:
            raw.pop(key, None)
    return _written(raw, line) if differing else line


def _written(raw: Mapping[str, object], like: bytes) -> bytes:
    """A line of JSON with the spacing, escapes and line end of another one."""
    spaced = b'": ' in like or not like
    ascii_only = b"\\u" in like and like.isascii()
    separators = (", ", ": ") if spaced else (",", ":")
    text = json.dumps(raw, ensure_ascii=ascii_only, separators=separators)
    return text.encode("utf-8", "surrogatepass") + (b"\r" if like.endswith(b"\r") else b"")


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return [key for key in _FIELDS if repr(old.get(key, GONE)) != repr(new.get(key, GONE))]

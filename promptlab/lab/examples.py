"""The examples of an eval set as a list to look through, and as a file to change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from promptlab.errors import UsageFault
from promptlab.lab.wording import plural
from promptlab.workspace import edit, starters
from promptlab.workspace.evalsets import parse_evalset
from promptlab.workspace.example_files import ExampleEdits, edit_examples, file_of
from promptlab.workspace.names import is_name
from promptlab.workspace.toml import shown
from promptlab.workspace.values import EvalSet, Example

if TYPE_CHECKING:
    from promptlab.lab.reading import Reader

TWIN = "is:duplicate"
_FIELDS = ("tag", "split", "group", "id")
_ID = re.compile(r"(.*?)([0-9]+)")
_SPACES = re.compile(r"\s+")


class ExampleList(Struct, frozen=True):
    """An eval set to look through.

    Attributes:
        twins: Id of an example to that of the first one with the same variables, but for case and spaces.
        texts: What a search looks through, one text for each example.
        variables: Every variable that an example has, in the order of the file.
    """

    evalset: EvalSet
    twins: Mapping[str, str]
    texts: tuple[str, ...]
    variables: tuple[str, ...]

    @property
    def file(self) -> str:
        """The file with the examples, relative to the workspace."""
        return file_of(self.evalset)

    def with_tag(self) -> dict[str, int]:
        """Each tag and how many examples have it, the most frequent first."""
        return _counted(tag for example in self.evalset.examples for tag in example.tags)

    def in_split(self) -> dict[str, int]:
        """Each split and how many examples it has; "" stands for none."""
        return _counted(example.split or "" for example in self.evalset.examples)


def read_examples(lab: Reader, name: str) -> ExampleList:
    """An eval set and what is worth knowing of its examples.

    Raises:
        NotFound: There is no such eval set.
        InvalidFile: Its file, or its JSONL, is wrong.
    """
    evalset = lab.workspace.load_evalset(name)
    first: dict[str, str] = {}
    twins: dict[str, str] = {}
    for example in evalset.examples:
        asked = same_as(example)
        if first.setdefault(asked, example.id) != example.id:
            twins[example.id] = first[asked]
    variables = dict.fromkeys(name for example in evalset.examples for name in example.vars)
    return ExampleList(evalset, twins, tuple(map(_text, evalset.examples)), tuple(variables))


def same_as(example: Example) -> str:
    """Equal for examples that ask the same: their variables without case and spacing, and without empty ones."""
    texts = {name: _SPACES.sub(" ", as_text(value)).strip() for name, value in example.vars.items()}
    words = sorted(f"{name}\0{text}" for name, text in texts.items() if text)
    return "\0\0".join(words).casefold()


def as_text(value: object) -> str:
    """A value of an example as a person reads and types it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def matching(examples: ExampleList, query: str) -> list[int]:
    """Indexes of the examples that a search finds: those with all its words.

    ``tag:late``, ``split:test``, ``group:g1`` and ``id:s0`` look at one field, ``is:duplicate`` at twins; a word
    after ``-`` must not be there.
    """
    tests = [_test(examples, word) for word in query.split()]
    return [index for index in range(len(examples.texts)) if all(test(index) for test in tests)]


def _test(examples: ExampleList, word: str) -> Callable[[int], bool]:
    if word.startswith("-") and len(word) > 1:
        inner = _test(examples, word[1:])
        return lambda index: not inner(index)
    rows = examples.evalset.examples
    if word == TWIN:
        return lambda index: rows[index].id in examples.twins
    field, _, wanted = word.partition(":")
    if wanted and field in _FIELDS:
        match field:
            case "tag":
                return lambda index: wanted in rows[index].tags
            case "split":
                return lambda index: rows[index].split == wanted
            case "group":
                return lambda index: rows[index].group == wanted
            case _:
                return lambda index: wanted in rows[index].id
    folded = word.casefold()
    return lambda index: folded in examples.texts[index]


def _text(example: Example) -> str:
    fields = (example.expected, example.reference, example.previous, example.feedback, example.context)
    parts = [*example.vars.values(), *(field for field in fields if field is not None)]
    return "\n".join([example.id, *map(as_text, parts)]).casefold()


def _counted(words: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


# -- changing ---------------------------------------------------------------------------------------------


def change_examples(lab: Reader, seen: EvalSet, edits: ExampleEdits, title: str) -> None:
    """Write edits of examples; nothing else in the file changes.

    Args:
        lab: The lab.
        seen: The eval set as the person saw it. Other changes on disk since then stay.
        edits: What to do.
        title: What was done, in the past tense, for undo: ``deleted s014``.

    Raises:
        UsageFault: One of these examples was changed on disk since, or no example would be left.
        InvalidFile: The file would be wrong; every problem of it.
        CannotEdit: The file cannot be changed in place.
        StorageFault: It cannot be written.
    """
    now = lab.workspace.load_evalset(seen.name)
    before = {example.id: example for example in seen.examples}
    there = {example.id: example for example in now.examples}
    touched = [*edits.changed, *edits.gone]
    if stale := next((id for id in touched if there.get(id) != before.get(id)), ""):
        raise UsageFault(f"{file_of(now)}: {shown(stale)} was changed on disk meanwhile. Look at it and try again.")
    if len(now.examples) + len(edits.new) <= len(edits.gone):
        raise UsageFault(f"An eval set has at least one example: remove {now.source} to be rid of all of it.")
    source = file_of(now)
    data = lab.workspace.read(source)
    edited = edit_examples(now, data, edits)
    _check(lab, now, source, edited)
    _write(lab, source, data, edited, f"{title} in {source}")


def _check(lab: Reader, evalset: EvalSet, source: str, edited: bytes) -> EvalSet:
    """The eval set as it would be. Raises InvalidFile where it would be wrong."""
    own = edited if source == evalset.source else lab.workspace.read(evalset.source)
    return parse_evalset(own, evalset.name, evalset.source, lambda _: edited)


def _write(lab: Reader, source: str, before: bytes | None, after: bytes, title: str) -> None:
    path = lab.workspace.locate(source)
    edit.write_if_unchanged(path, after, None if before is None else edit.stamp(before))
    lab.wrote(source, before, after, title)


def new_evalset(lab: Reader, name: str, examples: Sequence[Example] = ()) -> None:
    """Create an eval set: from a commented beginning, or with these examples in a JSONL beside it.

    Raises:
        UsageFault: The name is taken, or can be none.
    """
    if not is_name(name):
        raise UsageFault(
            f"“{shown(name)}” cannot be an eval set's name: use letters, digits, - and _, with / for folders."
        )
    source = f"evalsets/{name}.toml"
    lines = f"evalsets/{name}.jsonl"
    if any(lab.workspace.locate(file).exists() for file in (source, lines)):
        raise UsageFault(f"There is already an eval set “{name}”.")
    if not examples:
        _write(lab, source, None, starters.new_evalset_text(name).encode(), f"created {source}")
        return
    stem = name.rpartition("/")[2]
    own = f'description = "{plural(len(examples), "example")}"\nexamples = "{stem}.jsonl"\n'.encode()
    parsed = EvalSet(name, "", source, (source, lines), ())
    data = edit_examples(parsed, b"", ExampleEdits(new=tuple(examples)))
    parse_evalset(own, name, source, lambda _: data)
    _write(lab, lines, None, data, f"created {lines}")
    _write(lab, source, None, own, f"created {source}")


def free_ids(taken: Iterable[str], count: int) -> list[str]:
    """Ids for new examples that go on as those that are there: after ``s120`` comes ``s121``."""
    known = list(taken)
    numbered = [match for id in known if (match := _ID.fullmatch(id))]
    prefixes = _counted(match[1] for match in numbered)
    prefix = next(iter(prefixes), "e")
    mine = [match[2] for match in numbered if match[1] == prefix]
    width = max((len(digits) for digits in mine if digits.startswith("0")), default=0) or (0 if mine else 3)
    start = max((int(digits) for digits in mine), default=0) + 1
    return [f"{prefix}{number:0{width}d}" for number in range(start, start + count)]

"""An example as fields to type in, and back; and as TOML for the person's own editor."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from promptlab.errors import UsageFault
from promptlab.lab.examples import ExampleList, as_text
from promptlab.tui.widgets.form import Field
from promptlab.workspace.example_files import raw_example
from promptlab.workspace.values import Example

VARIABLE = "vars."
"""Begins the name of a field that is a variable."""
_TEXTS = ("reference", "context", "previous", "feedback")
_RARE = ("previous", "feedback")
_LABELS = {"reference": "a good answer", "context": "what the answer must rest on"}


def fields_of(examples: ExampleList | None, example: Example, variables: Sequence[str] = ()) -> list[Field]:
    """The fields of an example: its variables, those that the others have, and what metrics look at.

    Args:
        examples: The eval set that it is, or will be, part of.
        example: As it is, or the beginning of a new one.
        variables: More that it should have.
    """
    usual = examples.variables if examples is not None else ()
    names = dict.fromkeys([*usual, *variables, *example.vars])
    there = examples.evalset.examples if examples is not None else ()
    fields = [
        Field(f"{VARIABLE}{name}", name, as_text(example.vars.get(name, "")), "a variable", lines=True)
        for name in names
    ]
    more = "more variables, one a line: name = text"
    expected = "" if example.expected is None else as_text(example.expected)
    fields += [
        Field("expected", "expected", expected, "the right answer; JSON where it begins with [ or {", lines=True),
        Field("tags", "tags", ", ".join(example.tags), "with commas between"),
        Field("group", "group", example.group or "", "examples of a group are not independent"),
        Field("split", "split", example.split or "", "such as dev or test"),
    ]
    for name in _TEXTS:
        value = cast("str | None", getattr(example, name))
        if name not in _RARE or value or any(getattr(one, name) for one in there[:1000]):
            fields.append(Field(name, name, value or "", _LABELS.get(name, ""), lines=True))
    id = Field("id", "id", example.id, "its name in runs and reviews")
    return [*fields, id, Field("more", "+ variable", "", more, lines=True)]


def texts_of(example: Example | None) -> dict[str, str]:
    """The variables of an example as the texts of fields, and what the right answer is."""
    if example is None:
        return {}
    texts = {f"{VARIABLE}{name}": as_text(value) for name, value in example.vars.items()}
    return texts | ({} if example.expected is None else {"expected": as_text(example.expected)})


def variables_of(typed: Mapping[str, str]) -> list[str]:
    """The variables among the names of fields."""
    return [name.removeprefix(VARIABLE) for name in typed if name.startswith(VARIABLE)]


def example_of(texts: Mapping[str, str], old: Example) -> Example:
    """The example that the fields say; what the form does not show stays as it was.

    Raises:
        UsageFault: The id is blank, or a line of more variables is none.
    """
    if not texts["id"].strip():
        raise UsageFault("An example needs an id.")
    vars: dict[str, object] = {}
    for key, text in texts.items():
        name = key.removeprefix(VARIABLE)
        # A variable that it did not have, and that was left empty, it still does not have.
        if key.startswith(VARIABLE) and (text or name in old.vars):
            vars[name] = _value(text, old.vars.get(name))
    for line in texts.get("more", "").splitlines():
        name, equals, text = line.partition("=")
        if line.strip():
            if not equals or not name.strip():
                raise UsageFault(f"Expected `name = text`, got `{line.strip()[:40]}`.")
            vars[name.strip()] = _value(text.strip(), None)
    expected = texts["expected"]
    return msgspec.structs.replace(
        old,
        id=texts["id"].strip(),
        vars=vars,
        expected=_value(expected, old.expected) if expected else None,
        tags=tuple(dict.fromkeys(tag.strip() for tag in texts["tags"].split(",") if tag.strip())),
        group=texts["group"].strip() or None,
        split=texts["split"].strip() or None,
        **{name: texts[name] or None for name in _TEXTS if name in texts},
    )


def _value(text: str, old: object) -> object:
    """A text, or what it says in JSON where the value was no text before, or looks like a list or table."""
    was_other = old is not None and not isinstance(old, str)
    if was_other or (not isinstance(old, str) and text[:1] in ("[", "{")):
        try:
            return cast("object", msgspec.json.decode(text))
        except msgspec.DecodeError:
            return text
    return text


def as_toml(example: Example) -> str:
    """For the person's own editor. Raises nothing: what TOML lacks (null) is left out."""
    import tomli_w

    return tomli_w.dumps(cast("dict[str, object]", _without_null(raw_example(example))), multiline_strings=True)


def from_toml(text: str) -> Example:
    """What the person's own editor gave back.

    Raises:
        UsageFault: It is no TOML, or no example.
    """
    try:
        return msgspec.convert(tomllib.loads(text), Example)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
        raise UsageFault(f"What you saved is no example: {fault}. Nothing was changed.") from None


def _without_null(value: object) -> object:
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return {key: _without_null(item) for key, item in table.items() if item is not None}
    if isinstance(value, list):
        return [_without_null(item) for item in cast("list[object]", value) if item is not None]
    return value

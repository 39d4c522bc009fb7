"""The Jinja environment of prompts: no way to Python, no way to other files, no way to run away.

Jinja's own sandbox keeps a template from Python's attributes. It does not bound time and memory, and a prompt is
rendered as soon as it is looked at; so every loop, call, filter and operator that can multiply work is charged to a
budget here.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, cast

from jinja2 import StrictUndefined, Template, TemplateRuntimeError, Undefined, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_OUTPUT = 1_000_000
"""Characters that one message may have, and any text that a template makes on the way."""

MAX_STEPS = 200_000
"""What one rendering may spend: a turn of a loop, a filter, 250 characters cost one each, a call five."""

_PER_STEP = 250

_MAX_GROWTH = 10 * MAX_OUTPUT
_MAX_ITEMS = 200_000

# What a filter or method makes can be as long as its input times an argument.
_GROWING_FILTERS = frozenset(
    {"batch", "center", "format", "indent", "join", "replace", "slice", "tojson", "wordwrap"}
)
_GROWING_METHODS = frozenset({"center", "expandtabs", "join", "ljust", "replace", "rjust", "translate", "zfill"})
_MAX_BITS = 4096
_WIDTH = re.compile(r"\d+")

_spent: ContextVar[list[int]] = ContextVar("spent")


class TooMuch(Exception):
    """A template wants more time or memory than a prompt can need."""


def fresh_budget() -> None:
    """Begin a rendering: whatever the current thread or task spent before is forgotten."""
    _spent.set([0])


def charge(steps: int) -> None:
    """Spend some of the current budget.

    Raises:
        TooMuch: It is used up.
    """
    spent = _spent.get()
    spent[0] += steps
    if spent[0] > MAX_STEPS:
        raise TooMuch("the template does far too much work; shorten its loops")


class Sandbox(ImmutableSandboxedEnvironment):
    """Undefined variables are errors, nothing is loaded, nothing is random, and work is bounded."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, finalize=_printed)
        # The same variables must give the same text: nothing random. And nothing that prints Python's own notation.
        for name in ("random", "pprint", "urlize", "xmlattr"):
            del self.filters[name]
        for name in ("lipsum", "cycler", "joiner"):
            del self.globals[name]
        filters = cast("dict[str, Callable[..., Any]]", self.filters)
        filters["tojson"] = _to_json
        for name, function in filters.items():
            filters[name] = _bounded_filter(name, function)
        filters |= {_LOOP: _loop, _MADE: _made, _PRINTED: _printed}

    def compile_bounded(self, tree: nodes.Template, size: int) -> Template:
        """Compile a parsed template of ``size`` characters so that its loops and joined texts are charged."""
        weight = nodes.Const(1 + size // _PER_STEP)
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, _LOOP, [weight], [], None, None, lineno=loop.lineno)
        for joined in list(tree.find_all(nodes.Concat)):
            parts = [nodes.Filter(part, _PRINTED, [], [], None, None, lineno=part.lineno) for part in joined.nodes]
            inner = nodes.Concat(cast("list[nodes.Expr]", parts), lineno=joined.lineno)
            joined.nodes = [nodes.Filter(inner, _MADE, [], [], None, None, lineno=joined.lineno)]
        for block in list(tree.find_all(nodes.AssignBlock)):
            block.filter = nodes.Filter(block.filter, _MADE, [], [], None, None, lineno=block.lineno)
        tree.set_environment(self)
        return self.from_string(tree)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Beside Jinja's own rules: no method whose result has a size that cannot be bounded here."""
        if isinstance(obj, str | int) and attr in ("format", "format_map", "encode", "to_bytes"):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Every call that a template makes, macros and ``loop()`` included."""
        given = (*args, *kwargs.values())
        owner: object = getattr(__obj, "__self__", None)
        if getattr(__obj, "__name__", "") in _GROWING_METHODS and isinstance(owner, str):
            charge_growth(owner, given)
        charge(5 + sum(map(_size, (owner, *given))) // _PER_STEP)
        return _made(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The operators that can make a large value from small ones."""
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * (max(right, 1) if operator == "**" else 1)
            if bits + (right.bit_length() if operator == "*" else 0) > _MAX_BITS:
                raise TooMuch("a number is too large")
        elif operator == "%" and isinstance(left, str):
            charge_growth(left, (right,), formats=True)
        elif operator == "*":
            sized, times = (right, left) if isinstance(left, int) else (left, right)
            charge_growth(sized, (times,))
        elif operator == "+":
            charge((_size(left) + _size(right)) // _PER_STEP)
        return _made(super().call_binop(context, operator, left, right))


# Names of filters that no template can write, for they have a space.
_LOOP = "loop turns"
_MADE = "made text"
_PRINTED = "printed text"


def charge_growth(value: object, arguments: Iterable[object], formats: bool = False) -> None:
    """Charge for what ``value`` may grow to: its length times the largest of the arguments."""
    weights = [1]
    for argument in arguments:
        if isinstance(argument, int) and (not formats or "*" in str(value)):
            weights.append(abs(argument))
        elif not isinstance(argument, int):
            weights.append(_size(argument))
    if formats:
        weights += [int(digits[:18]) for digits in _WIDTH.findall(str(value))]
    growth = max(_size(value), 1) * max(weights)
    if growth > _MAX_GROWTH:
        raise TooMuch("the template makes a text or list that is far too long")
    charge(growth // _PER_STEP)


def _bounded_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)  # the marks by which Jinja knows what to pass are attributes of the function
    def bounded(*args: Any, **kwargs: Any) -> Any:
        args = tuple(map(_settled, args))
        passed: list[object] = [arg for arg in args if arg is None or isinstance(arg, _DATA)]
        if name in _GROWING_FILTERS and passed:
            charge_growth(passed[0], (*passed[1:], *kwargs.values()), formats=name == "format")
        charge(1 + sum(map(_size, passed)) // _PER_STEP)
        return _made(function(*args, **kwargs))

    return bounded


def _settled(value: Any) -> Any:
    # What comes lazily from one filter is listed before the next one, so that it can be counted.
    return list(cast("Iterator[object]", value)) if isinstance(value, Iterator) else value


def _loop(values: Iterable[object], weight: int) -> list[object]:
    turns = list(values)
    charge(len(turns) * weight)
    return turns


def _made(value: object) -> object:
    length = len(cast("str | list[object]", value)) if isinstance(value, str | list) else 0
    if length:
        charge(length // _PER_STEP)
        if length > MAX_OUTPUT:
            raise TooMuch(f"a text or list is longer than {MAX_OUTPUT:,}")
    return cast("object", value)


_DATA = (str, int, float, list, tuple, dict)


def _size(value: object) -> int:
    """Characters of a text, or of all texts inside a list or table plus its items; 0 for anything else.

    Counted to the bottom, for a list of a few names can hold a gigabyte. The counting is charged too.
    """
    if isinstance(value, str):
        return len(value)
    items = characters = 0
    todo: list[object] = [value] if isinstance(value, list | tuple | dict) else []
    while todo:
        item = todo.pop()
        items += 1
        if isinstance(item, str):
            characters += len(item)
        elif isinstance(item, dict):
            table = cast("dict[object, object]", item)
            todo += [*table.keys(), *table.values()]
        elif isinstance(item, list | tuple):
            todo += cast("list[object]", item)
        if items > _MAX_ITEMS or characters > _MAX_GROWTH:
            raise TooMuch("a list or table is too large")
    charge(items // 20)
    return characters + items


def _printed(value: object) -> object:
    """What ``{{ value }}`` puts into the text."""
    if isinstance(value, str):
        charge(len(value) // _PER_STEP)
        return value
    if value is None or isinstance(value, bool | list | tuple | dict):
        return _to_json(cast("object", value))
    if isinstance(value, int | float | Undefined):
        return value  # an undefined value raises when Jinja makes a text of it
    raise TemplateRuntimeError("a value is printed that is neither text, a number, a list nor a table")


def _to_json(value: object, indent: int | None = None) -> str:
    charge(_size(value) // _PER_STEP)
    # Not Jinja's own tojson: that one escapes < and & for HTML, and a prompt is no HTML.
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_no_json)


def _no_json(value: object) -> object:
    if isinstance(value, Undefined):
        str(value)  # raises, and names the variable
    if isinstance(value, Iterable):
        return list(cast("Iterable[object]", value))
    raise TemplateRuntimeError("a value has no JSON form")

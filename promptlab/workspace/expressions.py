"""Templates and expressions of a chain's steps: what they mention, and what they come to. In the prompts' sandbox.

A template (``inputs``, ``from``, ``query``) gives a text, or the value itself where it is one ``{{ expression }}``
and nothing else. An expression (``when``, ``foreach``) is what would stand between the braces.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, cast

from jinja2 import Template, TemplateSyntaxError, Undefined, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError

from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.sandbox import TooMuch, fresh_budget
from promptlab.workspace.sheet import Expected, plain
from promptlab.workspace.templates import SANDBOX, fill, syntax_fault
from promptlab.workspace.toml import shown
from promptlab.workspace.values import Variables

MAX_ITEMS = 1000
"""Items of a list that an expression may give."""

_RESULT = "result"


class Mention(NamedTuple):
    """A name that a template uses, and the field it asks of it: ``draft.text``, or "" for the name alone."""

    name: str
    field: str


class _Value(NamedTuple):
    template: Template
    mentions: frozenset[Mention]


def template_fault(template: str) -> str:
    """What is wrong with a template before it has seen any value, or ""."""
    fault = syntax_fault(template)
    return fault.message if fault else ""


def expression_fault(expression: str) -> str:
    """What is wrong with an expression before it has seen any value, or ""."""
    if not expression.strip():
        return "The expression is empty."
    if any(mark in expression for mark in ("{{", "}}", "{%", "%}", "{#", "#}")):
        return "Expected an expression without braces, such as `draft.text != ''`."
    try:
        _compiled(expression)
    except TemplateSyntaxError as fault:
        return f"The expression is wrong: {shown(fault.message or 'its syntax', 200).rstrip('.')}."
    except Exception as fault:  # Python's own limits: nesting, digits of a number
        return f"The expression is wrong: {shown(str(fault), 200).rstrip('.')}."
    return ""


def mentions(template: str) -> frozenset[Mention]:
    """What a template that compiles takes from outside."""
    return _mentions(SANDBOX.parse(template))


def mentions_of_expression(expression: str) -> frozenset[Mention]:
    """What an expression that compiles takes from outside."""
    return _compiled(expression).mentions


def value_of(template: str, variables: Variables, where: str) -> object:
    """What a template comes to: the value of its one expression, else its text.

    Raises:
        TemplateFault: Something it uses is missing, or the sandbox refuses it; the sentence begins with ``where``.
    """
    alone = _alone(template)
    if alone is not None:
        return evaluate(alone, variables, where)
    return text_of(template, variables, where)


def text_of(template: str, variables: Variables, where: str) -> str:
    """A template filled. Raises as :func:`value_of`."""
    with _Told(where):
        return fill(template, variables)
    raise AssertionError


def evaluate(expression: str, variables: Variables, where: str) -> object:
    """What an expression comes to: text, a number, true, false, null, a list or a table. Raises as ``value_of``."""
    with _Told(where):
        fresh_budget()
        context = _compiled(expression).template.new_context(variables)
        for _ in _compiled(expression).template.root_render_func(context):
            pass
        return _data(cast("object", context.vars[_RESULT]))
    raise AssertionError


def holds(expression: str, variables: Variables, where: str) -> bool:
    """Whether a condition is met, as Jinja's ``if`` sees it. Raises as :func:`value_of`."""
    return bool(evaluate(expression, variables, where))


class _Told:
    """Makes a TemplateFault of whatever an expression of the user's raises: a small program fails in many ways."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if fault is None or not isinstance(fault, Exception):
            return
        match fault:
            case UndefinedError():
                reason = fault.message or "a value is missing"
            case SecurityError():
                reason = f"this is not allowed: {fault.message}"
            case TooMuch() | TemplateSyntaxError():
                reason = str(fault)
            case Expected():
                reason = f"expected {fault.what}"
            case _:
                reason = f"{type(fault).__name__}: {fault}"
        raise TemplateFault(f"{self._where}: {shown(reason, 300).rstrip('.')}.") from None


def _data(value: object) -> object:
    if isinstance(value, Undefined):
        str(value)  # raises, and names what is missing
    if isinstance(value, Iterator):
        value = list(islice(cast("Iterator[object]", value), MAX_ITEMS + 1))
    if isinstance(value, list | tuple):
        value = list(cast("list[object]", value))
        if len(value) > MAX_ITEMS:
            raise TooMuch(f"a list has more than {MAX_ITEMS:,} items")
    return plain(value)


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> _Value:
    fresh_budget()
    tree = SANDBOX.parse("{% set " + _RESULT + " = (" + expression + "\n) %}")
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Assign):
        raise TemplateSyntaxError("it is more than one expression", 1)
    found = _mentions(tree)
    return _Value(SANDBOX.compile_bounded(tree, len(expression)), found)


@lru_cache(maxsize=1024)
def _alone(template: str) -> str | None:
    """The expression that a template is nothing but, or None."""
    text = template.strip()
    if not (text.startswith("{{") and text.endswith("}}")) or "{{" in text[2:] or "}}" in text[:-2]:
        return None
    expression = text[2:-2].strip("-+ \n\t")
    return expression if not expression_fault(expression) else None


def _mentions(tree: nodes.Template) -> frozenset[Mention]:
    free = frozenset(meta.find_undeclared_variables(tree)) - SANDBOX.globals.keys()
    found: set[Mention] = set()
    fielded: set[int] = set()
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        inner = cast("nodes.Node", node.node)
        if isinstance(inner, nodes.Name) and inner.name in free:
            field = _field(node)
            if field:
                fielded.add(id(inner))
                found.add(Mention(inner.name, field))
    for name in tree.find_all(nodes.Name):
        if name.name in free and id(name) not in fielded:
            found.add(Mention(name.name, ""))
    return frozenset(found)


def _field(node: nodes.Getattr | nodes.Getitem) -> str:
    if isinstance(node, nodes.Getattr):
        return node.attr
    key = node.arg
    return key.value if isinstance(key, nodes.Const) and isinstance(key.value, str) else ""

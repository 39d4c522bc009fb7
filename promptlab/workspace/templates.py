"""Filling a prompt's templates with an example's variables, in a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from jinja2 import Template, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError

from promptlab.errors import Problem
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.sandbox import MAX_OUTPUT, Sandbox, TooMuch, fresh_budget
from promptlab.workspace.toml import nearest, shown
from promptlab.workspace.values import EvalSet, Message, Prompt, Rendered, Variables

SANDBOX = Sandbox()
_LOADING: dict[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
}
_IDS_SHOWN = 5


class _Part(NamedTuple):
    """A stretch of a template that does nothing but text and variables: the text, or a variable's name."""

    text: str
    is_name: bool


class _Compiled(NamedTuple):
    template: Template
    variables: frozenset[str]
    parts: tuple[_Part, ...] | None
    """Of a template that is nothing but texts and variables, as most are; else None."""


class SyntaxFault(NamedTuple):
    """What is wrong with a template, and on which of its lines, counted from 1."""

    line: int
    message: str


def syntax_fault(template: str) -> SyntaxFault | None:
    """What is wrong with a template before it has seen any variable, or None."""
    try:
        _compile(template)
    except TemplateSyntaxError as fault:
        reason = shown(fault.message or "the syntax is wrong", 200).rstrip(".")
        return SyntaxFault(fault.lineno, f"The template is wrong: {reason}.")
    except RecursionError:
        return SyntaxFault(1, "The template is nested too deeply.")
    except Exception as fault:
        # Jinja hands on what it has not foreseen: Python's own limits on nested loops, or on the digits of a number.
        return SyntaxFault(1, f"The template is wrong: {shown(str(fault), 200)}.")
    return None


def render(prompt: Prompt, variables: Variables) -> Rendered:
    """Fill every message of a prompt; of a chain none, once its inputs are all there.

    A text goes in as it is, a number as its digits; lists, tables, true, false and null go in as JSON. Variables
    are data: a ``{{ … }}`` inside one is text.

    Raises:
        TemplateFault: A variable is missing, the template did something that the sandbox refuses, or its output is
            longer than a million characters. The sentence names the prompt, the message and the variable.
    """
    filled: list[Message] = []
    for name in prompt.inputs:
        if name not in variables:
            hint = _nearest_hint(name, variables)
            raise TemplateFault(f"{prompt.source}: inputs: the variable `{shown(name)}` is missing. {hint}", name)
    for index, message in enumerate(prompt.messages):
        try:
            filled.append(Message(message.role, fill(message.content, variables)))
        except UndefinedError as fault:
            raise _missing(prompt, index, variables, fault) from None
        except TemplateSyntaxError as fault:
            raise _fault(prompt, index, f"the template is wrong: {fault.message}") from None
        except SecurityError as fault:
            raise _fault(prompt, index, f"the template may not do this: {fault.message}") from None
        except TooMuch as fault:
            raise _fault(prompt, index, str(fault)) from None
        except Exception as fault:
            # A template is a small program of the user's: whatever it raises (a division by zero, a list index)
            # is its own fault, and not a crash of ours.
            raise _fault(prompt, index, f"{type(fault).__name__}: {fault}") from None
    return Rendered(tuple(filled))


def variables_of(prompt: Prompt) -> frozenset[str]:
    """The names of all variables that a prompt's templates mention, optional ones included."""
    return frozenset(prompt.inputs).union(*(_compile(message.content).variables for message in prompt.messages))


def missing_variables(prompt: Prompt, evalset: EvalSet) -> list[Problem]:
    """The variables that a prompt needs and examples of an eval set lack: one problem for each variable."""
    names = variables_of(prompt)
    lacking: dict[str, list[int]] = {}
    for index, example in enumerate(evalset.examples):
        if names <= example.vars.keys():
            continue
        try:
            render(prompt, example.vars)  # a variable under `default` or `is defined` may be absent
        except TemplateFault as fault:
            if fault.variable:
                lacking.setdefault(fault.variable, []).append(index)
    total = len(evalset.examples)
    problems: list[Problem] = []
    for name, indexes in lacking.items():
        ids = [f"`{shown(evalset.examples[index].id)}`" for index in indexes[:_IDS_SHOWN]]
        more = ", …" if len(indexes) > _IDS_SHOWN else ""
        message = (
            f"The variable `{name}` of prompt `{prompt.name}` is missing in {len(indexes)} of {total} examples: "
            f"{', '.join(ids)}{more}."
        )
        hint = _nearest_hint(name, evalset.examples[indexes[0]].vars)
        problems.append(Problem(message, evalset.source, 0, f"examples[{indexes[0]}].vars", hint))
    return problems


def fill(template: str, variables: Variables) -> str:
    """One template filled. Raises whatever it raises, ``TooMuch`` where it makes too long a text."""
    compiled = _compile(template)
    text = _joined(compiled.parts, variables) if compiled.parts is not None else None
    if text is not None:
        return text
    chunks: list[str] = []
    size = 0
    fresh_budget()
    for chunk in compiled.template.generate(variables):
        size += len(chunk)
        if size > MAX_OUTPUT:
            raise TooMuch(f"the text is longer than {MAX_OUTPUT:,} characters")
        chunks.append(chunk)
    return "".join(chunks)


def _joined(parts: tuple[_Part, ...], variables: Variables) -> str | None:
    """What Jinja would give, in a tenth of the time; None where that is not for certain, or too long."""
    chunks: list[str] = []
    size = 0
    for part in parts:
        chunk = variables.get(part.text) if part.is_name else part.text
        if type(chunk) is not str:
            return None
        size += len(chunk)
        if size > MAX_OUTPUT:
            return None
        chunks.append(chunk)
    return "".join(chunks)


def _parts(tree: nodes.Template) -> tuple[_Part, ...] | None:
    found: list[_Part] = []
    for node in tree.body:
        for one in node.nodes if isinstance(node, nodes.Output) else (node,):
            match one:
                case nodes.TemplateData():
                    found.append(_Part(one.data, is_name=False))
                case nodes.Name() if one.name != "self":  # the template itself, whatever the variables are
                    found.append(_Part(one.name, is_name=True))
                case _:
                    return None
    return tuple(found)


@lru_cache(maxsize=1024)
def _compile(source: str) -> _Compiled:
    fresh_budget()  # Jinja evaluates constant expressions while compiling
    tree = SANDBOX.parse(source)
    for node in tree.find_all(tuple(_LOADING)):
        raise TemplateSyntaxError(f"`{_LOADING[type(node)]}` is not available: a prompt is one file", node.lineno)
    names, parts = meta.find_undeclared_variables(tree), _parts(tree)
    return _Compiled(SANDBOX.compile_bounded(tree, len(source)), frozenset(names) - SANDBOX.globals.keys(), parts)


def _missing(prompt: Prompt, index: int, variables: Variables, fault: UndefinedError) -> TemplateFault:
    for name in sorted(_compile(prompt.messages[index].content).variables - variables.keys()):
        if fault.message == f"{name!r} is undefined":
            hint = _nearest_hint(name, variables)
            return _fault(prompt, index, f"the variable `{shown(name)}` is missing", hint, name)
    return _fault(prompt, index, fault.message or "a value is missing")


def _nearest_hint(name: str, variables: Mapping[str, object]) -> str:
    if not variables:
        return "The example has no variables."
    first = nearest(name, variables)
    others = [other for other in variables if other != first]
    listed = ([first] if first is not None else []) + others
    return f"The example has {', '.join(f'`{shown(other)}`' for other in listed)}."


def _fault(prompt: Prompt, index: int, reason: str, hint: str = "", variable: str = "") -> TemplateFault:
    sentence = f"{prompt.source}: messages[{index}].content: {shown(reason, 300).rstrip('.')}."
    return TemplateFault(f"{sentence} {hint}" if hint else sentence, variable)

"""The expressions of chains: what they come to, and that they reach nothing of Python, files or the network."""

from __future__ import annotations

import pytest

from promptlab.workspace.expressions import evaluate, expression_fault, holds, mentions, text_of, value_of
from promptlab.workspace.faults import TemplateFault

SCOPE: dict[str, object] = {
    "ticket": "Where is #1234?",
    "route": {"text": "shipping", "skipped": False},
    "found": {"passages": [{"text": "one", "source": "a.md"}, {"text": "two", "source": "b.md"}]},
    "number": 3,
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("route.text == 'shipping' and number > 2", True),
        ("ticket | length > 100", False),
        ("found.passages | map(attribute='source') | list", ["a.md", "b.md"]),
        ("found.passages | map(attribute='source')", ["a.md", "b.md"]),
        ("missing | default('x')", "x"),
        ("route['text']", "shipping"),
        ("{'a': number}", {"a": 3}),
        ("not route.skipped", True),
    ],
)
def test_what_expressions_come_to(expression: str, value: object) -> None:
    assert expression_fault(expression) == ""
    assert evaluate(expression, SCOPE, "here") == value
    assert holds(expression, SCOPE, "here") == bool(value)


def test_a_template_of_one_expression_gives_its_value() -> None:
    assert value_of("{{ found.passages }}", SCOPE, "here") == SCOPE["found"]["passages"]  # type: ignore[index]
    assert value_of("{{ number }} of {{ number }}", SCOPE, "here") == "3 of 3"
    assert value_of("Ticket: {{ ticket }}", SCOPE, "here") == "Ticket: Where is #1234?"
    assert {(m.name, m.field) for m in mentions("{{ route.text }} {{ ticket }}")} == {
        ("route", "text"),
        ("ticket", ""),
    }


def test_a_template_in_a_value_is_text() -> None:
    assert value_of("{{ ticket }}", {"ticket": "{{ number }}"}, "here") == "{{ number }}"


@pytest.mark.parametrize("expression", ["", "a b", "1 +", "{{ a }}", "a %}{% set b = 1", "1)\n%}{{ x }}"])
def test_what_is_no_expression_is_refused_before_it_runs(expression: str) -> None:
    assert expression_fault(expression)


def test_a_missing_value_is_a_sentence() -> None:
    with pytest.raises(TemplateFault, match=r"^steps: when: 'nothing' is undefined\.$"):
        evaluate("nothing", SCOPE, "steps: when")
    with pytest.raises(TemplateFault, match="has no attribute 'txt'"):
        evaluate("route.txt", SCOPE, "here")


ESCAPES = (
    "''.__class__",
    "''.__class__.__mro__[1].__subclasses__()",
    "().__class__.__bases__[0].__subclasses__()",
    "[].__class__.__base__",
    "{}.__class__.__init__.__globals__",
    "route.__class__",
    "route.__init__.__globals__['os'].system('id')",
    "route.text.__class__.__mro__",
    "route.text['__class__']",
    "route.text|attr('__class__')",
    "route.text|attr('__cla' ~ 'ss__')",
    "(route|attr('__class__'))|attr('__mro__')",
    "route.get.__self__",
    "route.get.__globals__",
    "route.update({'text': 'x'})",
    "route.pop('text')",
    "found.passages.append(1)",
    "found.passages.clear()",
    "self.__init__.__globals__",
    "self._TemplateReference__context",
    "namespace.__init__.__globals__",
    "range.__class__",
    "dict.__base__",
    "dict.mro()",
    "lipsum.__globals__['os'].popen('id').read()",
    "cycler.__init__.__globals__.os",
    "joiner.__init__.__globals__",
    "config",
    "request.application.__globals__",
    "__import__('os')",
    "open('/etc/passwd').read()",
    "eval('1')",
    "exec('1')",
    "import os",
    "os.system('id')",
    "subprocess.run('id')",
    "socket.socket()",
    "urllib.request.urlopen('http://127.0.0.1')",
    "'{x.__class__}'.format(x=ticket)",
    "'{0.__class__}'.format(ticket)",
    "'{0.__class__}'|format(ticket)|attr('__class__')",
    "'{x.__class__}'.format_map({'x': ticket})",
    "ticket.encode('utf-16').decode()",
    "found.passages|map(attribute='__class__')|list",
    "found.passages|map('attr', '__class__')|list",
    "found.passages|groupby('__class__')|list",
    "found.passages|sum(attribute='__class__')",
    "found.passages|selectattr('__class__')|map(attribute='__class__')|list",
    "[].append.__self__.__class__",
    "(1).__class__",
    "1.0.as_integer_ratio.__self__.__class__",
    "(1).to_bytes(10 ** 9, 'big')",
    "range(10 ** 9)|list",
    "'x' * 10 ** 10",
    "10 ** 10000",
    "'a'.ljust(10 ** 10)",
    "range(10000)|map('string')|map('center', 10000)|list|string",
    "caller()",
    "loop.__class__",
    "varargs",
    "undefined_name.__class__.__init__",
    "{% include '/etc/passwd' %}",
    "x()",
    "ticket()",
)  # fmt: skip


@pytest.mark.parametrize("expression", ESCAPES)
def test_no_expression_leaves_the_sandbox(expression: str) -> None:
    if expression_fault(expression):
        return  # refused when the file is read
    with pytest.raises(TemplateFault):
        evaluate(expression, SCOPE, "here")


TEMPLATES = (
    *(f"{{{{ {expression} }}}}" for expression in ESCAPES if "{%" not in expression),
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import system %}",
    "{% extends 'x' %}",
    "{% for c in ''.__class__.__mro__ %}{{ c }}{% endfor %}",
    "{% set x = ''.__class__ %}{{ x }}",
    "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m.__globals__ }}{% endmacro %}{{ m() }}",
    "{% set ns = namespace() %}{{ ns.__class__ }}",
    "{% call(x) route.get('text') %}{% endcall %}",
)


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_template_leaves_the_sandbox(template: str) -> None:
    with pytest.raises(TemplateFault):
        text_of(template, SCOPE, "here")

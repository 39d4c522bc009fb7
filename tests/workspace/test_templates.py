"""Templates: what they print, what they refuse, and how they fail."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from promptlab.errors import Problem
from promptlab.workspace.sandbox import MAX_OUTPUT
from promptlab.workspace.templates import (
    SANDBOX,
    TemplateFault,
    missing_variables,
    render,
    syntax_fault,
    variables_of,
)
from promptlab.workspace.values import EvalSet, Example, Message, Prompt

TEXT = st.text(st.characters(exclude_characters="{}#%", exclude_categories=["Cs"]), max_size=8)
VALUE = st.one_of(st.text(max_size=8), st.integers(), st.sampled_from(["{{ a }}", "\r\n", "<b>"]))


def prompt(*templates: str) -> Prompt:
    return Prompt("p", "0" * 12, "prompts/p.toml", tuple(Message("user", template) for template in templates))


def filled(template: str, **variables: object) -> str:
    return render(prompt(template), variables).messages[0].content


def refusal(template: str, **variables: object) -> str:
    with pytest.raises(TemplateFault) as caught:
        render(prompt(template), variables)
    return str(caught.value)


@pytest.mark.parametrize(
    ("template", "variables", "text"),
    [
        ("{{ a }}", {"a": "<b> & 'c' {{ d }}"}, "<b> & 'c' {{ d }}"),
        ("{{ a }}\n", {"a": "x\n"}, "x\n\n"),
        ("{{ a }} {{ b }}", {"a": 3, "b": 2.5}, "3 2.5"),
        ("{{ a }}", {"a": [1, {"k": "ü"}, None, True]}, '[1, {"k": "ü"}, null, true]'),
        ("{{ a }}/{{ b }}", {"a": True, "b": None}, "true/null"),
        ("{{ a | tojson(2) }}", {"a": {"k": "<"}}, '{\n  "k": "<"\n}'),
        ("{{ a | map('upper') | tojson }}", {"a": ["x"]}, '["X"]'),
        (
            "{% for x in a %}{{ loop.index }}/{{ loop.length }} {{ x }};{% endfor %}",
            {"a": ["p", "q"]},
            "1/2 p;2/2 q;",
        ),
        ("{% for k in a %}{{ k }}{% else %}none{% endfor %}", {"a": {}}, "none"),
        ("{{ a.b.c }}{{ a['b'].c }}", {"a": {"b": {"c": 1}}}, "11"),
        ("{{ a.items }}", {"a": {"items": [1]}}, None),
        ("{{ a['items'] }}", {"a": {"items": [1]}}, "[1]"),
        ("{{ a | default('-') }}{% if b is defined %}b{% endif %}", {}, "-"),
        ("{% set x = a ~ '!' ~ b %}{{ x }}", {"a": "1", "b": 2}, "1!2"),
        ("{% set x %}<{{ a }}>{% endset %}{{ x }}", {"a": 1}, "<1>"),
        ("{% set x | upper %}{{ a }}{% endset %}{{ x }}", {"a": "q"}, "Q"),
        ("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(a) }}", {"a": 1}, "[1]"),
        ("{{ '%.2f' | format(a) }} {{ '%03d' % 7 }}", {"a": 1.005}, "1.00 007"),
        ("{{ 2 + 3 * 4 ** 2 % 7 }} {{ 'ab' * 2 }} {{ 'a' + 'b' }}", {}, "8 abab ab"),
        ("{{ a.replace('x', 'yy') }}{{ ','.join(b) }}", {"a": "x", "b": ["1", "2"]}, "yy1,2"),
        ("{% for r in t recursive %}{{ r.n }}{{ loop(r.c) }}{% endfor %}", {"t": [{"n": 1, "c": []}]}, "1"),
        ("{{ [range(2)] | tojson }}", {}, "[[0, 1]]"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}", {}, "012"),
        ("{{ range }}", {"range": "mine"}, "mine"),
    ],
)
def test_what_a_template_prints(template: str, variables: dict[str, object], text: str | None) -> None:
    if text is None:
        assert "neither text, a number, a list nor a table" in refusal(template, **variables)
    else:
        assert filled(template, **variables) == text


@given(st.lists(st.tuples(st.booleans(), TEXT), max_size=6), st.dictionaries(st.sampled_from("abc"), VALUE))
def test_texts_and_variables_alone_are_filled_as_jinja_does(
    parts: list[tuple[bool, str]], variables: dict[str, str | int]
) -> None:
    """Which takes ten times as long, and is the one that is asked where a variable is missing or is no text."""
    template = "".join(f"{{{{ {'abc'[len(text) % 3]} }}}}" if is_name else text for is_name, text in parts)
    try:
        expected = SANDBOX.from_string(template).render(variables)
    except UndefinedError:
        assert "is missing" in refusal(template, **variables)
    else:
        assert filled(template, **variables) == expected


@pytest.mark.parametrize("value", ["text", 1])
def test_the_name_that_jinja_keeps_for_the_template_itself_is_no_variable(value: object) -> None:
    assert "neither text, a number, a list nor a table" in refusal("{{ self }}", self=value)


def test_a_joined_text_is_no_longer_than_any_other_and_never_made() -> None:
    many, long = "{{ a }}" * 100, "x" * (MAX_OUTPUT // 2 + 1)
    assert syntax_fault(many) is None
    tracemalloc.start()
    told = refusal(many, a=long)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "longer than" in told
    assert most < 5 * MAX_OUTPUT


def test_variables_of_names_what_the_templates_mention() -> None:
    assert variables_of(prompt("{{ a }}{% for i in range(b) %}{{ i }}{% endfor %}", "{{ c | default(1) }}")) == {
        "a",
        "b",
        "c",
    }
    assert variables_of(prompt("plain")) == frozenset()


def test_a_missing_variable_is_named_with_what_the_example_has() -> None:
    with pytest.raises(TemplateFault) as caught:
        render(prompt("fine", "{{ ticket }}"), {"zebra": 1, "tickets": "x"})
    assert caught.value.variable == "ticket"
    assert str(caught.value) == (
        "prompts/p.toml: messages[1].content: the variable `ticket` is missing. The example has `tickets`, `zebra`."
    )
    assert refusal("{{ a }}").endswith("the variable `a` is missing. The example has no variables.")
    assert refusal("{{ a.b }}", a={}).endswith("messages[0].content: 'dict object' has no attribute 'b'.")
    assert refusal("{{ [a] | tojson }}").startswith(
        "prompts/p.toml: messages[0].content: the variable `a` is missing"
    )


def test_missing_variables_over_an_eval_set() -> None:
    examples = tuple(Example(f"e{i}", {"text": "x"} if i % 2 else {"txt": "x"}) for i in range(14))
    evalset = EvalSet("s", "0" * 12, "evalsets/s.toml", ("evalsets/s.toml",), examples)
    assert missing_variables(prompt("{{ text }}{{ tone | default('calm') }}"), evalset) == [
        Problem(
            "The variable `text` of prompt `p` is missing in 7 of 14 examples: `e0`, `e2`, `e4`, `e6`, `e8`, ….",
            "evalsets/s.toml",
            0,
            "examples[0].vars",
            "The example has `txt`.",
        )
    ]
    assert missing_variables(prompt("{{ tone | default('calm') }}"), evalset) == []


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ ''|attr('__cla' ~ 'ss__') }}",
    "{{ a|map(attribute='__class__')|list }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ range.__globals__ }}",
    "{{ range.__init__ }}",
    "{{ dict.mro() }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ (1).__class__.__base__ }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{x.__class__}'.format_map({'x': 1}) }}",
    "{{ ('{0.__class__}' | attr('format'))(1) }}",
    "{{ ''.format }}",
    "{{ lipsum.__globals__ }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner }}",
    "{{ a.append(1) }}",
    "{{ a.clear() }}",
    "{{ a.pop() }}",
    "{{ b.update(x=1) }}",
    "{{ b.setdefault('x', 1) }}",
    "{{ config }}",
    "{{ request.application }}",
    "{{ loop.__init__ }}",
    "{% macro m() %}{% endmacro %}{{ m.__func__ }}",
    "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "{% for x in a %}{{ loop._iterable }}{% endfor %}",
    "{% for x in a %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{{ [namespace()] | tojson }}",
    "{{ [a.append] }}",
    "{{ a | random }}",
    "{{ a | pprint }}",
    "{{ caller() }}",
    "{{ varargs }}",
    "{% set a.x = 1 %}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{% import '/etc/passwd' as x %}",
    "{% from '/etc/passwd' import x %}",
    "{{ b.items }}",
    "{{ range }}",
    "{{ (x for x in a) }}",
    "{% do a.append(1) %}",
]


@pytest.mark.parametrize("template", ESCAPES)
def test_no_template_reaches_python_or_a_file(template: str) -> None:
    a, b = ["1"], {"k": "v"}
    assert refusal(template, a=a, b=b).startswith("prompts/p.toml: messages[0].content: ")
    assert (a, b) == (["1"], {"k": "v"})


BOMBS = [
    "{% for i in range(100000000) %}x{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in s %}{% for b in s %}{% for c in s %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in range(90000) %}0123456789012345{% endfor %}",
    "{{ 'x' * 10**9 }}",
    "{{ 10**9 * 'x' }}",
    "{{ [1] * 10**9 }}",
    "{{ 9 ** (9 ** 9) }}",
    "{{ 10**1000 * 10**1000 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ '%*d' | format(1000000000, 1) }}",
    "{{ 'x' | center(1000000000) }}",
    "{{ 'x'.center(1000000000) }}",
    "{{ 'x'.zfill(1000000000) }}",
    "{{ 'x'.ljust(width=1000000000) }}",
    "{{ 'a\\nb' | indent(1000000000) }}",
    "{{ [1] | batch(1000000000, 0) | list }}",
    "{{ [1] | slice(1000000000) | list }}",
    "{{ [1] | tojson(1000000000) }}",
    "{{ s | replace('x', s) | replace('x', s) | replace('x', s) }}",
    "{{ s.replace('x', s).replace('x', s).replace('x', s) }}",
    "{{ s | list | join(s) | list | join(s) }}",
    "{{ s.join(s).join(s).join(s) }}",
    "{% set n = namespace(x='xx') %}{% for i in range(64) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{% set n = namespace(x='xx') %}{% for i in range(64) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% set n = namespace(x='xx') %}{% for i in range(64) %}{% set b %}{{ n.x }}{{ n.x }}{% endset %}"
    "{% set n.x = b %}{% endfor %}",
    "{% set n = namespace(x=[1]) %}{% for i in range(64) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{% macro f(x) %}{{ x }}{{ x }}{% endmacro %}{% set n = namespace(x='xx') %}"
    "{% for i in range(64) %}{% set n.x = f(n.x) %}{% endfor %}",
    "{% for x in [[1]] recursive %}{{ loop([x, x]) }}{% endfor %}",
    "{% set n = namespace(x=[1]) %}{% for i in range(64) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
    "{% set n = namespace(x=[1]) %}{% for i in range(64) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x ~ '' }}",
    "{% set n = namespace(x={}) %}{% for i in range(64) %}{% set n.x = {'a': n.x, 'b': n.x} %}{% endfor %}"
    "{{ n.x | string }}",
    "{{ 'x'.encode().ljust(1000000000) }}",
    "{{ (1).to_bytes(1000000000, 'big') }}",
    "{{ 'x' | promptlab_loop }}",
    "{{ ([big] * 9000) | join }}",
    "{{ ''.join([big] * 9000) }}",
    "{{ ([{'b': big}] * 9000) | map(attribute='b') | join }}",
    "{{ '%s' % ([big] * 9000) }}",
    "{{ [1] * 10000000 }}",
    "{{ big }}{{ big }}",
]


@pytest.mark.parametrize("template", BOMBS)
def test_a_runaway_template_is_stopped(template: str) -> None:
    start = time.process_time()
    refusal(template, s="x" * 1000, big="x" * (MAX_OUTPUT - 1))
    assert time.process_time() - start < 20  # nothing here takes half a second


def test_what_a_template_raises_is_its_own_fault() -> None:
    assert refusal("{{ 1 / 0 }}").endswith("messages[0].content: ZeroDivisionError: division by zero.")
    assert refusal("{{ a() }}", a="x").endswith("TypeError: 'str' object is not callable.")
    assert "\x1b" not in refusal("{{ a[b] }}", a={}, b="\x1b[31m")


def test_a_syntax_fault_has_the_line_of_the_template() -> None:
    fault = syntax_fault("a\nb\n{% if %}")
    assert fault is not None
    assert fault.line == 3
    assert syntax_fault("{{ a }}") is None
    deep = syntax_fault("{{ " + "(" * 20_000 + ")" * 20_000 + " }}")
    assert deep is not None
    assert deep.message == "The template is nested too deeply."


def test_what_python_cannot_compile_is_a_syntax_fault() -> None:
    loops = "".join("{% for x in a %}" for _ in range(30)) + "{% endfor %}" * 30
    for template in (loops, "{{ " + "1" * 5000 + " }}"):
        fault = syntax_fault(template)
        assert fault is not None
        assert fault.message.startswith("The template is wrong: ")


def test_a_large_output_within_the_limit_is_fine() -> None:
    assert len(filled("{{ big }}", big="x" * MAX_OUTPUT)) == MAX_OUTPUT


def test_ordinary_work_on_a_long_document_is_within_the_budget() -> None:
    document = "One line of a document.\n" * 20_000
    template = (
        "{% for line in doc.split('\n') %}{{ line | trim | replace('a', 'an') }};{% endfor %}{{ doc | length }}"
    )
    assert filled(template, doc=document).endswith(f";{len(document)}")

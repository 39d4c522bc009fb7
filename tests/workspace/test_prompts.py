"""Prompt files: what is accepted, and the sentence for everything that is not."""

from __future__ import annotations

import pytest

from promptlab.errors import InvalidFile
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.values import Judge, Message, Output, Params

TRIAGE = '''\
description = "Route a support ticket"
owner = "support"
labels = ["tickets"]
notes = "Second attempt."
id = "4f2a"
[params]
temperature = 1
max_tokens = 16
stop = ["\\n"]
[output]
choices = ["billing", "shipping"]
[[messages]]
role = "system"
content = """You route support tickets."""
[[messages]]
role = "user"
content = """
{{ ticket }}"""
'''
MESSAGE = '[[messages]]\nrole = "user"\ncontent = "{{ text }}"\n'


def problems_of(text: str) -> list[str]:
    with pytest.raises(InvalidFile) as caught:
        parse_prompt(text.encode(), "triage", "prompts/triage.toml")
    return [str(problem) for problem in caught.value.problems]


def test_a_prompt_is_read_as_it_stands() -> None:
    prompt = parse_prompt(TRIAGE.encode(), "triage", "prompts/triage.toml")
    assert prompt.name == "triage"
    assert prompt.source == "prompts/triage.toml"
    assert prompt.id == "4f2a"
    assert prompt.description == "Route a support ticket"
    assert prompt.messages == (Message("system", "You route support tickets."), Message("user", "{{ ticket }}"))
    assert prompt.params == Params(temperature=1.0, max_tokens=16, stop=("\n",))
    assert prompt.output == Output(choices=("billing", "shipping"))
    assert prompt.judge is None
    assert len(prompt.content) == 12


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        ('kind = "grade"\nscale = [1, 5]\ncriterion = "It answers."', Judge(scale=(1, 5), criterion="It answers.")),
        ("choices = { yes = 1, no = 0.0 }", Judge(choices={"yes": 1.0, "no": 0.0})),
    ],
)
def test_a_judge_is_a_prompt_with_a_judge_table(judge: str, expected: Judge) -> None:
    assert parse_prompt(f"[judge]\n{judge}\n{MESSAGE}".encode(), "j", "prompts/j.toml").judge == expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ('regex = "A-[0-9]+"\nenforce = false', Output(regex="A-[0-9]+", enforce=False)),
        ('json_schema = { type = "object" }', Output(json_schema={"type": "object"})),
    ],
)
def test_output_contracts(output: str, expected: Output) -> None:
    assert parse_prompt(f"[output]\n{output}\n{MESSAGE}".encode(), "p", "prompts/p.toml").output == expected


def test_all_problems_of_a_file_come_at_once_in_the_order_of_the_file() -> None:
    found = problems_of(
        """descripton = "x"
[params]
temperatur = 1
max_tokens = "many"
seed = -1
[[messages]]
role = "usr"
content = '''
a
{{ x '''
[[messages]]
role = "user"
"""
    )
    assert found == [
        "prompts/triage.toml:1: descripton: Unknown key `descripton`. Did you mean `description`?",
        "prompts/triage.toml:3: params.temperatur: Unknown key `temperatur`. Did you mean `temperature`?",
        "prompts/triage.toml:4: params.max_tokens: Expected a whole number of at least 1, got text.",
        "prompts/triage.toml:5: params.seed: Expected a whole number from 0 to 2147483647, got -1.",
        'prompts/triage.toml:7: messages[0].role: Expected "system" or "user" or "assistant", got "usr". '
        "Did you mean `user`?",
        "prompts/triage.toml:10: messages[0].content: The template is wrong: unexpected end of template, expected "
        "'end of print statement'. Correct the template.",
        "prompts/triage.toml:11: messages[1]: The key `content` is missing. Add it.",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The key `messages` is missing. Add it."),
        ("messages = []", "Expected at least one `[[messages]]` table, got an empty list."),
        ("messages = 3", "Expected at least one `[[messages]]` table, got 3."),
        ("messages = [3]", "messages[0]: Expected a table, got 3."),
        ('inputs = ["a"]\n[[steps]]\nname = "a"', "steps[0]: A step has exactly one operation, and this one has 0."),
        ("params = 1\n" + MESSAGE, "params: Expected a table, got 1."),
        ("params.temperature = nan\n" + MESSAGE, "Expected a number from 0 to 100, got nan."),
        ("params.temperature = true\n" + MESSAGE, "Expected a number from 0 to 100, got true."),
        ("params.temperature = 1979-05-27\n" + MESSAGE, "Expected a number from 0 to 100, got a date."),
        ("params.repeat_penalty = 0\n" + MESSAGE, "Expected a number above 0, got 0."),
        (f"params.top_k = {10**30}\n" + MESSAGE, "Expected a whole number of at least 0, got a huge number."),
        ("params.stop = 'x'\n" + MESSAGE, "Expected a list of texts, got text."),
        ("params.stop = ['']\n" + MESSAGE, "Expected a list of texts that are not empty, got an empty text in it."),
        ("id = ' '\n" + MESSAGE, "id: Expected a text that is not empty, got text."),
        ("description = []\n" + MESSAGE, "description: Expected text in quotes, got an empty list."),
        ("[output]\n" + MESSAGE, "output: `[output]` needs exactly one of `choices`, `json_schema` and `regex`."),
        ("[output]\nchoices = []\n" + MESSAGE, "output.choices: Expected at least one choice, got an empty list."),
        ("[output]\nchoices = ['a', 'a']\n" + MESSAGE, "Expected choices that all differ, got one of them twice."),
        ("[output]\nregex = '('\n" + MESSAGE, "output.regex: Expected a regular expression, got one that is wrong: "),
        ("[output]\nregex = 'a'\nenforce = 1\n" + MESSAGE, "output.enforce: Expected true or false, got 1."),
        ("[output]\njson_schema = 'x'\n" + MESSAGE, "output.json_schema: Expected a table, got text."),
        (
            "[output]\njson_schema = { properties = { a = { type = 'txt' } } }\n" + MESSAGE,
            "Expected a JSON schema, got one that is wrong at properties.a.type.",
        ),
        ("[output]\njson_schema = { const = nan }\n" + MESSAGE, "Expected a finite number, got nan."),
        (
            "[judge]\n" + MESSAGE,
            "judge: `[judge]` needs exactly one of `scale` and `choices`. Write `scale = [1, 5]`",
        ),
        (
            "[judge]\nscale = [1, 5]\nclaims_of = 'both'\n" + MESSAGE,
            'judge.claims_of: Only a judge of kind "claims" has `claims_of`. Remove it.',
        ),
        (
            "[judge]\nkind = 'claims'\nscale = [1, 5]\nturned = true\n" + MESSAGE,
            'judge.turned: Only a judge of kind "grade" can be `turned`. Remove it.',
        ),
        (
            "[judge]\nkind = 'pairwise'\nquote = true\n" + MESSAGE,
            "judge.quote: A pairwise judge has no answer of its own to quote from. Remove it.",
        ),
        (
            "[judge]\nscale = [1, 5]\nquote = true\nexpected = true\n" + MESSAGE,
            "judge.expected: A judge that quotes first has no probabilities of grades: `quote` and `expected`",
        ),
        ("[judge]\nscale = [5, 1]\n" + MESSAGE, "judge.scale: Expected two whole numbers, the lower one first"),
        ("[judge]\nscale = [false, true]\n" + MESSAGE, "judge.scale: Expected two whole numbers"),
        ("[judge]\nkind = 'pairwise'\nscale = [1, 5]\n" + MESSAGE, "judge.scale: A pairwise judge has no `scale`"),
        (
            "[judge]\nkind = 'grad'\nscale = [1, 5]\n" + MESSAGE,
            'Expected "grade" or "pairwise" or "claims", got "grad". Did',
        ),
        ("[judge]\nchoices = ['yes']\n" + MESSAGE, "judge.choices: Expected a table of at least two answers"),
        ("[judge]\nchoices = { yes = 'x', no = 0 }\n" + MESSAGE, "{ yes = 1.0, no = 0.0 }, got text for `yes`."),
        ("[judge]\nchoices = { yes = 1 }\n" + MESSAGE, "{ yes = 1.0, no = 0.0 }, got 1."),
        ("[judge]\nchoices = { yes = inf, no = 0 }\n" + MESSAGE, "judge.choices: Expected a finite number, got inf."),
        ("[judge]\nscale = [1, 5]\n[output]\nregex = 'a'\n" + MESSAGE, "output: A judge has no `[output]`"),
    ],
)
def test_one_problem_one_sentence(text: str, sentence: str) -> None:
    found = problems_of(text)
    assert len(found) == 1
    assert sentence in found[0]


def test_a_template_fault_has_its_line_also_with_crlf_and_escapes() -> None:
    crlf = '[[messages]]\r\nrole = "user"\r\ncontent = """\r\na\r\n{% if %}"""\r\n'
    assert problems_of(crlf)[0].startswith("prompts/triage.toml:5: messages[0].content: The template is wrong")
    one_line = '[[messages]]\nrole = "user"\ncontent = "a\\n\\n{% if %}"\n# end\n'
    assert problems_of(one_line)[0].startswith("prompts/triage.toml:3: messages[0].content: The template is wrong")


@pytest.mark.parametrize("tag", ["{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}"])
def test_a_prompt_loads_no_other_file(tag: str) -> None:
    found = problems_of(f'[[messages]]\nrole = "user"\ncontent = "{tag}"\n')
    assert f"`{tag[3:].split()[0]}` is not available: a prompt is one file." in found[0]


def test_an_unknown_filter_is_found_at_load_time() -> None:
    assert "The template is wrong: No filter named 'uper'." in problems_of(MESSAGE.replace("text", "text | uper"))[0]


def test_control_characters_of_a_key_do_not_reach_the_message() -> None:
    found = problems_of('"\\u001b[31m" = 1\n' + MESSAGE)
    assert "\x1b" not in found[0]
    assert "Unknown key `\\x1b[31m`." in found[0]

"""Chain files: what they are read as, what is wrong with them before anything runs, and what names their version."""

from __future__ import annotations

import pytest

from promptlab.errors import InvalidFile, NotFound
from promptlab.workspace.chains import closed, references
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.values import Ask, Critique, Prompt, Validate

TRIAGE = b'description = "Route"\n[[messages]]\nrole = "user"\ncontent = "Route: {{ ticket }}"\n'
JUDGE = b'[judge]\nscale = [1, 5]\n[[messages]]\nrole = "user"\ncontent = "Grade: {{ answer }}"\n'
FILES = {"triage": TRIAGE, "judges/polite": JUDGE, "triage@v3": TRIAGE.replace(b"Route:", b"Team:")}

CHAIN = """inputs = ["ticket"]
[[steps]]
name = "route"
prompt = "triage"
inputs = { ticket = "{{ ticket }}" }
[[steps]]
name = "draft"
when = "route.text != 'spam'"
inputs = { ticket = "{{ ticket }}", team = "{{ route.text }}" }
[steps.prompt]
params = { temperature = 0.5, max_tokens = 30 }
[[steps.prompt.messages]]
role = "user"
content = "Reply to {{ ticket }} as {{ team }}."
[[steps]]
name = "final"
validate = { step = "draft", length = [1, 500], on_fail = "reask" }
"""


def fetch(name: str) -> bytes:
    if name not in FILES:
        raise NotFound(f"There is no prompt `{name}`.")
    return FILES[name]


def chain(text: str = CHAIN) -> Prompt:
    return parse_prompt(text.encode(), "support", "prompts/support.toml", fetch)


def problems_of(text: str) -> list[str]:
    with pytest.raises(InvalidFile) as raised:
        chain(text)
    return [str(problem) for problem in raised.value.problems]


def test_a_chain_is_its_steps_in_the_order_of_the_file() -> None:
    found = chain()
    assert [step.name for step in found.steps] == ["route", "draft", "final"]
    assert [step.needs for step in found.steps] == [(), ("route",), ("draft",)]
    assert found.inputs == ("ticket",)
    assert found.messages == ()
    draft = found.steps[1].does
    assert isinstance(draft, Ask)
    assert draft.prompt.params.max_tokens == 30
    assert isinstance(found.steps[2].does, Validate)


def test_steps_may_stand_in_any_order() -> None:
    first, rest = CHAIN.split("[[steps]]\n", 1)
    route, draft, final = rest.split("[[steps]]\n")
    found = chain(first + "".join(f"[[steps]]\n{step}" for step in (draft, route, final)))
    assert found.steps[0].needs == ("route",)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("route.text != 'spam'", "rout.text != 'spam'", "8: steps[1].when: `rout` is neither an input of"),
        ("route.text != 'spam'", "route.txt != 'spam'", "steps[1].when: The step `route` has no `txt`. Did you"),
        ("{{ route.text }}", "{{ route }}", "steps[1].inputs.team: `route` is a step, not a text. Write"),
        ("team = ", "teem = ", "No prompt of this step has a variable `teem`. Did you mean `team`?"),
        (', team = "{{ route.text }}"', "", "steps[1].inputs: The variable `team` of `steps.1.prompt` is missing."),
        ('["ticket"]', '["ticket", "who"]', "1: inputs[1]: No step uses the input `who`. Remove it."),
        ('step = "draft"', 'step = "draf"', "steps[2].validate.step: There is no step `draf`. Did you mean `draft`?"),
        ('step = "draft"', 'step = "route"', "steps[1].name: Nothing uses the output of the step `draft`"),
        ('name = "final"', 'name = "draft"', "steps[2].name: Two steps are named `draft`."),
        ('name = "final"', 'name = "ticket"', "steps[2].name: `ticket` is an input of the chain too."),
        ('name = "final"', 'name = "not"', "steps[2].name: Expected a name of letters, digits and _, and"),
        ('name = "final"', 'name = "final"\nlimit = 2', "steps[2].limit: Unknown key `limit`."),
        ('"triage"', '"triaje"', "4: steps[0].prompt: The prompt `triaje` cannot be used: There is no prompt"),
        ('"triage"', '"judges/polite"', "The prompt `judges/polite` is a judge, which grades answers."),
        ("route.text != 'spam'", "route.text !=", "steps[1].when: Expected an expression, such as"),
        ("route.text != 'spam'", "{{ route.text }}", "steps[1].when: Expected an expression"),
        ("length = [1, 500], ", "", "`validate` needs exactly one of `choices`, `json_schema`, `regex`"),
        ("length = [1, 500]", "length = [5, 1]", "validate.length: Expected the least and the most characters"),
        ('on_fail = "reask"', 'on_fail = "fix"', "validate.on_fail: Only JSON can be repaired."),
        ('on_fail = "reask"', 'on_fail = "fallback"', "steps[2].validate: The key `fallback` is missing."),
        ('on_fail = "reask"', 'on_fail = "fail", attempts = 3', '`attempts` is for `on_fail = "re'),
        ('on_fail = "reask"', 'on_fail = "reask", reask = "{{ raeson }}"', "validate.reask: `raeson` is neither"),
        ('when = "route', 'foreach = "item.x"\nwhen = "route', "steps[1].foreach: `item` is neither an input"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_step_and_key(old: str, new: str, sentence: str) -> None:
    assert old in CHAIN
    assert any(sentence in problem for problem in problems_of(CHAIN.replace(old, new)))


def test_a_circle_is_named() -> None:
    text = CHAIN.replace('inputs = { ticket = "{{ ticket }}" }', 'inputs = { ticket = "{{ final.text }}" }')
    (problem,) = [problem for problem in problems_of(text) if "circle" in problem]
    assert "steps[0]: The steps need each other in a circle: route → final → draft → route." in problem


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        ('vote = { prompt = "triage", n = 5 }', "steps[0].vote.prompt: The prompt has temperature 0, so all 5"),
        ('vote = { prompt = "triage", n = 1 }', "steps[0].vote.n: Expected a whole number from 2 to 64, got 1."),
        ('best_of = { prompt = "triage", n = 2 }', "`best_of` needs exactly one of `metric` and `judge`"),
        ('best_of = { prompt = "triage", n = 2, judge = "triage" }', "The prompt `triage` is no judge"),
        ('extract = { from = "{{ ticket }}" }', "`extract` needs exactly one of `regex`, `pointer`"),
        ('extract = { from = "{{ ticket }}", pointer = "a" }', "extract.pointer: Expected a JSON pointer"),
        ('extract = { from = "{{ ticket", last_line = true }', "extract.from: Expected a template, got one"),
        ('extract = { from = "{{ ticket }}", regex = "(" }', "extract.regex: Expected a regular expression"),
        ('retrieve = { corpus = "d", query = "{{ ticket }}", method = "x" }', '"bm25" or "embedding", got "x"'),
        ('retrieve = { corpus = "d", query = "{{ ticket }}", words = 9 }', "`overlap` must be less than `words`."),
        ('prompt = "triage"\nvote = { prompt = "triage", n = 5 }', "exactly one operation, and this one has 2."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_operation(operation: str, sentence: str) -> None:
    text = f'inputs = ["ticket"]\n[[steps]]\nname = "only"\ninputs = {{ ticket = "{{{{ ticket }}}}" }}\n{operation}\n'
    assert any(sentence in problem for problem in problems_of(text))


def test_the_version_is_that_of_everything_used() -> None:
    before = chain()
    FILES["triage"] = TRIAGE.replace(b"Route:", b"Route it:")
    try:
        assert chain().content != before.content
    finally:
        FILES["triage"] = TRIAGE
    assert chain().content == before.content
    assert chain(CHAIN.replace('"triage"', '"triage@v3"')).content != before.content
    FILES["triage"] = TRIAGE.replace(b'"Route"', b'"Another description"')
    try:
        assert chain().content == before.content, "a description reaches no model"
    finally:
        FILES["triage"] = TRIAGE


def test_a_closed_chain_needs_no_other_file_and_is_the_same_version() -> None:
    whole = closed(CHAIN.encode(), "prompts/support.toml", fetch)
    alone = parse_prompt(whole, "support", "support.toml")
    assert alone.content == chain().content
    assert references(alone) == ()
    inline = CHAIN.replace(
        'prompt = "triage"\n', 'prompt = { messages = [{ role = "user", content = "Route: {{ ticket }}" }] }\n'
    )
    assert closed(inline.encode(), "x", fetch) == inline.encode(), "nothing to write out: left as it is"


def test_references_that_cannot_be_followed_stay_open() -> None:
    found = parse_prompt(CHAIN.encode(), "support", "prompts/support.toml")
    assert references(found) == ("triage",)


def test_a_chain_in_a_chain_is_refused() -> None:
    FILES["inner"] = CHAIN.encode()
    try:
        (problem,) = problems_of(CHAIN.replace('"triage"', '"inner"'))
    finally:
        del FILES["inner"]
    assert "`inner` is a chain, and a step asks one prompt." in problem


def test_a_critique_has_two_prompts() -> None:
    critic = '{ messages = [{ role = "user", content = "Criticise {{ answer }}" }] }'
    revise = '{ messages = [{ role = "user", content = "Revise {{ answer }}: {{ critique }}" }] }'
    text = CHAIN.replace(
        'validate = { step = "draft", length = [1, 500], on_fail = "reask" }',
        f'critique.step = "draft"\ncritique.critic = {critic}\ncritique.revise = {revise}',
    )
    does = chain(text).steps[2].does
    assert isinstance(does, Critique)
    assert does.limit == 2
    assert "needs a variable" not in does.critic.source

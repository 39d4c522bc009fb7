"""Every operation of a chain: its success, its failure, its budget used up, a value that is missing."""

from __future__ import annotations

import random

import pytest
from runs.chained import TICKET, P, chain, step, taken

from promptlab.models.values import Fault, Request
from promptlab.scoring.steps import pass_at
from promptlab.workspace import patterns

OFF = Fault("timeout", "The model took too long.")
DRAFT = step("draft", f"prompt = {P('Draft {{ ticket }}')}", TICKET)


def says(*answers: str | Fault):
    """Answers in turn."""
    left = list(answers)
    return lambda request: left.pop(0)


def by_text(**answers: str | Fault):
    """An answer for each first word of the last message."""
    return lambda request: answers[request.messages[-1].content.split()[0].rstrip(":")]


def after_draft(does: str, *answers: str | Fault, inputs: str = "", more: str = ""):
    walk = taken(chain(DRAFT + step("last", does, inputs, more)), says(*answers))
    assert walk.trace is not None
    return walk.outcome("k"), walk.trace


EXTRACT = [
    ("regex = 'No (\\d+)'", "See No 12.", "12"),
    ("regex = '\\d+'", "See No 12.", "12"),
    ("regex = '\\d+'", "none", "Step `last`: The pattern \\d+ is not in the text."),
    ("pointer = '/order/0'", '{"order": [7]}', "7"),
    ("pointer = '/a~1b'", '{"a/b": "x"}', "x"),
    ("pointer = '/order/1'", '{"order": [7]}', "There is nothing at /order/1: the list has 1 items."),
    ("pointer = '/x'", "no json", "The text is not JSON"),
    ("last_line = true", "thinking\n\nanswer: 3\n\n", "answer: 3"),
    ("last_line = true", "  \n", "The text is empty, so it has no last line."),
    ("fence = 'json'", "Here:\n```json\n{}\n```\nDone", "{}"),
    ("fence = ''", "```py\nx = 1\n```", "x = 1"),
    ("fence = 'json'", "```py\nx\n```", "The text has no fenced block of json."),
    ("fence = 'json'", "~~~py\n```\n~~~\n```json\r\n{}\r\n```\r\n", "{}"),
    ("fence = ''", "```py\nwithout an end\n~~~\nx\n~~~", "x"),
]


@pytest.mark.parametrize(("rule", "text", "expected"), EXTRACT)
def test_extract(rule: str, text: str, expected: str) -> None:
    outcome, trace = after_draft(f"extract = {{ from = '{{{{ draft.text }}}}', {rule} }}", text)
    if outcome.fault is None:
        assert outcome.text == expected
        assert trace.answer == "last"
    else:
        assert outcome.fault.kind == "step"
        assert expected in outcome.fault.message
        assert trace.failed is not None
        assert trace.failed.step == "last"


def test_a_pattern_that_never_ends_fails_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.05)
    monkeypatch.setattr(patterns, "_ELSEWHERE", patterns._Elsewhere())
    hostile, text = r"'^(\w+\s?)*$'", "a" * 40 + "!"
    prompts = f"critic = {P('C: {{ answer }}')}, revise = {P('R: {{ critique }} {{ answer }}')}"
    for does in (
        f"extract = {{ from = '{{{{ draft.text }}}}', regex = {hostile} }}",
        f"validate = {{ step = 'draft', regex = {hostile} }}",
        f"critique = {{ step = 'draft', {prompts}, accept = {hostile} }}",
    ):
        outcome, _ = after_draft(does, text, text)
        assert outcome.fault is not None
        assert "longer than 0.05 s on a text of 41 characters" in outcome.fault.message
    patterns._ELSEWHERE.close()


VALIDATE = [
    ("choices = ['a', 'b']", ["a"], "a", ""),
    ("choices = ['a', 'b']", ["c"], None, "Not valid: Expected one of: a, b."),
    ("regex = '^Dear'", ["Dear you"], "Dear you", ""),
    ("regex = '^Dear'", ["Hey"], None, "It does not match ^Dear."),
    ("length = [1, 3]", ["abcd"], None, "It has 4 characters; expected 1 to 3."),
    ("json_schema = { required = ['a'] }", ['{"a": 1}'], '{"a": 1}', ""),
    ("json_schema = { required = ['a'] }", ["{}"], None, "'a' is a required property"),
    ("json_schema = { '$ref' = 'http://127.0.0.1:1/x' }", ["{}"], None, "which is not in it"),
    ("metric = { id = 'length' }, least = 3.0", ["abc"], "abc", ""),
    ("metric = { id = 'length' }, least = 3.0", ["ab"], None, "Its length is 2; expected at least 3."),
    ("metric = { id = 'length' }, least = 3.0", ["?"], None, "The metric `length` has no value: nothing to measure."),
    ("choices = ['a'], on_fail = 'reask'", ["x", "a"], "a", ""),
    ("choices = ['a'], on_fail = 'reask'", ["x", "y", "a"], "a", ""),
    ("choices = ['a'], on_fail = 'reask'", ["x", "y", "z"], None, "Not valid after it was asked again, 2 of 2 times"),
    ("choices = ['a'], on_fail = 'reask', attempts = 1", ["x", "y"], None, "asked again, 1 of 1 times"),
    ("choices = ['a'], on_fail = 'reask'", ["x", OFF], None, "The model took too long."),
    ("json_schema = { required = ['a'] }, on_fail = 'fix'", ["{a: 1,"], '{"a": 1}', ""),
    ("json_schema = { required = ['a'] }, on_fail = 'fix'", ["{b: 1}"], None, "Not valid, and not after its repair"),
    ("json_schema = { required = ['a'] }, on_fail = 'fix'", ["sorry"], None, "Nothing in the text can be repaired"),
    ("choices = ['a'], on_fail = 'fallback', fallback = 'other'", ["x"], "other", ""),
    ("choices = ['a'], on_fail = 'fallback', fallback = '{{ ticket }}!'", ["x"], "Hello!", ""),
]


@pytest.mark.parametrize(("rule", "answers", "text", "problem"), VALIDATE)
def test_validate(rule: str, answers: list[str | Fault], text: str | None, problem: str) -> None:
    outcome, trace = after_draft(f"validate = {{ step = 'draft', {rule} }}", *answers)
    if text is None:
        assert outcome.fault is not None
        assert problem in outcome.fault.message
        assert outcome.text == ""
    else:
        assert outcome.fault is None, outcome.fault
        assert outcome.text == text
    assert len(trace.calls) == len(answers)


def test_a_reask_tells_the_model_what_was_wrong() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> str:
        asked.append(request)
        return "a" if len(asked) == 2 else "x"

    rule = "validate = { step = 'draft', choices = ['a'], on_fail = 'reask', reask = 'Wrong: {{ reason }}' }"
    walk = taken(chain(DRAFT + step("last", rule)), answer)
    assert [message.content for message in asked[1].messages] == ["Draft Hello", "x", "Wrong: Expected one of: a."]
    assert [message.role for message in asked[1].messages] == ["user", "assistant", "user"]
    assert walk.trace is not None
    assert walk.trace.steps[1].note == "asked again once: Expected one of: a."


def test_vote_takes_the_majority_and_ties_go_to_the_earliest() -> None:
    rule = f"vote = {{ prompt = {P('Label {{ ticket }}', 0.7)}, n = 5 }}"
    for answers, text, agreement in (
        (("b", "A.", "a", "c", " a "), "A.", 0.6),
        (("x", "y", "y", "x", "z"), "x", 0.4),
        (("1", "2", "3", "4", "5"), "1", 0.2),
    ):
        walk = taken(chain(step("last", rule, TICKET)), says(*answers))
        assert walk.trace is not None
        assert walk.outcome("k").text == text
        assert walk.trace.steps[0].values["agreement"] == agreement
        assert walk.trace.steps[0].values["samples"] == list(answers)
    walk = taken(chain(step("last", rule, TICKET)), says("a", "a", OFF, "a", "a"))
    fault = walk.outcome("k").fault
    assert fault is not None, "a vote of fewer is another vote"
    assert fault.kind == "timeout"


def test_the_samples_of_a_vote_are_what_trials_of_its_prompt_are() -> None:
    keys: list[list[str]] = []
    rule = f"vote = {{ prompt = {P('Label {{ ticket }}', 0.7)}, n = 3 }}"
    for trial in (0, 1):
        asked: list[Request] = []

        def answer(request: Request, asked: list[Request] = asked) -> str:
            asked.append(request)
            return "a"

        taken(chain(step("last", rule, TICKET)), answer, trial=trial)
        keys.append([request.key for request in asked])
        assert len({request.seed for request in asked}) == 3
    assert len({*keys[0], *keys[1]}) == 6, "no two trials share a sample"


@pytest.mark.parametrize(
    ("normalise", "answers", "text"),
    [
        ("exact", ("a", "A", "A"), "A"),
        ("number", ("It is 1,200", "1200.0 in all", "7"), "It is 1,200"),
        ("json", ('{"b": 1, "a": 2}', "no", '{"a": 2, "b": 1}'), '{"b": 1, "a": 2}'),
        ("text", ("Yes!", "no", "yes"), "Yes!"),
    ],
)
def test_what_makes_two_votes_the_same(normalise: str, answers: tuple[str, ...], text: str) -> None:
    rule = f"vote = {{ prompt = {P('Label {{ ticket }}', 0.7)}, n = 3, normalise = '{normalise}' }}"
    assert taken(chain(step("last", rule, TICKET)), says(*answers)).outcome("k").text == text


def test_best_of_by_a_metric_and_by_a_judge() -> None:
    rule = f"best_of = {{ prompt = {P('Label {{ ticket }}', 0.7)}, n = 3, metric = {{ id = 'length' }} }}"
    walk = taken(chain(step("last", rule, TICKET)), says("a", "ccc", "bbb"))
    assert walk.outcome("k").text == "ccc", "the earliest of equals"
    walk = taken(chain(step("last", rule, TICKET)), says("?", "?", "?"))
    fault = walk.outcome("k").fault
    assert fault is not None
    assert "None of the 3 answers could be graded: nothing to measure." in fault.message
    judge = "{ judge = { scale = [1, 3] }, messages = [{ role = 'user', content = 'Grade {{ answer }}' }] }"
    rule = f"best_of = {{ prompt = {P('Label {{ ticket }}', 0.7)}, n = 3, judge = {judge} }}"
    walk = taken(chain(step("last", rule, TICKET)), says("a", "b", "c", "1", "3", "no idea"))
    assert walk.outcome("k").text == "b"
    assert walk.trace is not None
    assert walk.trace.steps[0].values["scores"] == [1.0, 3.0, None]
    assert [call.label for call in walk.trace.steps[0].calls][3:] == ["judge 1", "judge 2", "judge 3"]
    walk = taken(chain(step("last", rule, TICKET)), says("a", "b", "c", "1", OFF, "2"))
    assert walk.outcome("k").fault is not None


GIVEN = "d = '{{ draft.text }}'"
OPERATIONS = {
    "prompt": (f"prompt = {P('Last {{ d }}')}", GIVEN),
    "extract": ("extract = { from = '{{ draft.text }}', last_line = true }", ""),
    "validate": ("validate = { step = 'draft', length = [1, 5], on_fail = 'reask' }", ""),
    "best_of": (f"best_of = {{ prompt = {P('Last {{ d }}', 0.5)}, n = 2, metric = {{ id = 'length' }} }}", GIVEN),
    "vote": (f"vote = {{ prompt = {P('Last {{ d }}', 0.5)}, n = 2 }}", GIVEN),
    "critique": (
        f"critique = {{ step = 'draft', critic = {P('{{ answer }}')}, revise = {P('{{ critique }}')} }}",
        "",
    ),
    "retrieve": ("retrieve = { corpus = 'docs', query = '{{ draft.text }}' }", ""),
}


@pytest.mark.parametrize("op", OPERATIONS)
def test_every_operation_without_what_it_needs(op: str) -> None:
    does, inputs = OPERATIONS[op]
    outcome, trace = after_draft(does, OFF, inputs=inputs)
    assert outcome.fault is not None
    assert outcome.fault.message == "Step `draft`: The model took too long."
    assert trace.steps[1].problem == "It needs the step `draft`, which failed."
    assert trace.failed is trace.steps[0]
    skipped = step("draft", f"prompt = {P('Draft {{ ticket }}')}", TICKET, "when = 'false'")
    fault = taken(chain(skipped + step("last", does, inputs)), says()).outcome("k").fault
    assert fault is not None
    works_on = op in ("validate", "critique")
    said = (
        "it works on the step `draft`, which was skipped"
        if works_on
        else "the step `draft` was skipped, so it has no"
    )
    assert said in fault.message


@pytest.mark.parametrize("op", ["prompt", "validate", "best_of", "vote", "critique"])
def test_every_operation_whose_model_fails(op: str) -> None:
    does, inputs = OPERATIONS[op]
    outcome, trace = after_draft(does, "a draft of many letters", OFF, OFF, inputs=inputs)
    assert outcome.fault is not None
    assert outcome.fault.message == "Step `last`: The model took too long."
    assert (outcome.text, trace.steps[1].state) == ("", "failed")


def test_critique_revises_until_accepted_or_the_limit() -> None:
    rule = (
        f"critique.step = 'draft'\ncritique.critic = {P('Critic: {{ answer }}')}\n"
        f"critique.revise = {P('Revise: {{ answer }} because {{ critique }}')}\ncritique.limit = 2"
    )
    for answers, text, accepted, rounds in (
        (("d", "Accept."), "d", True, 0),
        (("d", "too short", "dd", "OK"), "dd", True, 1),
        (("d", "bad", "dd", "bad", "ddd"), "ddd", False, 2),
    ):
        outcome, trace = after_draft(rule, *answers)
        assert outcome.text == text
        assert trace.steps[1].values["accepted"] is accepted
        assert trace.steps[1].values["rounds"] == rounds
    outcome, trace = after_draft(rule, "d", "bad", OFF)
    assert outcome.fault is not None
    assert outcome.fault.message == "Step `last`: The model took too long."


def test_retrieve_gives_passages_to_the_steps_behind() -> None:
    steps = step("found", "retrieve = { corpus = 'docs', query = '{{ ticket }}', k = 2 }") + step(
        "last",
        f"prompt = {P('{% for p in passages %}[{{ p.source }}] {% endfor %}')}",
        "passages = '{{ found.passages }}'",
    )
    walk = taken(chain(steps), lambda request: request.messages[0].content, {"ticket": "one two three"})
    assert walk.outcome("k").text == "[one.md] [two.md] "
    assert walk.trace is not None
    assert walk.trace.steps[0].note == "2 from one.md, two.md"
    walk = taken(chain(steps), lambda request: "", {"ticket": ""})
    fault = walk.outcome("k").fault
    assert fault is not None
    assert fault.message == "Step `found`: No passage of the corpus has a word of the query."


def test_a_fault_is_that_of_the_step_that_stopped_the_answer() -> None:
    steps = step("first", f"prompt = {P('First {{ ticket }}')}", TICKET) + step("second", f"prompt = {P('Second')}")
    steps += step(
        "third", f"prompt = {P('Third {{ f }}')}", "f = '{{ first.text }}'", "when = \"second.text == 'x'\""
    )
    steps += step("last", f"prompt = {P('Last {{ t }}')}", "t = '{{ third.text | default(second.text) }}'")
    broken = Fault("server", "broken")
    walk = taken(chain(steps), by_text(First=broken, Second=broken))
    fault, trace = walk.outcome("k").fault, walk.trace
    assert fault is not None
    assert trace is not None
    assert fault.message == "Step `second`: broken", "not the first, which third never came to need"
    assert [one.problem for one in trace.steps] == [
        *("broken", "broken", "It needs the step `second`, which failed."),
        "It needs the step `second`, which failed.",
    ]


def test_when_skips_a_step_and_the_answer_is_that_of_the_last_that_ran() -> None:
    steps = DRAFT + step(
        "last", f"prompt = {P('Again {{ d }}')}", "d = '{{ draft.text }}'", "when = \"draft.text == 'x'\""
    )
    assert taken(chain(steps), by_text(Draft="fine", Again="no")).outcome("k").text == "fine"
    assert taken(chain(steps), by_text(Draft="x", Again="better")).outcome("k").text == "better"
    steps += step("after", f"prompt = {P('After {{ d }}')}", "d = '{{ last.text }}'")
    outcome = taken(chain(steps), by_text(Draft="fine", Again="no", After="z")).outcome("k")
    assert outcome.fault is not None
    assert (
        "step after: inputs.d: the step `last` was skipped, so it has no `text`: write `last.text | default(…)`."
        in outcome.fault.message
    )
    steps = steps.replace("{{ last.text }}", "{{ last.text | default(draft.text) }}")
    assert taken(chain(steps), by_text(Draft="fine", After="z")).outcome("k").text == "z"
    only = step("only", f"prompt = {P('A {{ ticket }}')}", TICKET, "when = 'false'")
    fault = taken(chain(only), says()).outcome("k").fault
    assert fault is not None
    assert fault.message == "Every step was skipped."


def test_foreach_does_a_step_for_every_item() -> None:
    steps = (
        step("list", f"prompt = {P('List {{ ticket }}')}", TICKET)
        + step("each", f"prompt = {P('Word {{ item }}')}", "", "foreach = 'list.json'")
        + step("last", "extract = { from = '{{ each.texts | tojson }}', pointer = '' }")
    )
    walk = taken(
        chain(steps), lambda r: '["a", "b"]' if "List" in r.messages[0].content else r.messages[0].content[-1]
    )
    assert walk.outcome("k").text == '["a", "b"]'
    assert walk.trace is not None
    assert [call.label for call in walk.trace.steps[1].calls] == ["ask of item 1", "ask of item 2"]
    assert walk.trace.steps[1].text == "a\nb"
    walk = taken(chain(steps), by_text(List="[]"))
    assert walk.outcome("k").text == "[]"
    for said, reason in (('{"a": 1}', "foreach: expected a list"), ("none", "has no attribute 'json'")):
        fault = taken(chain(steps), by_text(List=said)).outcome("k").fault
        assert fault is not None
        assert reason in fault.message
    fault = taken(chain(steps), by_text(List='["a", "b"]', Word=OFF)).outcome("k").fault
    assert fault is not None
    assert fault.kind == "timeout"


def test_steps_that_do_not_need_each_other_ask_together() -> None:
    steps = (
        step("one", f"prompt = {P('One {{ ticket }}')}", TICKET)
        + step("two", f"prompt = {P('Two {{ ticket }}')}", TICKET)
        + step("last", f"prompt = {P('Last {{ a }} {{ b }}')}", "a = '{{ one.text }}', b = '{{ two.text }}'")
    )
    walk = taken(chain(steps), lambda request: request.messages[0].content.split()[0])
    outcome = walk.outcome("k")
    assert outcome.text == "Last"
    assert outcome.latency == 1.0, "two waves of half a second"
    assert outcome.usage.prompt == 30
    assert outcome.cost == 0.75
    failing = taken(chain(steps), by_text(One=OFF, Two="2")).trace
    assert failing is not None
    assert [one.state for one in failing.steps] == ["failed", "done", "failed"]
    assert failing.steps[2].problem == "It needs the step `one`, which failed."
    assert failing.failed is failing.steps[0]


# -- closed forms ---------------------------------------------------------------------------------


def test_self_consistency_is_the_binomial() -> None:
    """Five answers that are each right with p = 0.6: the majority is right with 0.68256."""
    found = chain(step("last", f"vote = {{ prompt = {P('Label {{ ticket }}', 0.7)}, n = 5 }}", TICKET))
    draw, right = random.Random(7), 0
    for _ in range(2000):
        walk = taken(found, lambda request: "right" if draw.random() < 0.6 else "wrong")
        right += walk.outcome("k").text == "right"
    expected = 0.6**5 + 5 * 0.6**4 * 0.4 + 10 * 0.6**3 * 0.4**2
    assert round(expected, 3) == 0.683
    assert abs(right / 2000 - expected) < 4 * (expected * (1 - expected) / 2000) ** 0.5


def test_pass_at_k_is_unbiased() -> None:
    """Its mean over many draws of n answers is 1 − (1 − p)^k, which 1 − (1 − c/n)^k is not."""
    p, n = 0.6, 5
    weights = [1.0]
    for _ in range(n):
        weights = [a * (1 - p) + b * p for a, b in zip([*weights, 0.0], [0.0, *weights], strict=True)]
    for k in range(1, n + 1):
        mean = sum(weight * pass_at(k, n, right) for right, weight in enumerate(weights))
        assert mean == pytest.approx(1 - (1 - p) ** k, abs=1e-12)
    assert pass_at(2, 5, 0) == 0.0
    assert pass_at(2, 5, 4) == 1.0
    with pytest.raises(ValueError, match="pass@6 cannot be told from 5 answers"):
        pass_at(6, 5, 3)

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs.scripted import make_column, make_evalset, make_prompt, small_plan

from promptlab.errors import UsageFault
from promptlab.models.values import Capabilities, Constraint
from promptlab.runs.plan import cell_key, cell_seed, constraint_for, make_plan
from promptlab.workspace.values import Decision, Example, Guardrail, Message, MetricSpec, Output, Params

USER = (Message("user", "Hello"),)


def key(**changes: object) -> str:
    fields: dict[str, object] = {
        "identity": "sha256:ab",
        "messages": USER,
        "params": Params(),
        "constraint": None,
        "trial": 0,
    }
    return cell_key(**(fields | changes))


def test_everything_that_can_change_the_answer_changes_the_key() -> None:
    changes: list[dict[str, object]] = [
        {},
        {"identity": "sha256:ac"},
        {"messages": (Message("user", "Hello "),)},
        {"messages": (Message("system", "Hello"),)},
        {"messages": (*USER, Message("assistant", ""))},
        {"params": Params(temperature=0.1)},
        {"params": Params(max_tokens=255)},
        {"params": Params(seed=1)},
        {"params": Params(top_p=1.0)},
        {"params": Params(stop=("\n",))},
        {"constraint": Constraint(choices=("a", "b"))},
        {"constraint": Constraint(choices=("b", "a"))},
        {"constraint": Constraint(json_schema={"a": 1, "b": 2})},
        {"constraint": Constraint(json_schema={"b": 2, "a": 1})},
        {"constraint": Constraint(json_schema={"a": 1, "b": 2}, rules=1)},
        {"trial": 1},
    ]
    keys = [key(**change) for change in changes]
    assert len(set(keys)) == len(changes)
    assert all(len(one) == 64 for one in keys)


def test_seed_and_trial_both_count() -> None:
    assert key(params=Params(seed=1), trial=0) != key(params=Params(seed=0), trial=1)


def test_a_key_is_the_same_in_another_process() -> None:
    code = (
        "from promptlab.runs.plan import cell_key\n"
        "from promptlab.workspace.values import Message, Params\n"
        "print(cell_key('sha256:ab', (Message('user', 'Hello'),), Params(), None))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == key()


@given(st.lists(st.text(), min_size=1, max_size=3), st.lists(st.text(), min_size=1, max_size=3))
def test_keys_differ_exactly_when_messages_do(one: list[str], other: list[str]) -> None:
    keys = [key(messages=tuple(Message("user", text) for text in texts)) for texts in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


def test_the_plan_uses_the_same_key_as_cell_key() -> None:
    plan = small_plan(2, trials=2)
    for cell in plan.cells:
        assert cell.request is not None
        variant = plan.variants[0]
        expected = cell_key(variant.identity, cell.request.messages, variant.params, None, cell.trial)
        assert cell.key == cell.request.key == expected
        assert cell.request.seed == cell_seed(cell.request.messages, variant.params.seed, cell.trial)


def test_every_cell_draws_with_a_seed_of_its_own() -> None:
    plan = small_plan(50, trials=4)
    seeds = [cell.request.seed for cell in plan.cells if cell.request is not None]
    assert len(set(seeds)) == 200
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seeds == [cell.request.seed for cell in small_plan(50, trials=4).cells if cell.request is not None]


def test_cells_go_model_by_model_then_version_then_example_then_trial() -> None:
    plan = small_plan(2, ["mini", "nano"], [make_prompt("A {{ ticket }}"), make_prompt("B {{ ticket }}")], trials=2)
    assert [(variant.column, variant.model) for variant in plan.variants] == [
        ("a", "mini"),
        ("b", "nano"),
        ("c", "mini"),
        ("d", "nano"),
    ]
    order = [(cell.column, cell.example, cell.trial) for cell in plan.cells]
    examples = [("e00000", 0), ("e00000", 1), ("e00001", 0), ("e00001", 1)]
    assert order == [(column, *place) for column in "acbd" for place in examples]


def test_columns_are_lettered_like_a_spreadsheet() -> None:
    evalset = make_evalset(1)
    columns = [make_column(params=Params(seed=seed)) for seed in range(28 + 26 * 26)]
    letters = [variant.column for variant in make_plan(evalset, evalset.examples, columns).variants]
    assert letters[:2] == ["a", "b"]
    assert letters[25:28] == ["z", "aa", "ab"]
    assert letters[26 + 26 * 26] == "aaa"
    assert len(set(letters)) == len(letters)


def test_an_example_without_a_variable_becomes_a_cell_with_a_problem() -> None:
    evalset = make_evalset(1)
    examples = (*evalset.examples, Example("bare", {"tikket": "x"}))
    plan = make_plan(evalset, examples, [make_column()])
    good, bad = plan.cells
    assert good.request is not None
    assert not good.problem
    assert bad.request is None
    assert "ticket" in bad.problem
    assert bad.key != good.key


@pytest.mark.parametrize(
    ("output", "capabilities", "expected"),
    [
        (None, Capabilities(choices=True), None),
        (Output(choices=("a", "b")), Capabilities(choices=True), Constraint(choices=("a", "b"))),
        (Output(choices=("a", "b")), Capabilities(json_schema=True), None),
        (Output(choices=("a", "b"), enforce=False), Capabilities(choices=True), None),
        (
            Output(json_schema={"type": "object"}),
            Capabilities(json_schema=True),
            Constraint(json_schema={"type": "object"}),
        ),
        (
            Output(json_schema={"type": "object"}),
            Capabilities(json_schema=True, schema_rules=7),
            Constraint(json_schema={"type": "object"}, rules=7),
        ),
        (Output(json_schema={"type": "object"}), Capabilities(choices=True), None),
        (Output(regex="a+"), Capabilities(choices=True, json_schema=True), None),
    ],
)
def test_decoding_is_constrained_where_wanted_and_possible(
    output: Output | None, capabilities: Capabilities, expected: Constraint | None
) -> None:
    assert constraint_for(make_prompt(output=output), capabilities) == expected


def test_a_constraint_is_in_the_request() -> None:
    evalset = make_evalset(1)
    prompt = make_prompt(output=Output(choices=("a", "b")))
    (cell,) = make_plan(evalset, evalset.examples, [make_column(prompt)]).cells
    assert cell.request is not None
    assert cell.request.constraint == Constraint(choices=("a", "b"))


def test_equal_plans_have_equal_digests_and_any_other_work_has_another() -> None:
    evalset = make_evalset(3)
    columns = [make_column(), make_column(make_prompt("Other: {{ ticket }}"))]
    base = make_plan(evalset, evalset.examples, columns)
    assert make_plan(evalset, evalset.examples, columns).digest == base.digest
    others = [
        make_plan(evalset, evalset.examples[:2], columns),
        make_plan(evalset, evalset.examples, columns[:1]),
        make_plan(evalset, evalset.examples, columns, trials=2),
        make_plan(evalset, evalset.examples, columns, baseline="b"),
        make_plan(evalset, evalset.examples, columns, metrics=(MetricSpec("length", "length"),)),
        make_plan(evalset, evalset.examples, columns, decision=Decision(guardrails=(Guardrail("length", 1.0),))),
        make_plan(msgspec.structs.replace(evalset, content="0" * 12), evalset.examples, columns),
        make_plan(evalset, evalset.examples, [make_column(make_prompt(content="0" * 12)), columns[1]]),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == len(others) + 1


def test_the_eval_set_says_trials_metrics_and_decision_unless_told() -> None:
    evalset = msgspec.structs.replace(make_evalset(2), decision=Decision(trials=3, alpha=0.1))
    plan = make_plan(evalset, evalset.examples, [make_column()], sources={"prompts/triage.toml": b"x"})
    assert (plan.trials, plan.decision.alpha, plan.metrics) == (3, 0.1, evalset.metrics)
    assert len(plan.cells) == 6
    assert plan.sources == {"prompts/triage.toml": b"x"}


@pytest.mark.parametrize(
    ("asked", "column"),
    [("", "a"), ("triage", "a"), ("triage@v3", "b"), ("b", "b"), ("triage* · nano", "c")],
)
def test_the_baseline_is_a_subject_or_a_letter(asked: str, column: str) -> None:
    evalset = make_evalset(1)
    columns = [
        make_column(),
        make_column(make_prompt("Old {{ ticket }}"), subject="triage@v3"),
        make_column(model="nano"),
    ]
    assert make_plan(evalset, evalset.examples, columns, baseline=asked).baseline == column


def test_an_unknown_baseline_names_the_subjects() -> None:
    evalset = make_evalset(1)
    with pytest.raises(
        UsageFault, match=r"^The baseline triage@v9 is no column of this run. Choose one of: triage.$"
    ):
        make_plan(evalset, evalset.examples, [make_column(), make_column(model="nano")], baseline="triage@v9")


@pytest.mark.parametrize(
    ("names", "subject"),
    [
        (["triage", "triage"], "triage"),
        (["judges/helpful"], "judges/helpful"),
        (["triage", "reply"], "support"),
        (["Ünïcode Prompt"], "n-code-prompt"),
        (["../-rf.lock"], "rf-lock"),
        (["日本"], "run"),
    ],
)
def test_a_run_is_filed_under_a_name_that_git_takes(names: list[str], subject: str) -> None:
    evalset = make_evalset(1)
    columns = [make_column(make_prompt(f"{index} {{{{ ticket }}}}", name=name)) for index, name in enumerate(names)]
    assert make_plan(evalset, evalset.examples, columns).subject == subject


def test_two_equal_columns_are_refused() -> None:
    evalset = make_evalset(1)
    with pytest.raises(UsageFault) as caught:
        make_plan(evalset, evalset.examples, [make_column(), make_column(subject="triage@v3")])
    assert str(caught.value) == (
        "Two columns are the same: triage on mini and triage@v3 on mini have the same prompt, model and parameters. "
        "Leave one of them out."
    )


@pytest.mark.parametrize(
    ("columns", "examples", "trials", "sentence"),
    [
        (0, 1, 1, "There is nothing to run: name at least one prompt and one model."),
        (1, 0, 1, "There is nothing to run: no examples are left of eval set support."),
        (1, 1, 0, "The number of trials must be at least 1, not 0."),
    ],
)
def test_nothing_to_run_is_said(columns: int, examples: int, trials: int, sentence: str) -> None:
    evalset = make_evalset(1)
    with pytest.raises(UsageFault) as caught:
        make_plan(evalset, evalset.examples[:examples], [make_column()][:columns], trials=trials)
    assert str(caught.value) == sentence


def test_half_a_surrogate_pair_is_refused_before_anything_is_sent() -> None:
    evalset = make_evalset(1)
    with pytest.raises(UsageFault, match=r"^evalsets/support.toml: example 'cut' holds half of a surrogate pair"):
        make_plan(evalset, [Example("cut", {"ticket": "smile \ud83d"})], [make_column()])


def test_what_is_asked_beside_the_text_is_part_of_the_key_only_then() -> None:
    asked = [key(), key(logprobs=0), key(logprobs=5), key(choice_probabilities=True)]
    assert len(set(asked)) == 4
    assert key(logprobs=None, choice_probabilities=False) == asked[0]


def test_no_text_of_what_is_asked_is_held_by_a_plan() -> None:
    text = "A ticket of many words. " * 400
    prompt = make_prompt(text + "{{ ticket }}")
    evalset = make_evalset(100)
    columns = [make_column(prompt), make_column(prompt, "nano")]
    tracemalloc.start()
    try:
        plan = make_plan(evalset, evalset.examples, columns)
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 100 * len(text) / 2, "half a text an example"
    assert most < 100 * len(text) / 2
    assert [cell.request.messages[-1].content[: len(text)] for cell in plan.cells if cell.request] == [text] * 200

"""What the preview, the trial and the detail say, without a screen."""

from __future__ import annotations

from pathlib import Path

import places
import pytest

from promptlab.lab import Lab
from promptlab.models.values import ModelInfo
from promptlab.tui.screens.preview import best_evalset, look, preview_pieces
from promptlab.tui.screens.trial import EXAMPLES, model_options, trial_request
from promptlab.workspace.values import EvalSet, Example

JUDGE = """[judge]
scale = [1, 5]
criterion = "It is polite."
[[messages]]
role = "user"
content = "Grade {{ answer }}"
"""
CHOICES = JUDGE.replace("scale = [1, 5]", "choices = { yes = 1.0, no = 0.0 }")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.open(places.workspace(tmp_path / "shop"))


def evalset(name: str, *examples: Example) -> EvalSet:
    return EvalSet(name=name, content="", source=f"evalsets/{name}.toml", files=(), examples=examples)


def shown(lab: Lab, text: str, example: Example | None) -> str:
    cases = evalset("cases", example) if example else None
    return "".join(piece.text for piece in preview_pieces(look(lab, "triage", text, example), cases, 0))


@pytest.mark.parametrize(
    ("text", "words"), [(JUDGE, "scale = 1 to 5"), (CHOICES, 'choices = {"yes": 1.0, "no": 0.0}')]
)
def test_a_judge_shows_what_it_grades_by(lab: Lab, text: str, words: str) -> None:
    preview = shown(lab, text, Example(id="x", vars={}))
    assert "A judge: it is filled with the answer that it grades." in preview
    assert "criterion = It is polite." in preview
    assert words in preview
    assert "Grade {{ answer }}" in preview


def test_without_examples_it_says_what_to_do(lab: Lab) -> None:
    assert "i types an input" in shown(lab, places.SECOND, None)


def test_values_that_are_not_text_are_shown_as_json(lab: Lab) -> None:
    preview = shown(lab, places.SECOND, Example(id="x", vars={"ticket": ["a", 1]}, expected={"é": None}))
    assert 'ticket = ["a", 1]' in preview
    assert 'expected = {"é": null}' in preview


def test_several_problems_are_counted(lab: Lab) -> None:
    seen = look(lab, "triage", places.SECOND.replace("role", "rôle") + "x = 1\n", None)
    assert seen.prompt is None
    assert seen.problems
    wrong = look(lab, "triage", 'a = 1\nb = 2\n[[messages]]\nrole = "user"\ncontent = "x"\n', None)
    assert wrong.sentence.endswith("(and 1 more)")


def test_a_template_that_fails_while_it_is_filled_is_said(lab: Lab) -> None:
    seen = look(
        lab, "triage", places.SECOND.replace("{{ ticket }}", "{{ ticket.a.b }}"), Example("x", {"ticket": "t"})
    )
    assert seen.fault
    assert seen.sentence == seen.fault


def test_the_eval_set_that_has_the_variables_is_chosen() -> None:
    one, two = evalset("one", Example("x", {"a": 1})), evalset("two", Example("y", {"b": 1}))
    assert best_evalset([one, two], "one", frozenset({"b"})) is two
    assert best_evalset([one, two], "two", frozenset()) is two
    assert best_evalset([one, two], None, frozenset()) is one
    assert best_evalset([], None, frozenset()) is None
    assert best_evalset([evalset("none")], None, frozenset({"a"})) is not None


def test_a_trial_takes_the_example_in_the_preview_and_those_after_it(lab: Lab) -> None:
    cases = evalset("cases", *(Example(f"e{n}") for n in range(7)))
    prompt = lab.parse("triage", places.SECOND)
    alone = trial_request(prompt, lab.past("triage"), cases, 5)
    assert alone.subjects == ("triage",)
    assert alone.only == ("e5", "e6", "e0", "e1", "e2")
    assert len(alone.only) == EXAMPLES
    beside = trial_request(lab.parse("triage", places.FIRST), lab.past("triage"), cases, 0)
    assert beside.subjects == ("triage@v2", "triage")
    assert beside.baseline == "triage@v2"
    assert trial_request(prompt, None, cases, 0).subjects == ("triage",)


def test_a_model_tells_where_the_data_goes_or_why_it_cannot_be_used() -> None:
    def model(name: str, kind: str, goes: str, price: str = "", problem: str = "") -> ModelInfo:
        return ModelInfo(
            name=name,
            kind="gguf" if kind == "gguf" else "endpoint",
            identity="",
            target="",
            size=None,
            context=None,
            license=None,
            price=price,
            data_goes=goes,
            problem=problem,
        )

    models = [
        model("mini", "gguf", "this machine"),
        model("gpt", "endpoint", "api.openai.com", "$0.40 in, $1.60 out"),
        model("own", "endpoint", "host.example"),
        model("gone", "gguf", "this machine", problem="no such file"),
    ]
    options = model_options(models, ["mini", "gone"])
    assert [option.label for option in options] == [
        "mini  a file on this machine",
        "gpt  $0.40 in, $1.60 out; data goes to api.openai.com",
        "own  no price known; data goes to host.example",
        "gone  ! no such file",
    ]
    assert [option.ticked for option in options] == [True, False, False, False]

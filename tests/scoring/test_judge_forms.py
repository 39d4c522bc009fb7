"""Judges of facts, of both texts, of either order, and with quotes; each score worked out by hand beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from loopback import LoopbackServer

from promptlab.models.endpoint import Endpoint
from promptlab.models.values import Capabilities
from promptlab.scoring.catalogue import CATALOGUE, describe
from promptlab.scoring.criteria import CRITERIA, PREFIX, builtin
from promptlab.scoring.judge import Judged, judge_outcomes
from promptlab.scoring.questions import constraint_for, questions, table_of
from promptlab.scoring.values import JudgeItem, Score
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.values import Example, MetricSpec, Prompt

YES_NO = "choices = { yes = 1.0, no = 0.0 }"
WHOLE = Example(
    "e", {"q": "Where is it?"}, expected=["It is late.", "It comes."], reference="It is late. It comes on Friday."
)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(reply="yes") as server:
        yield server


@pytest.fixture
async def endpoint(server: LoopbackServer) -> AsyncIterator[Endpoint]:
    model = Endpoint(ModelEntry("gpt", model="gpt-x", base_url=server.base_url))
    yield model
    await model.close()


def judge(table: str, content: str = "{{ claim }} | {{ source }}") -> Prompt:
    text = f'[judge]\n{table}\n[[messages]]\nrole = "user"\ncontent = "{content}"\n'
    return parse_prompt(text.encode(), "j", "j.toml")


async def score(prompt: Prompt, model: Endpoint, answer: str, example: Example = WHOLE) -> Score:
    found = [one async for one in judge_outcomes(prompt, "m", [model], [JudgeItem("x", example, answer)], retries=0)]
    return found[0].score


async def test_expected_facts_are_looked_for_in_the_answer(endpoint: Endpoint, server: LoopbackServer) -> None:
    """One of the two facts is there: 1/2."""
    server.reply = lambda text: "yes" if text.startswith("It comes. | ") else "no"
    found = await score(judge(f'kind = "claims"\nclaims_of = "expected"\n{YES_NO}'), endpoint, "Friday.")
    assert (found.value, found.detail) == (0.5, "1 of 2 claims; not: “It is late.”")
    assert {asked.text for asked in server.asked} == {"It is late. | Friday.", "It comes. | Friday."}


async def test_points_of_the_reference_have_grades(endpoint: Endpoint, server: LoopbackServer) -> None:
    """(3 + 1) ÷ 2 = 2."""
    server.reply = lambda text: "3" if "late" in text else "1"
    found = await score(judge('kind = "claims"\nclaims_of = "reference"\nscale = [0, 3]'), endpoint, "Friday.")
    assert found.value == 2.0


async def test_both_texts_have_an_f1(endpoint: Endpoint, server: LoopbackServer) -> None:
    """1 of 3 sentences of the answer stand in the reference, 1 of 2 the other way: 2·(1/3)·(1/2) ÷ (5/6) = 0.4."""
    server.reply = lambda text: "yes" if text.startswith("It is late.") else "no"
    prompt = judge(f'kind = "claims"\nclaims_of = "both"\n{YES_NO}')
    found = await score(prompt, endpoint, "It is late. Sorry. Bye.")
    assert found.value == pytest.approx(0.4)
    assert found.detail.startswith("precision 0.33, recall 0.5; 2 of 5 claims; not: “answer: Sorry.”")
    server.reply = "no"
    assert (await score(prompt, endpoint, "Sorry.")).value == 0.0
    info = describe(MetricSpec("judge", "j"), table_of(prompt))
    assert (info.kind, info.low, info.high) == ("numeric", 0.0, 1.0)


async def test_either_order_counts_half(endpoint: Endpoint, server: LoopbackServer) -> None:
    server.reply = lambda text: "yes" if text.startswith("So") else "no"
    prompt = judge(f"turned = true\n{YES_NO}", "{{ answer }} = {{ reference }}")
    found = await score(prompt, endpoint, "So.", Example("e", reference="Thus."))
    assert (found.value, found.detail) == (0.5, "asked with answer and reference exchanged, too; 1, and 0 exchanged")
    assert {asked.text for asked in server.asked} == {"So. = Thus.", "Thus. = So."}
    assert describe(MetricSpec("judge", "j"), table_of(prompt)).kind == "numeric"


@pytest.mark.parametrize(
    ("quote", "grade", "value", "missing"),
    [
        ("it comes  ON friday", "fully", 1.0, ""),
        ("It never comes", "partly", None, "the judge quotes what the answer does not say: “It never comes”"),
        ("", "fully", None, "the judge quotes what the answer does not say: “”"),
        ("", "not", 0.0, ""),
    ],
)
async def test_a_grade_needs_a_quote_that_is_there(
    endpoint: Endpoint, server: LoopbackServer, quote: str, grade: str, value: float | None, missing: str
) -> None:
    server.reply = f'{{"quote": "{quote}", "grade": "{grade}"}}'
    prompt = judge("quote = true\nchoices = { fully = 1.0, partly = 0.5, not = 0.0 }", "{{ answer }}")
    found = await score(prompt, endpoint, "Sorry. It comes on Friday.")
    assert (found.value, found.missing) == (value, missing)
    held = constraint_for(prompt, Capabilities(json_schema=True))
    assert held is not None
    assert held.json_schema is not None
    assert held.json_schema["required"] == ["quote", "grade"]


@pytest.mark.parametrize(
    ("table", "lacking"),
    [
        ('kind = "claims"\nclaims_of = "expected"\n', "the example has no `expected` facts"),
        ('kind = "claims"\nclaims_of = "reference"\n', "the example has no `reference`"),
        ('kind = "claims"\nclaims_of = "both"\n', "the example has no `reference`"),
        ("turned = true\n", "the example has no `reference`"),
    ],
)
async def test_what_the_example_lacks(endpoint: Endpoint, table: str, lacking: str) -> None:
    assert (await score(judge(table + YES_NO, "?"), endpoint, "Yes.", Example("e"))).missing == lacking


FULL = Example("e", {"q": "Why?"}, "E.", reference="R.", previous="P.", feedback="F.", context="C.")


@pytest.mark.parametrize("name", CRITERIA)
def test_every_criterion_asks_and_shows_what_it_judges(name: str) -> None:
    prompt = builtin(PREFIX + name)
    asked = questions(prompt, JudgeItem("x", FULL, "Answer.", "Other.", "Do."))
    texts = ["\n".join(message.content for message in one.messages) for one in asked]
    assert asked
    assert all(CRITERIA[name].text in text for text in texts)
    assert all("{{" not in text and "LOW" not in text and "HIGH" not in text for text in texts)
    assert any("Answer." in text for text in texts) or name.startswith("context_")
    info = describe(MetricSpec("judge", name), table_of(prompt))
    assert info.low is not None
    assert info.high is not None
    assert name not in CATALOGUE, "a criterion is named builtin:…"


@pytest.mark.parametrize(
    ("names", "field"),
    [
        ("fact_consistency no_contradiction key_points semantic_f1 equivalence", "reference"),
        ("groundedness context_relevance context_sufficiency", "context"),
        ("feedback_incorporated nothing_lost", "previous"),
    ],
)
async def test_nothing_is_asked_of_an_example_without_what_a_criterion_is_about(
    endpoint: Endpoint, server: LoopbackServer, names: str, field: str
) -> None:
    item = JudgeItem("e", Example("e", {"q": "Where?"}), "It is late.")
    for name in names.split():
        found = [one async for one in judge_outcomes(builtin(f"{PREFIX}{name}"), "m", [endpoint], [item])]
        assert found == [Judged("e", Score("m", missing=f"the example has no `{field}`"), ())], name
    assert not server.asked

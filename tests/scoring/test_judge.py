"""Judges asked for real: over HTTP on the loopback address, and on the packaged model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from gguf_support import NANO
from loopback import LoopbackServer, completion, status

from promptlab.errors import ModelFault, UsageFault
from promptlab.models.cache import Cache
from promptlab.models.endpoint import Endpoint
from promptlab.models.retry import RetryPolicy
from promptlab.models.values import Capabilities, Constraint, Model, Outcome, Request
from promptlab.scoring.judge import judge_constraint, judge_messages, judge_outcomes
from promptlab.scoring.values import JudgeItem, Score
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.values import Example, Judge, Message, ModelEntry, Params, Prompt

TEXT = "{{ criterion }} From {{ scale_low }} to {{ scale_high }}. Ticket: {{ ticket }} Reply: {{ answer }}"
QUICK = RetryPolicy(first=0.001, longest=0.01)


def judge(content: str = TEXT, table: Judge | None = None) -> Prompt:
    grades = table or Judge(scale=(1, 5), criterion="Is it polite?")
    messages = (Message("user", content),)
    return Prompt(
        "judges/polite", "0" * 12, "prompts/judges/polite.toml", messages, Params(max_tokens=8), judge=grades
    )


def item(id: str, answer: str = "Hello!", **fields: object) -> JudgeItem:
    return JudgeItem(id, Example(id, vars={"ticket": "Late.", "answer": "never this"}, **fields), answer)  # type: ignore[arg-type] fields of an example


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(reply="Score: 4") as server:
        yield server


@pytest.fixture
async def endpoint(server: LoopbackServer) -> AsyncIterator[Endpoint]:
    model = Endpoint(ModelEntry("gpt", model="gpt-x", base_url=server.base_url), policy=QUICK)
    yield model
    await model.close()


async def grade(
    model: Model, items: Sequence[JudgeItem], prompt: Prompt | None = None, cache: Cache | None = None
) -> dict[str, Score]:
    found: dict[str, Score] = {}
    async for id, score, outcome in judge_outcomes(prompt or judge(), "polite", model, items, cache):
        assert id not in found
        assert (outcome.fault is None) or score.missing
        found[id] = score
    assert found.keys() == {one.id for one in items}
    return found


def test_what_a_judge_is_sent() -> None:
    example = Example("e", {"ticket": "Late.", "answer": "mine", "criterion": "mine"}, expected=["a"], reference="b")
    sent = judge_messages(judge(TEXT + " {{ expected }} {{ reference }}"), example, "Sorry!")
    assert sent.messages[0].content == 'Is it polite? From 1 to 5. Ticket: Late. Reply: Sorry! ["a"] b'
    words = Judge(choices={"yes": 1.0, "no": 0.0})
    sent = judge_messages(judge("{{ choices | join('/') }} {{ reference is defined }}", words), Example("e"), "x")
    assert sent.messages[0].content == "yes/no false"


def test_a_judge_that_needs_what_the_example_lacks() -> None:
    with pytest.raises(TemplateFault, match="reference"):
        judge_messages(judge("{{ reference }}"), Example("e"), "x")


def test_a_judge_may_answer_with_a_grade_only() -> None:
    assert judge_constraint(judge()) == Constraint(choices=("1", "2", "3", "4", "5"))
    words = judge(table=Judge(choices={"yes": 1.0, "no": 0.0}))
    assert judge_constraint(words) == Constraint(choices=("yes", "no"))


def test_a_prompt_that_is_no_judge() -> None:
    plain = Prompt("triage", "0" * 12, "prompts/triage.toml", (Message("user", "x"),))
    with pytest.raises(UsageFault) as fault:
        judge_constraint(plain)
    assert str(fault.value) == "“triage” is no judge: it has no [judge] table (prompts/triage.toml)."


async def test_every_item_gets_its_grade_and_equal_ones_are_asked_once(
    endpoint: Endpoint, server: LoopbackServer
) -> None:
    server.reply = lambda text: "Score: 5" if "Hello" in text else "I can't."
    found = await grade(endpoint, [item("a"), item("b", "Go away"), item("c")])
    assert found["a"] == found["c"] == Score("polite", 5.0)
    assert found["b"] == Score("polite", missing="no grade in the judge's reply: “I can't.”")
    assert len(server.asked) == 2


async def test_what_was_judged_once_comes_from_the_cache(
    endpoint: Endpoint, server: LoopbackServer, tmp_path: Path
) -> None:
    cache = Cache(tmp_path)
    items = [item("a"), item("b", "Bye")]
    first = await grade(endpoint, items[:1], cache=cache)
    both = await grade(endpoint, items, cache=cache)
    assert both["a"] == first["a"] == Score("polite", 4.0)
    assert len(server.asked) == 2
    await grade(endpoint, items, judge(TEXT + "!"), cache)
    assert len(server.asked) == 4
    cache.close()


async def test_a_missing_variable_costs_no_call(endpoint: Endpoint, server: LoopbackServer) -> None:
    prompt = judge("{{ reference }} {{ answer }}")
    found = await grade(endpoint, [item("a"), item("b", reference="r")], prompt)
    assert found["a"].missing.startswith("error: ")
    assert "reference" in found["a"].missing
    assert found["b"] == Score("polite", 4.0)
    assert len(server.asked) == 1


async def test_a_fault_of_one_request_is_missing_and_the_others_go_on(
    endpoint: Endpoint, server: LoopbackServer
) -> None:
    server.rule = lambda asked: status(400, "no") if "Bye" in asked.text else None
    found = await grade(endpoint, [item("a"), item("b", "Bye")])
    assert found["a"].value == 4.0
    assert found["b"].missing.startswith("error: ")


async def test_a_key_that_is_refused_is_told_for_every_item(endpoint: Endpoint, server: LoopbackServer) -> None:
    server.rule = lambda asked: status(401, "no")
    found = await grade(endpoint, [item(str(index), f"Reply {index}") for index in range(60)])
    assert all(score.missing.startswith("error: ") for score in found.values())
    assert len(server.asked) < 60


async def test_a_reply_cut_within_a_grade_is_missing(endpoint: Endpoint, server: LoopbackServer) -> None:
    ten = judge(table=Judge(scale=(1, 10), criterion="?"))
    server.next(completion("Score: 1", finish_reason="length"))
    cut = await grade(endpoint, [item("a")], ten)
    assert cut["a"].missing == "the judge's reply was cut off at `max_tokens`, perhaps within a grade: …1"
    server.next(completion("Score: 7", finish_reason="length"))
    assert (await grade(endpoint, [item("a")], ten))["a"].value == 7.0
    server.next(completion("Let me see", finish_reason="length"))
    nothing = await grade(endpoint, [item("a")], ten)
    assert nothing["a"].missing == "no grade in the judge's reply: “Let me see”; it was cut off at `max_tokens`"


async def test_a_model_that_cannot_start_is_told_for_every_item(tmp_path: Path) -> None:
    from promptlab.models.registry import open_model

    model = open_model(ModelEntry("gone", gguf=str(tmp_path / "gone.gguf")), tmp_path)
    try:
        found = await grade(model, [item("a"), item("b", "Bye")])
    finally:
        await model.close()
    assert all(score.missing.startswith("error: ") and "gone.gguf" in score.missing for score in found.values())


class Odd:
    """A model that keeps to its protocol as little as the test says; no real one does this on demand."""

    name = "odd"
    identity = "odd"
    capabilities = Capabilities()

    def __init__(self, text: str = "", *, key: str = "", fault: str = "") -> None:
        self.text = text
        self.key = key
        self.fault = fault
        self.closed = False

    async def generate(self, requests: Sequence[Request]) -> AsyncIterator[Outcome]:
        try:
            for request in requests:
                if self.fault:
                    raise ModelFault(self.fault)
                yield Outcome(self.key or request.key, self.text)
        finally:
            self.closed = True

    async def close(self) -> None:
        """Nothing is open."""


async def test_an_answer_that_never_comes_is_missing() -> None:
    found = await grade(Odd("5", key="nobody's"), [item("a")])
    assert found == {"a": Score("polite", missing="error: The model gave no answer.")}


async def test_a_model_that_ends_half_way_is_missing() -> None:
    found = await grade(Odd(fault="The engine is gone."), [item("a"), item("b", "Bye")])
    assert {score.missing for score in found.values()} == {"error: The engine is gone."}


async def test_half_an_emoji_in_a_reply_is_no_crash(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for _ in range(2):
        assert (await grade(Odd("Score: 4 \ud83d"), [item("a")], cache=cache))["a"].value == 4.0
    cache.close()


async def test_closing_the_iterator_closes_the_model_s_stream() -> None:
    model = Odd("4")
    graded = judge_outcomes(judge(), "polite", model, [item("a"), item("b", "Bye")])
    assert (await anext(graded)).score.value == 4.0
    assert not model.closed
    await graded.aclose()
    assert model.closed


async def test_many_items_let_the_screen_breathe(endpoint: Endpoint) -> None:
    found = await grade(endpoint, [item(str(index)) for index in range(450)])
    assert {score.value for score in found.values()} == {4.0}


@pytest.mark.local
@pytest.mark.parametrize(
    "table", [Judge(scale=(1, 5), criterion="?"), Judge(choices={"yes": 1.0, "no": 0.0}, criterion="?")]
)
async def test_the_packaged_model_always_gives_a_grade(table: Judge) -> None:
    from promptlab.models.registry import open_model

    prompt = judge("{{ criterion }} Rate this reply. Reply: {{ answer }}", table)
    model = open_model(ModelEntry("nano", gguf=str(NANO)), NANO.parent)
    try:
        found = await grade(
            model, [item(str(index), f"Hello, order {index} is on its way.") for index in range(40)], prompt
        )
    finally:
        await model.close()
    assert [score.missing for score in found.values() if score.missing] == []

"""Judges asked for real: over HTTP on the loopback address, and on the packaged model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from gguf_support import NANO
from loopback import LoopbackServer, completion, status
from msgspec import structs

from promptlab.errors import ModelFault, UsageFault
from promptlab.models.cache import Cache
from promptlab.models.endpoint import Endpoint
from promptlab.models.retry import RetryPolicy
from promptlab.models.values import Capabilities, ChoiceProbabilities, Constraint, Model, Outcome, Request
from promptlab.scoring.criteria import builtin
from promptlab.scoring.judge import judge_outcomes
from promptlab.scoring.juries import USUAL, Jury
from promptlab.scoring.questions import NotAsked, Question, claims_of, constraint_for, questions
from promptlab.scoring.replies import is_inconsistent
from promptlab.scoring.values import JudgeItem, Score
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.values import Example, Judge, Message, Params, Prompt

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
    async for id, score, outcomes in judge_outcomes(prompt or judge(), "polite", [model], items, cache, retries=0):
        assert id not in found
        assert score.missing or all(outcome.fault is None for outcome in outcomes)
        assert not outcomes or not outcomes[0].key or len(score.replies) == len(outcomes)
        found[id] = structs.replace(score, replies=())
    assert found.keys() == {one.id for one in items}
    return found


def one_question(prompt: Prompt, example: Example, answer: str) -> Question:
    (found,) = questions(prompt, JudgeItem("x", example, answer))
    return found


def test_what_a_judge_is_sent() -> None:
    example = Example("e", {"ticket": "Late.", "answer": "mine", "criterion": "mine"}, expected=["a"], reference="b")
    sent = one_question(judge(TEXT + " {{ expected }} {{ reference }}"), example, "Sorry!")
    assert sent.messages[0].content == 'Is it polite? From 1 to 5. Ticket: Late. Reply: Sorry! ["a"] b'
    words = Judge(choices={"yes": 1.0, "no": 0.0})
    sent = one_question(judge("{{ choices | join('/') }} {{ reference is defined }}", words), Example("e"), "x")
    assert sent.messages[0].content == "yes/no false"


def test_a_judge_that_needs_what_the_example_lacks() -> None:
    with pytest.raises(TemplateFault, match="reference"):
        one_question(judge("{{ reference }}"), Example("e"), "x")


def test_a_judge_may_answer_with_a_grade_only() -> None:
    can = Capabilities(choices=True, json_schema=True)
    assert constraint_for(judge(), Capabilities()) is None
    assert constraint_for(judge(), can) == Constraint(choices=("1", "2", "3", "4", "5"))
    words = judge(table=Judge(choices={"yes": 1.0, "no": 0.0}))
    assert constraint_for(words, can) == Constraint(choices=("yes", "no"))


def test_a_prompt_that_is_no_judge() -> None:
    plain = Prompt("triage", "0" * 12, "prompts/triage.toml", (Message("user", "x"),))
    with pytest.raises(UsageFault) as fault:
        constraint_for(plain, Capabilities())
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
    assert found["a"].missing == "the example has no `reference`"
    assert found["b"] == Score("polite", 4.0)
    assert len(server.asked) == 1
    assert (await grade(endpoint, [item("a")], judge("{{ nothing }}")))["a"].missing.startswith("error: ")


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

    def __init__(self, text: str = "", *, key: str = "", fault: str = "", slow: bool = False) -> None:
        self.text = text
        self.key = key
        self.fault = fault
        self.slow = slow
        self.closed = False

    async def generate(self, requests: Sequence[Request]) -> AsyncIterator[Outcome]:
        try:
            for request in requests:
                if self.fault:
                    raise ModelFault(self.fault)
                yield Outcome(self.key or request.key, self.text)
                if self.slow:
                    await asyncio.sleep(3600)
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
    model = Odd("4", slow=True)
    graded = judge_outcomes(judge(), "polite", [model], [item("a"), item("b", "Bye")])
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


# -- pairs, claims, several judges ----------------------------------------------------------------

PAIR = judge("Which is better? A: {{ answer_a }} B: {{ answer_b }}", Judge(kind="pairwise"))


def pair(id: str, answer: str, against: str | None) -> JudgeItem:
    return JudgeItem(id, Example(id), answer, against)


async def judged(
    prompt: Prompt, models: Sequence[Model], items: Sequence[JudgeItem], jury: Jury = USUAL, retries: int = 2
) -> dict[str, Score]:
    found = judge_outcomes(prompt, "m", models, items, jury=jury, retries=retries)
    return {one.id: one.score async for one in found}


def prefers(text: str, good: str) -> str:
    """The place of the answer that has this word, else a tie."""
    a, b = text.partition(" B: ")[::2]
    return "tie" if (good in a) == (good in b) else "A" if good in a else "B"


async def test_a_pair_is_asked_in_both_orders_and_blind(endpoint: Endpoint, server: LoopbackServer) -> None:
    server.reply = lambda text: f"Verdict: {prefers(text, 'good')}"
    items = [pair("won", "good", "bad"), pair("lost", "bad", "so good"), pair("tied", "bad", "evil")]
    found = await judged(PAIR, [endpoint], items)
    assert {id: (score.value, score.detail) for id, score in found.items()} == {
        "won": (1.0, "preferred in both orders"),
        "lost": (0.0, "the baseline's is preferred in both orders"),
        "tied": (0.5, "a tie in both orders"),
    }
    assert sorted(asked.text for asked in server.asked)[:2] == [
        "Which is better? A: bad B: evil",
        "Which is better? A: bad B: good",
    ]
    assert len(server.asked) == 6
    assert [(reply.about, reply.value) for reply in found["won"].replies] == [("AB", 1.0), ("BA", 1.0)]


@pytest.mark.parametrize(("place", "word"), [("A", "first"), ("B", "second")])
async def test_a_place_that_always_wins_is_a_tie(
    endpoint: Endpoint, server: LoopbackServer, place: str, word: str
) -> None:
    server.reply = place
    found = await judged(PAIR, [endpoint], [pair("x", "one", "two")])
    assert found["x"].value == 0.5
    assert found["x"].detail == f"inconsistent: the {word} place won twice, so it counts as a tie"
    assert is_inconsistent(found["x"].replies)


async def test_one_order_without_an_answer_is_missing(endpoint: Endpoint, server: LoopbackServer) -> None:
    server.reply = lambda text: "A" if "A: two" in text else "C"
    found = await judged(PAIR, [endpoint], [pair("x", "one", "two"), pair("alone", "one", None)])
    assert found["x"].missing == "no grade in the judge's reply: “C”"
    assert found["alone"].missing == "there is no answer of the baseline to compare it with"


async def test_a_reply_without_a_grade_is_asked_again(endpoint: Endpoint, server: LoopbackServer) -> None:
    server.next(completion("Well."), completion("Hm."))
    found = await judged(judge(), [endpoint], [item("a")])
    assert found["a"].value == 4.0
    assert (found["a"].replies[0].calls, found["a"].replies[0].tokens_in) == (3, 24)
    assert len({asked.body["seed"] for asked in server.asked}) == 3
    server.reply = "I would rather not."
    found = await judged(judge(), [endpoint], [item("a", "Bye")])
    assert found["a"].missing.startswith("no grade in the judge's reply")
    assert len(server.asked) == 6


async def test_claims_are_judged_one_by_one(endpoint: Endpoint, server: LoopbackServer) -> None:
    grounded = judge("{{ context }} Claim: {{ claim }}", Judge(kind="claims", choices={"yes": 1.0, "no": 0.0}))
    server.reply = lambda text: "yes" if "ship" in text.partition("Claim:")[2] else "no"
    answer = "We ship on Monday. It is free. Shipping takes two days."
    found = await judged(grounded, [endpoint], [JudgeItem("x", Example("x", context="c"), answer)])
    assert found["x"].value == pytest.approx(1 / 3)
    assert found["x"].detail == "1 of 3 claims; not: “It is free.” “Shipping takes two days.”"
    assert [reply.about for reply in found["x"].replies] == list(claims_of(answer))


def test_sentences_of_an_answer() -> None:
    text = "Dr. no. It cost 3.50 dollars!\n- one\n- one\n\n***\n2. Said “Go.” Then left"
    assert claims_of(text) == ("Dr. no.", "It cost 3.50 dollars!", "one", "Said “Go.”", "Then left")
    with pytest.raises(NotAsked, match="the answer makes no claim"):
        claims_of("...")
    with pytest.raises(NotAsked, match="the answer has 60 sentences, and 40 at most are judged one by one"):
        claims_of("\n".join(f"Sentence {'x' * n}." for n in range(60)))


async def test_a_reason_comes_first_and_is_kept(endpoint: Endpoint, server: LoopbackServer) -> None:
    why = judge(table=Judge(scale=(1, 5), criterion="?", reason=True))
    server.reply = '{"reason": "It is a 2 at first sight, score 3 at second.", "grade": "4"}'
    found = await judged(why, [endpoint], [item("a")])
    assert found["a"].value == 4.0
    assert "second" in found["a"].replies[0].text
    able = constraint_for(why, Capabilities(choices=True, json_schema=True))
    assert able is not None
    assert able.json_schema is not None
    assert constraint_for(why, Capabilities(choices=True)) is None


@pytest.fixture
async def jury(server: LoopbackServer) -> AsyncIterator[list[Endpoint]]:
    server.rule = lambda asked: completion({"one": "5", "two": "2", "three": "2"}[asked.body["model"]])
    entries = (ModelEntry(name, model=name, base_url=server.base_url) for name in ("one", "two", "three"))
    models = [Endpoint(entry, policy=QUICK) for entry in entries]
    yield models
    for model in models:
        await model.close()


@pytest.mark.parametrize(
    ("how", "value", "detail"),
    [
        (Jury(), 3.0, "mean of one 5, two 2, three 2; they differ by 1.4 (sd)"),
        (Jury("median"), 2.0, "median of one 5, two 2, three 2; they differ by 1.4 (sd)"),
        (Jury("trimmed"), 2.0, "trimmed mean of one 5, two 2, three 2; they differ by 1.4 (sd)"),
        (Jury("majority"), 2.0, "majority of one 5, two 2, three 2; they differ by 1.4 (sd)"),
        (
            Jury(weights={"one": 4}),
            4.0,
            "weighted mean of one 5 (× 4), two 2 (× 1), three 2 (× 1); they differ by 1.4 (sd)",
        ),
    ],
)
async def test_a_jury_says_how_far_it_is_apart(jury: list[Endpoint], how: Jury, value: float, detail: str) -> None:
    found = await judged(judge(), jury, [item("a")], how)
    assert (found["a"].value, found["a"].detail) == (value, detail)
    assert [reply.model for reply in found["a"].replies] == ["one", "two", "three"]


async def test_a_jury_without_a_majority_or_a_member_is_missing(jury: list[Endpoint], server: LoopbackServer) -> None:
    found = await judged(judge(), jury[:2], [item("a")], Jury("majority"))
    assert found["a"].missing == "no majority: one 5, two 2"
    server.rule = lambda asked: completion("5" if asked.body["model"] == "one" else "No.")
    found = await judged(judge(), jury[:2], [item("a")])
    assert found["a"].missing == "two: no grade in the judge's reply: “No.”"


async def test_equal_questions_cost_once(endpoint: Endpoint, server: LoopbackServer) -> None:
    found = await judged(judge(), [endpoint], [item("a"), item("b")])
    assert [sum(r.tokens_in for r in found[id].replies) for id in ("a", "b")] == [8, 0]
    assert len(server.asked) == 1


class Weighing(Odd):
    """Gives probabilities of the grades as it is told; the packaged model is asked below."""

    capabilities = Capabilities(choices=True, choice_probabilities=True)

    def __init__(self, of: dict[str, float], mass: float) -> None:
        super().__init__(max(of, key=lambda word: of[word]))
        self.found = ChoiceProbabilities(of, mass)

    async def generate(self, requests: Sequence[Request]) -> AsyncIterator[Outcome]:
        for request in requests:
            assert request.choice_probabilities
            assert request.constraint is not None
            yield Outcome(request.key, self.text, choices=self.found)


@pytest.mark.parametrize(
    ("mass", "doubt"),
    [(0.9, ""), (0.031, "; only 3.1% of what it would say is a grade")],
    ids=["sure", "would say something else"],
)
async def test_an_expected_grade(mass: float, doubt: str) -> None:
    """Σ p(s)·s: 0.25·2 + 0.75·4 = 3.5, whatever else the model might have said: all of a column is of one kind."""
    prompt = judge(table=Judge(scale=(1, 5), criterion="?", expected=True))
    found = await judged(prompt, [Weighing({"2": 0.25, "4": 0.75}, mass)], [item("a")])
    assert found["a"].value == 3.5
    assert found["a"].replies[0].mass == mass
    assert found["a"].detail == f"expected over the probabilities of the grades; most probable 4{doubt}"


async def test_an_endpoint_without_probabilities_gives_the_grade_it_gave(endpoint: Endpoint) -> None:
    prompt = judge(table=Judge(scale=(1, 5), criterion="?", expected=True))
    found = await judged(prompt, [endpoint], [item("a")])
    assert (found["a"].value, found["a"].detail, found["a"].replies[0].expected) == (4.0, "", False)


@pytest.mark.local
async def test_the_packaged_model_weighs_its_grades() -> None:
    from promptlab.models.registry import open_model

    model = open_model(ModelEntry("nano", gguf=str(NANO)), NANO.parent)
    asked = [
        JudgeItem(
            str(n), Example(str(n), {"ticket": f"Order {n} is late."}, expected="shipping"), f"It is about {n}."
        )
        for n in range(20)
    ]
    try:
        found = await judged(builtin("builtin:correctness"), [model], asked)
    finally:
        await model.close()
    assert [score.missing for score in found.values() if score.missing] == []
    assert all(1 <= (score.value or 0) <= 5 for score in found.values())

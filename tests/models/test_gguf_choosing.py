"""Probabilities: of choices and of the tokens of an answer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import msgspec
import numpy as np
import pytest
from gguf_support import LABELS, MINI, TICKET, TOPIC, ask
from hypothesis import given
from hypothesis import strategies as st

from promptlab.models.values import Constraint, Outcome, Request
from promptlab.workspace.values import Params

pytest.importorskip("llama_cpp", reason="the local engine is not installed")

from promptlab.models.gguf.choosing import Choices
from promptlab.models.gguf.engine import Engine
from promptlab.models.gguf.probabilities import LEAST, logprobs, most_probable
from promptlab.models.gguf.scheduler import Mode

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def mini() -> Iterator[Engine]:
    engine = Engine(str(MINI).encode(), None, threads=1, plain=True)
    yield engine
    engine.close()


def weigh(choices: tuple[str, ...], content: str = TOPIC.format(ticket=TICKET), key: str = "k") -> Request:
    return msgspec.structs.replace(
        ask(content, key=key, constraint=Constraint(choices=choices)), choice_probabilities=True
    )


def one(engine: Engine, request: Request) -> Outcome:
    (outcome,) = engine.answer([request])
    return outcome


words = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple)


@given(st.lists(words, min_size=1, max_size=6, unique=True), st.integers(0, 1000))
def test_choices_are_as_probable_as_texts_that_begin_with_them(spelled: list[tuple[int, ...]], seed: int) -> None:
    """All texts of four tokens of a random model, counted one by one."""
    random = np.random.default_rng(seed)
    numbers = {
        place: random.normal(size=4).astype(np.float32) for n in range(4) for place in product(range(4), repeat=n)
    }
    choices = Choices([(str(tokens), tokens) for tokens in spelled])
    for place in choices.places:
        choices.measure(place, numbers[place])
    begun = dict.fromkeys(map(str, spelled), 0.0)
    longer = {
        tokens: [one for one in spelled if one[: len(tokens)] == tokens and one != tokens] for tokens in spelled
    }
    for text in product(range(4), repeat=4):
        for tokens in spelled:
            goes_on = any(text[: len(tokens) + 1] == one[: len(tokens) + 1] for one in longer[tokens])
            if text[: len(tokens)] == tokens and not goes_on:
                steps = (logprobs(numbers[text[:n]], [text[n]])[0] for n in range(4))
                begun[str(tokens)] += math.exp(math.fsum(steps))
    found = choices.probabilities()
    mass = math.fsum(begun.values())
    assert found.mass == pytest.approx(mass, abs=1e-9)
    assert list(found.of) == list(begun)
    for choice, share in begun.items():
        assert found.of[choice] == pytest.approx(share / mass, abs=1e-9)


def test_choices_of_one_token_are_as_probable_as_that_token(mini: Engine) -> None:
    outcome = one(mini, weigh(LABELS))
    plain = one(mini, msgspec.structs.replace(ask(), logprobs=500))
    first = {alternative.text: math.exp(alternative.logprob) for alternative in plain.logprobs[0].top}
    assert outcome.choices is not None
    assert outcome.choices.mass == pytest.approx(sum(first[label] for label in LABELS))
    for label in LABELS:
        assert outcome.choices.of[label] == pytest.approx(first[label] / outcome.choices.mass)
    assert (outcome.text, outcome.finish, outcome.key, outcome.logprobs) == ("billing", "stop", "k", ())
    assert outcome.usage.prompt == plain.usage.prompt


def test_choices_that_begin_alike_are_told_apart(mini: Engine) -> None:
    outcome = one(mini, weigh(("billing", "bill", "b", "billing problem", "10", "1", "12")))
    assert outcome.choices is not None
    assert sum(outcome.choices.of.values()) == pytest.approx(1)
    assert outcome.choices.of["billing"] > 0.99
    assert all(0 < share < 1 for share in outcome.choices.of.values())


def test_what_is_weighed_evaluates_the_prompt_once(mini: Engine) -> None:
    tokens = len(mini.tokens(weigh(LABELS).messages))
    before = mini.evaluated
    one(mini, weigh(("xylophone", "a quick brown fox", "a quick brown dog"), TOPIC.format(ticket=TICKET[::-1])))
    reversed_tokens = len(mini.tokens(weigh(LABELS, TOPIC.format(ticket=TICKET[::-1])).messages))
    assert mini.evaluated - before < reversed_tokens + 3 * tokens


def test_weighing_stands_beside_writing_and_is_asked_once(mini: Engine) -> None:
    requests = [
        request
        for number in range(6)
        for content in (TOPIC.format(ticket=f"{TICKET} {number % 3}"),)
        for request in (weigh(LABELS, content, f"w{number}"), ask(content, key=f"a{number}"))
    ]
    outcomes = mini.answer(requests)
    assert [outcome.key for outcome in outcomes] == [request.key for request in requests]
    assert [outcome.choices is not None for outcome in outcomes] == [True, False] * 6
    assert outcomes[0].choices == outcomes[6].choices
    assert outcomes[0].choices != outcomes[2].choices


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ((), "Probabilities of choices are asked for, and the request names no choices."),
        (("a", ""), "The choices cannot be weighed: the model has no tokens that make up exactly “”."),
    ],
)
def test_what_cannot_be_weighed_says_so(choices: tuple[str, ...], sentence: str, mini: Engine) -> None:
    fault = one(mini, weigh(choices)).fault
    assert fault is not None
    assert (fault.kind, fault.message) == ("rejected", sentence)
    bare = one(mini, msgspec.structs.replace(weigh(LABELS), constraint=None)).fault
    assert bare is not None
    assert bare.kind == "rejected"


def test_control_tokens_in_a_choice_are_plain_text(mini: Engine) -> None:
    outcome = one(mini, weigh(("<|im_end|>", "billing")))
    assert outcome.choices is not None
    assert outcome.choices.of["<|im_end|>"] < 0.01


def test_log_probabilities_come_only_when_asked(mini: Engine) -> None:
    reply = ask("Write a polite reply.", params=Params(max_tokens=12, temperature=1.0), seed=3)
    plain, chosen, several = mini.answer(
        [msgspec.structs.replace(reply, key=str(count), logprobs=count) for count in (None, 0, 4)]
    )
    assert plain.logprobs == ()
    assert plain.text == chosen.text == several.text == "".join(one.text for one in chosen.logprobs)
    assert len(chosen.logprobs) == chosen.usage.completion
    for token, more in zip(chosen.logprobs, several.logprobs, strict=True):
        assert token.top == ()
        assert (token.text, token.logprob) == (more.text, more.logprob)
        steps = [alternative.logprob for alternative in more.top]
        assert len(steps) == 4
        assert steps == sorted(steps, reverse=True)
        assert more.logprob <= steps[0] < 0
    decoder = msgspec.json.Decoder(Outcome)
    assert decoder.decode(msgspec.json.encode(several)) == several


def test_log_probabilities_are_of_the_model_and_not_of_the_contract(mini: Engine) -> None:
    request = msgspec.structs.replace(ask(constraint=Constraint(choices=("other",))), logprobs=1)
    (token,) = one(mini, request).logprobs
    assert (token.text, token.top[0].text) == ("other", "billing")
    assert token.logprob < -1


def test_numbers_that_are_none_do_not_reach_a_file() -> None:
    broken = np.full(8, np.nan, np.float32)
    assert logprobs(broken, [1, 2]) == [LEAST, LEAST]
    masked = np.array([0.0, -np.inf], np.float32)
    assert logprobs(masked, [0, 1]) == [0.0, LEAST]
    choices = Choices([("a", (1,)), ("b", (2,))])
    choices.measure((), broken)
    assert choices.probabilities().of == {"a": 0.5, "b": 0.5}
    assert choices.probabilities().mass == 0.0


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(0, 40))
def test_the_most_probable_are_as_a_stable_sort_has_them(numbers: list[int], count: int) -> None:
    expected = sorted(range(len(numbers)), key=lambda index: -numbers[index])[:count]
    assert most_probable(np.array(numbers, np.float32), count) == expected


def test_weighing_is_the_same_one_by_one_and_all_at_once_where_that_is_asked_for() -> None:
    requests = [weigh((*LABELS, "bill", "x 10", "x 1"), TOPIC.format(ticket=TICKET[n:]), str(n)) for n in range(12)]

    def found(mode: Mode) -> list[Outcome]:
        engine = Engine(str(MINI).encode(), None, 1, plain=True, mode=mode)
        try:
            return [msgspec.structs.replace(outcome, latency=0) for outcome in engine.answer(requests)]
        finally:
            engine.close()

    assert found(Mode(slots=1, share=False, invariant=True)) == found(Mode(invariant=True))

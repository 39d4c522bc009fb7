"""Probabilities of choices over an endpoint: from the first token of an answer, or a sentence why not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Answer, LoopbackServer, completion, status

from promptlab.models.endpoint import Endpoint
from promptlab.models.first_token import for_first_token, weighed
from promptlab.models.values import Alternative, Constraint, Outcome, Request, TokenLogprob
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.values import Message, Params


def asked(*choices: str) -> Request:
    constraint = Constraint(choices=choices)
    params = Params(max_tokens=40, stop=("x",))
    return Request("k", (Message("user", "Which?"),), params, 7, constraint, choice_probabilities=True)


def first(tokens: dict[str, float]) -> Answer:
    """An answer whose first token might have been any of these, with these probabilities."""
    top = [{"token": token, "logprob": math.log(share)} for token, share in tokens.items()]
    return completion("x", logprobs={"content": [{**top[0], "top_logprobs": top}]})


async def outcome_of(server: LoopbackServer, request: Request, **entry: bool) -> tuple[Outcome, tuple[str, ...]]:
    model = Endpoint(ModelEntry(name="gpt", model="gpt", base_url=server.base_url, **entry))
    (found,) = [one async for one in model.generate([request])]
    await model.close()
    return found, model.traffic.notices


async def test_they_are_those_of_the_first_token_however_it_is_spelled(server: LoopbackServer) -> None:
    server.next(first({" bill": 0.5, "Hello": 0.2, "ship": 0.1, "shipping": 0.15}))
    found, notices = await outcome_of(server, asked("billing", "shipping"), stream=True)
    assert found.choices is not None
    assert found.choices.of == pytest.approx({"billing": 2 / 3, "shipping": 1 / 3})
    assert found.choices.mass == pytest.approx(0.75)
    assert (found.text, found.finish, notices) == ("billing", "stop", ())
    body = server.asked[0].body
    assert (body["max_tokens"], body["top_logprobs"], body["temperature"]) == (1, 20, 1.0)
    assert not body.keys() & {"stop", "stream", "response_format"}


async def test_a_choice_that_is_not_among_them_counts_as_0_and_the_person_is_told(server: LoopbackServer) -> None:
    server.next(first({"yes": 0.9}))
    found, notices = await outcome_of(server, asked("yes", "no"))
    assert found.choices is not None
    assert found.choices.of == {"yes": 1.0, "no": 0.0}
    assert notices == ("gpt: a choice that is not among the 20 most probable first tokens counts as 0.",)


async def test_where_they_cannot_be_told_the_fault_says_why(server: LoopbackServer) -> None:
    place = server.base_url
    for answer, choices, why in (
        (
            first({"re": 0.6, "other": 0.2}),
            ("return", "refund", "other"),
            "begins “return” and “refund” with the same",
        ),
        (first({"Hello": 0.9}), ("yes", "no"), "has none of the choices among the 20 most probable beginnings"),
        (completion("yes"), ("yes", "no"), "gave no log probabilities, from which those of choices are read"),
    ):
        server.next(answer)
        found, _ = await outcome_of(server, asked(*choices))
        assert found.fault is not None
        assert found.fault.kind == "rejected"
        assert found.fault.message.startswith(f"gpt: {place} {why}")


async def test_a_server_that_knows_no_logprobs_is_not_asked_for_them_twice(server: LoopbackServer) -> None:
    server.next(status(400, "unknown parameter: logprobs"))
    found, notices = await outcome_of(server, asked("yes", "no"))
    assert found.fault is not None
    assert "gave no log probabilities" in found.fault.message
    assert any("does not take logprobs" in notice for notice in notices)


def test_the_longest_choice_that_a_token_holds_whole_is_the_one_it_begins() -> None:
    top = tuple(Alternative(text, math.log(share)) for text, share in (("10", 0.3), ("1", 0.002), ("1.", 0.6)))
    found = weighed(asked("1", "10"), Outcome("k"), [TokenLogprob("10", top[0].logprob, top)], "m").choices
    assert found is not None
    assert found.of == pytest.approx({"1": 0.602 / 0.902, "10": 0.3 / 0.902})


choices = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=4, unique=True)
tokens = st.dictionaries(st.text("abc .", max_size=4), st.floats(1e-6, 0.05), min_size=1, max_size=20)


@given(choices, tokens)
def test_whatever_comes_they_sum_to_1_or_there_is_a_reason(named: list[str], shares: dict[str, float]) -> None:
    top = tuple(Alternative(text, math.log(share)) for text, share in shares.items())
    found = weighed(asked(*named), Outcome("k"), [TokenLogprob(top[0].text, top[0].logprob, top)], "m")
    if found.choices is None:
        assert found.fault is not None
    else:
        assert math.fsum(found.choices.of.values()) == pytest.approx(1)
        assert 0 < found.choices.mass <= 1
        assert found.choices.mass <= sum(shares.values()) + 1e-9


def test_it_asks_for_one_token_at_the_temperature_that_changes_nothing() -> None:
    request = for_first_token(asked("a"))
    assert request.params == Params(temperature=1.0, max_tokens=1)
    assert (request.key, request.seed, request.constraint, request.choice_probabilities) == ("k", 7, None, False)

"""Several samples of one answer in one request, and a second request for the slowest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Answer, Asked, LoopbackServer, raw, status
from msgspec import structs

from promptlab.models.endpoint import Endpoint
from promptlab.models.hedge import ENOUGH, Hedge
from promptlab.models.retry import RetryPolicy
from promptlab.models.samples import together
from promptlab.models.values import Outcome, Request
from promptlab.workspace.settings_values import ModelEntry, Price
from promptlab.workspace.values import Message, Params


def trial(number: int, text: str = "roll", temperature: float = 0.8) -> Request:
    return Request(f"{text} {number}", (Message("user", text),), Params(temperature=temperature), 100 + number)


async def ask(server: LoopbackServer, *requests: Request) -> tuple[dict[str, Outcome], tuple[str, ...]]:
    entry = ModelEntry("gpt", model="x", base_url=server.base_url, samples=3, price=Price(1, 1, per=1))
    model = Endpoint(entry, policy=RetryPolicy(retries=0))
    found = [one async for one in model.generate(requests)]
    await model.close()
    assert len(found) == len(requests)
    return {one.key: one for one in found}, model.traffic.notices


def several(asked: Asked, most: int = 99) -> Answer:
    """An answer with as many choices as were asked for, their texts of different lengths."""
    count = min(asked.body.get("n", 1), most)
    choices = [{"index": at, "message": {"content": "x" * (at * 4 + 1)}} for at in range(count)]
    return raw({"choices": choices, "usage": {"prompt_tokens": 10, "completion_tokens": 14}})


async def test_trials_of_a_cell_are_one_request_and_the_prompt_is_paid_once(server: LoopbackServer) -> None:
    server.rule = several
    found, notices = await ask(server, *map(trial, range(5)))
    assert [(asked.body.get("n"), asked.body["seed"]) for asked in server.asked] == [(3, 100), (2, 103)]
    assert [found[f"roll {number}"].text for number in range(5)] == ["x", "xxxxx", "x" * 9, "x", "xxxxx"]
    first = [found[f"roll {number}"] for number in range(3)]
    assert [one.usage.prompt for one in first] == [3, 3, 4]
    assert [one.usage.completion for one in first] == [1, 5, 8], "in the ratio of their lengths, about"
    assert sum(one.cost or 0 for one in found.values()) == 2 * 24
    assert notices == ()


async def test_tokens_of_the_first_sample_alone_are_not_taken_for_those_of_all(server: LoopbackServer) -> None:
    """As llama-server tells them, which says the same again in timings; beside other timings they are of all."""

    def first_only(asked: Asked) -> Answer:
        body = json.loads(several(asked).body)
        return raw(body | {"timings": {"predicted_n": timed, "cache_n": 0}})

    server.rule = first_only
    timed = 14
    found, notices = await ask(server, *map(trial, range(3)))
    assert [found[f"roll {number}"].usage.completion for number in range(3)] == [14, 42, 70]
    assert sum(one.cost or 0 for one in found.values()) == 10 + 14 + 42 + 70
    said = "tells the tokens of the first of several samples alone: those of the others are estimated by length."
    assert notices == (f"gpt: {server.base_url} {said}",)
    timed = 3
    found, notices = await ask(server, *map(trial, range(3)))
    assert sum(one.usage.completion for one in found.values()) == 14
    assert notices == ()


@pytest.mark.parametrize(
    "refusal",
    [None, status(400, "n must be 1 when sampling greedily"), status(400, "Only one completion choice")],
)
async def test_a_server_with_one_sample_a_request_is_asked_for_each(
    server: LoopbackServer, refusal: Answer | None
) -> None:
    def one_only(asked: Asked) -> Answer:
        return refusal if refusal and "n" in asked.body else several(asked, most=1)

    server.rule = one_only
    found, notices = await ask(server, *map(trial, range(6)))
    assert [one.fault for one in found.values()] == [None] * 6
    said = f"gpt: {server.base_url} gives one sample a request, so each is asked for by itself."
    assert notices == (said,)
    asked = len(server.asked)
    await ask(server, *map(trial, range(6)))
    assert [asked.body.get("n") for asked in server.asked[asked:]] == [None] * 6, "it is remembered"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0.0, 0.8])), max_size=30), st.integers(1, 4))
def test_groups_hold_every_request_once_and_only_equal_ones(drawn: list[tuple[str, float]], most: int) -> None:
    requests = [trial(number, text, temperature) for number, (text, temperature) in enumerate(drawn)]
    groups = list(together(requests, most))
    assert sorted(one.key for group in groups for one in group) == sorted(one.key for one in requests)
    for group in groups:
        assert 1 <= len(group) <= most
        assert len({structs.replace(one, key="", seed=0) for one in group}) == 1
        assert len(group) == 1 or group[0].params.temperature > 0
        assert [one.seed for one in group] == sorted(one.seed for one in group)


class Endless:
    """Requests that end when they are told to."""

    def __init__(self) -> None:
        self.sent: list[asyncio.Future[str]] = []
        self.room = True
        self.lent = 0

    async def send(self) -> str:
        self.sent.append(asyncio.get_running_loop().create_future())
        return await self.sent[-1]

    @contextmanager
    def spare(self) -> Generator[bool]:
        self.lent += self.room
        yield self.room
        self.lent -= self.room


def hedge_that_knows(seconds: float, clock: Callable[[], float]) -> Hedge:
    hedge = Hedge(95, clock)
    hedge._took.extend([seconds] * ENOUGH)
    return hedge


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0)


async def test_the_first_good_answer_of_two_counts_and_the_other_is_given_up() -> None:
    requests, hedge = Endless(), hedge_that_knows(0.0, lambda: 0.0)
    task = asyncio.create_task(hedge.first_of(requests.send, requests.spare, lambda text: text != "bad"))
    await until(lambda: len(requests.sent) == 2)
    assert (hedge.second, requests.lent) == (1, 1)
    requests.sent[1].set_result("bad")
    await asyncio.sleep(0)
    requests.sent[0].set_result("good")
    assert await task == "good"
    task = asyncio.create_task(hedge.first_of(requests.send, requests.spare, lambda text: text != "bad"))
    await until(lambda: len(requests.sent) == 4)
    requests.sent[3].set_result("quick")
    assert await task == "quick"
    assert requests.sent[2].cancelled()
    assert requests.lent == 0


async def test_nothing_is_sent_twice_without_room_or_before_it_is_known_what_is_slow() -> None:
    requests, hedge = Endless(), hedge_that_knows(0.0, lambda: 0.0)
    assert Hedge(95).patience is None
    requests.room = False
    task = asyncio.create_task(hedge.first_of(requests.send, requests.spare, bool))
    await asyncio.sleep(0.01)
    requests.sent[0].set_result("late")
    assert await task == "late"
    assert (len(requests.sent), hedge.second) == (1, 0)


def test_patience_is_the_percentile_of_the_last_answers() -> None:
    hedge = Hedge(90)
    hedge._took.extend(range(100))
    assert hedge.patience == 90
    hedge._took.extend([5.0] * 200)
    assert hedge.patience == 5.0


async def test_the_slowest_of_an_endpoint_is_asked_for_again(server: LoopbackServer) -> None:
    entry = ModelEntry("gpt", model="x", base_url=server.base_url, hedge=95, concurrency=4)
    model = Endpoint(entry, policy=RetryPolicy(retries=0))

    def slow_once(asked: Asked) -> Answer | None:
        return Answer(cut=-1, delay=30) if asked.text == "slow" and server.count["slow"] == 1 else None

    server.rule = slow_once
    texts = [f"r{number}" for number in range(40)]
    requests = [trial(0, text) for text in (*texts, "slow")]
    found = {one.key: one.text async for one in model.generate(requests)}
    await model.close()
    assert found["slow 0"] == "slow"
    assert server.count["slow"] == 2

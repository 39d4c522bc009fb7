from __future__ import annotations

import asyncio
import logging
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence

import pytest
from loopback import Answer, LoopbackServer, completion, drop, hang, raw, status

from promptlab.errors import ModelFault
from promptlab.models.endpoint import Endpoint
from promptlab.models.retry import RetryPolicy
from promptlab.models.values import Constraint, Outcome, Request, Usage
from promptlab.workspace.settings_values import ModelEntry, Price
from promptlab.workspace.values import Message, Params

KEY = "sk-secret-0123456789abcdef"
QUICK = RetryPolicy(first=0.001, longest=0.01)


def entry(server: LoopbackServer, **fields: object) -> ModelEntry:
    return ModelEntry(**{"name": "gpt", "model": "gpt-x", "base_url": server.base_url, **fields})  # type: ignore[arg-type]


def request(text: str = "hello", params: Params | None = None, constraint: Constraint | None = None) -> Request:
    messages = (Message("system", "You route tickets."), Message("user", text))
    return Request(key=f"key of {text}", messages=messages, params=params or Params(), seed=7, constraint=constraint)


async def answers(model: Endpoint, requests: Sequence[Request]) -> dict[str, Outcome]:
    try:
        found = [one async for one in model.generate(requests)]
    finally:
        await model.close()
    assert sorted(one.key for one in found) == sorted(one.key for one in requests)
    return {one.key: one for one in found}


async def answer(model: Endpoint, one: Request) -> Outcome:
    return (await answers(model, [one]))[one.key]


async def test_an_answer_carries_text_usage_cost_latency_and_fingerprint(server: LoopbackServer) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    server.next(completion("billing", usage=usage, finish_reason="length"))
    server.latency = 0.05
    outcome = await answer(Endpoint(entry(server, price=Price(0.5, 2.0))), request())
    assert outcome.text == "billing"
    assert outcome.finish == "length"
    assert outcome.usage == Usage(prompt=100, completion=20, cached=64, reasoning=5)
    assert outcome.cost == pytest.approx((100 * 0.5 + 20 * 2.0) / 1e6)
    assert 0.05 <= outcome.latency < 1
    assert outcome.fingerprint == "loopback-1"
    assert outcome.fault is None
    assert not outcome.cached


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"role": "assistant", "content": None, "tool_calls": []}, ""),
        ({"role": "assistant", "content": None, "refusal": "I cannot help."}, "I cannot help."),
        ({"role": "assistant", "content": "naïve ✓\x1b[31m"}, "naïve ✓\x1b[31m"),
    ],
)
async def test_the_text_is_the_content_or_the_refusal(
    server: LoopbackServer, message: dict[str, object], text: str
) -> None:
    server.next(completion("", message=message, finish_reason="tool_calls"))
    outcome = await answer(Endpoint(entry(server)), request())
    assert (outcome.text, outcome.finish, outcome.fault) == (text, "stop", None)


async def test_without_usage_there_is_no_cost(server: LoopbackServer) -> None:
    server.next(raw({"choices": [{"message": {"content": "x"}}]}))
    outcome = await answer(Endpoint(entry(server, price=Price(1, 1))), request())
    assert (outcome.text, outcome.usage, outcome.cost) == ("x", Usage(), None)


async def test_only_what_was_set_is_sent(server: LoopbackServer) -> None:
    await answer(Endpoint(entry(server)), request())
    assert server.asked[0].body == {
        "model": "gpt-x",
        "messages": [{"role": "system", "content": "You route tickets."}, {"role": "user", "content": "hello"}],
        "temperature": 0.0,
        "max_tokens": 256,
        "seed": 7,
    }


async def test_every_parameter_has_its_place(server: LoopbackServer) -> None:
    params = Params(
        temperature=0.7,
        max_tokens=9,
        top_p=0.9,
        top_k=40,
        min_p=0.05,
        repeat_penalty=1.1,
        presence_penalty=0.2,
        frequency_penalty=0.3,
        stop=("\n", "END"),
    )
    schema: dict[str, object] = {"type": "object", "properties": {"id": {"type": "string"}}}
    await answer(Endpoint(entry(server)), request("hello", params, Constraint(json_schema=schema)))
    body = dict(server.asked[0].body)
    del body["messages"], body["model"], body["seed"]
    assert body == {
        "temperature": 0.7,
        "max_tokens": 9,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.05,
        "repeat_penalty": 1.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.3,
        "stop": ["\n", "END"],
        "response_format": {"type": "json_schema", "json_schema": {"name": "output", "schema": schema}},
    }


async def test_choices_are_not_sent_and_not_claimed(server: LoopbackServer) -> None:
    model = Endpoint(entry(server))
    assert not model.capabilities.choices
    assert model.capabilities.json_schema
    await answer(model, request("hello", constraint=Constraint(choices=("a", "b"))))
    assert "response_format" not in server.asked[0].body


async def test_no_more_in_flight_than_the_entry_allows_and_connections_are_used_again(server: LoopbackServer) -> None:
    server.latency = 0.01
    found = await answers(Endpoint(entry(server, concurrency=5)), [request(f"r{number}") for number in range(40)])
    assert {one.text for one in found.values()} == {f"r{number}" for number in range(40)}
    assert server.most_in_flight == 5
    assert server.connections == 5


async def test_two_generates_at_once_share_the_limit(server: LoopbackServer) -> None:
    server.latency = 0.01
    model = Endpoint(entry(server, concurrency=3))

    async def half(name: str) -> int:
        return len([one async for one in model.generate([request(f"{name}{n}") for n in range(10)])])

    assert await asyncio.gather(half("a"), half("b")) == [10, 10]
    assert server.most_in_flight == 3
    await model.close()


async def test_latency_leaves_out_the_queue(server: LoopbackServer) -> None:
    server.latency = 0.05
    found = await answers(Endpoint(entry(server, concurrency=1)), [request(f"r{number}") for number in range(6)])
    assert max(one.latency for one in found.values()) < 0.15


async def test_nothing_asked_is_nothing_sent(server: LoopbackServer) -> None:
    assert await answers(Endpoint(entry(server)), []) == {}
    assert server.connections == 0


async def test_a_closed_model_can_be_used_again(server: LoopbackServer) -> None:
    model = Endpoint(entry(server))
    for _ in range(2):
        assert (await answer(model, request())).text == "hello"
    await model.close()
    await model.close()


@pytest.mark.parametrize(
    "failure",
    [
        status(408),
        status(409),
        status(429),
        status(500),
        status(503),
        drop(),
        raw(b"{"),
        raw(b"{}"),
        raw(b"{}", cut=1),
    ],
)
async def test_what_may_pass_is_tried_again(server: LoopbackServer, failure: Answer) -> None:
    server.next(*[failure] * 6)
    outcome = await answer(Endpoint(entry(server), policy=QUICK), request())
    assert (outcome.text, outcome.fault) == ("hello", None)
    assert server.count["hello"] == 7


async def test_after_six_retries_it_is_given_up(server: LoopbackServer) -> None:
    server.next(*[status(500)] * 7)
    outcome = await answer(Endpoint(entry(server), policy=QUICK), request())
    assert outcome.fault is not None
    assert server.count["hello"] == 7


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 422])
async def test_what_will_not_pass_is_not_tried_again(server: LoopbackServer, code: int) -> None:
    server.next(status(code))
    outcome = await answer(Endpoint(entry(server), policy=QUICK), request())
    assert outcome.fault is not None
    assert server.count["hello"] == 1


async def test_retry_after_is_honoured(server: LoopbackServer) -> None:
    server.next(status(429, retry_after="0.3"))
    start = time.perf_counter()
    outcome = await answer(Endpoint(entry(server), policy=QUICK), request())
    assert time.perf_counter() - start >= 0.3
    assert outcome.text == "hello"
    assert outcome.latency < 0.3


async def test_a_fatal_fault_ends_the_batch_without_hammering(server: LoopbackServer) -> None:
    server.rule = lambda asked: status(401)
    found = await answers(Endpoint(entry(server, concurrency=4)), [request(f"r{number}") for number in range(200)])
    assert {one.fault.kind for one in found.values() if one.fault} == {"auth"}
    assert len(server.asked) <= 8


async def test_a_fatal_fault_wakes_those_that_wait_for_their_next_try(server: LoopbackServer) -> None:
    server.rule = lambda asked: status(429, retry_after="30") if asked.text == "slow" else status(404, "gone")
    start = time.perf_counter()
    found = await answers(Endpoint(entry(server, concurrency=2)), [request("slow"), request("b"), request("c")])
    assert time.perf_counter() - start < 5
    assert {one.fault.kind for one in found.values() if one.fault} == {"not_found"}


async def test_a_fatal_fault_ends_a_batch_that_waits_for_another_one(server: LoopbackServer) -> None:
    server.latency = 0.05
    server.rule = lambda asked: status(401)
    model = Endpoint(entry(server, concurrency=1))

    async def kinds(name: str) -> set[str]:
        batch = [request(f"{name}{number}") for number in range(5)]
        return {one.fault.kind async for one in model.generate(batch) if one.fault}

    assert await asyncio.gather(kinds("a"), kinds("b")) == [{"auth"}, {"auth"}]
    assert len(server.asked) == 2
    await model.close()


async def test_the_next_generate_asks_again_after_a_fatal_fault(server: LoopbackServer) -> None:
    model = Endpoint(entry(server))
    server.next(status(401))
    assert [one.fault.kind async for one in model.generate([request()]) if one.fault] == ["auth"]
    assert [one.text async for one in model.generate([request()])] == ["hello"]
    await model.close()


async def test_three_hundred_requests_with_a_fifth_failing_complete(server: LoopbackServer) -> None:
    chance = random.Random(4)
    failures = [status(500), status(429, retry_after="0"), drop(), raw(b"not json"), status(503)]
    server.rule = lambda asked: chance.choice(failures) if chance.random() < 0.2 else None
    found = await answers(
        Endpoint(entry(server, concurrency=16), policy=RetryPolicy(retries=8, first=0.001, longest=0.01)),
        [request(f"r{number}") for number in range(300)],
    )
    assert {one.text for one in found.values()} == {f"r{number}" for number in range(300)}
    assert len(server.asked) > 330


async def test_closing_the_iterator_cancels_what_is_in_flight(server: LoopbackServer) -> None:
    server.rule = lambda asked: None if asked.text == "r0" else hang()
    model = Endpoint(entry(server, concurrency=8))
    iterator = model.generate([request(f"r{number}") for number in range(50)])
    assert (await anext(iterator)).text == "r0"
    before = len(server.asked)
    await iterator.aclose()  # type: ignore[attr-defined]
    await model.close()
    await asyncio.sleep(0.05)
    assert len(server.asked) <= before + 8
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_cancelling_the_caller_cancels_what_is_in_flight(server: LoopbackServer) -> None:
    server.rule = lambda asked: hang()
    model = Endpoint(entry(server))
    caller = asyncio.create_task(answers(model, [request(f"r{number}") for number in range(30)]))
    while len(server.asked) < 20:
        await asyncio.sleep(0.01)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_closing_the_model_ends_its_iterators_with_a_sentence(server: LoopbackServer) -> None:
    server.rule = lambda asked: hang()
    model = Endpoint(entry(server))

    async def consume() -> None:
        async for _ in model.generate([request()]):
            pass

    caller = asyncio.create_task(consume())
    while not server.asked:
        await asyncio.sleep(0.01)
    await model.close()
    assert [task for task in asyncio.all_tasks() if task not in (asyncio.current_task(), caller)] == []
    with pytest.raises(ModelFault, match=r"^gpt: the model was closed before it had answered\.$"):
        await caller


async def test_a_programming_error_reaches_the_caller(server: LoopbackServer) -> None:
    broken = Request(key="k", messages=(None,), params=Params())  # type: ignore[arg-type]
    model = Endpoint(entry(server))
    with pytest.raises(AttributeError):
        await answers(model, [broken])


async def test_the_key_is_sent_and_nothing_else_of_the_environment(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-private")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sk-other\nX-Private: yes")
    server.key = KEY
    assert (await answer(Endpoint(entry(server, api_key_env="MY_KEY")), request())).text == "hello"
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert set(server.asked[0].headers) == {
        *("host", "accept", "accept-encoding", "user-agent"),
        *("content-type", "content-length", "authorization"),
    }


async def test_no_key_of_the_environment_goes_to_a_server_that_asked_for_none(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEY)
    assert (await answer(Endpoint(entry(server)), request())).text == "hello"
    assert KEY not in str(server.asked[0].headers)


async def test_a_proxy_of_the_environment_does_not_see_what_stays_on_this_machine(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert (await answer(Endpoint(entry(server)), request())).text == "hello"


async def test_the_key_never_shows(
    server: LoopbackServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    model = Endpoint(entry(server, api_key_env="MY_KEY"), policy=RetryPolicy(retries=0, refusals=0))
    server.next(
        status(401, f"Incorrect API key provided: {KEY}"),
        status(400, f"bad header Bearer {KEY}"),
        status(404, KEY),
        status(429, KEY),
        status(500, KEY),
        completion(f"you sent {KEY}"),
        raw({"error": {"message": f"key {KEY}"}}),
        raw({"choices": KEY}),
        drop(),
    )
    outcomes = [one for number in range(9) async for one in model.generate([request(f"r{number}")])]
    assert [one.fault is None for one in outcomes] == [False] * 5 + [True] + [False] * 3
    assert outcomes[5].text == "you sent [key]"
    server.rule = lambda asked: hang()
    text = ""
    caller = asyncio.create_task(answers(model, [request("closed")]))
    while "closed" not in server.count:
        await asyncio.sleep(0.01)
    await model.close()
    try:
        await caller
    except ModelFault as fault:
        text = "".join(traceback.format_exception(fault)) + repr(fault)
    assert "was closed" in text
    shown = [text, caplog.text, str(outcomes), repr(outcomes), repr(model), str(model), *capfd.readouterr()]
    shown += [repr(record.__dict__) for record in caplog.records]
    assert not [one for one in shown if KEY in one]


async def test_a_placeholder_for_a_key_is_not_struck_out_of_answers(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "ollama")
    model = Endpoint(entry(server, api_key_env="MY_KEY"))
    assert (await answer(model, request("the ollama server"))).text == "the ollama server"


def test_the_module_does_not_import_the_package_before_it_is_used() -> None:
    code = (
        "import sys; import promptlab.models.registry, promptlab.models.endpoint, promptlab.models.cache;"
        "print([m for m in ('aiohttp', 'openai', 'llama_cpp', 'numpy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_identity_is_address_and_model() -> None:
    def identity(**fields: object) -> str:
        return Endpoint(ModelEntry(name="a", **fields)).identity  # type: ignore[arg-type]

    one = identity(model="m", base_url="http://localhost:8080/v1")
    assert one.startswith("endpoint:")
    assert one == identity(model="m", base_url="HTTP://LocalHost:8080/v1/", timeout=3.0, api_key_env="K")
    assert one != identity(model="n", base_url="http://localhost:8080/v1")
    assert one != identity(model="m", base_url="http://localhost:8081/v1")
    assert identity(model="m") == identity(model="m", base_url="https://api.openai.com:443/v1")

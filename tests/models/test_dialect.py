from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from loopback import Answer, Asked, LoopbackServer, completion, raw, status
from msgspec import structs

from promptlab.models.cache import default_folder
from promptlab.models.dialect import FILE_NAME
from promptlab.models.endpoint import Endpoint
from promptlab.models.retry import RetryPolicy
from promptlab.models.values import Alternative, Constraint, Outcome, Request
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.values import Message, Params

SCHEMA: dict[str, object] = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def request(text: str = "hello", *, schema: bool = False) -> Request:
    messages = (Message("system", "You route tickets."), Message("user", text))
    constraint = Constraint(json_schema=SCHEMA) if schema else None
    return Request(f"key of {text}", messages, Params(temperature=0.5), 7, constraint)


async def ask(server: LoopbackServer, *requests: Request, **fields: Any) -> tuple[list[Outcome], tuple[str, ...]]:
    entry = ModelEntry(name="gpt", model="gpt-x", base_url=server.base_url, **fields)
    model = Endpoint(entry, policy=RetryPolicy(retries=0))
    found = [one async for one in model.generate(requests)]
    await model.close()
    return found, model.traffic.notices


def refusing(body: Mapping[str, Any]) -> str | None:
    """What a reasoning model of OpenAI says of parameters that it does not take."""
    if "max_tokens" in body:
        return (
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead."
        )
    if "temperature" in body:
        return (
            "Unsupported value: 'temperature' does not support 0.5 with this model. "
            "Only the default (1) value is supported."
        )
    return None


async def test_parameters_that_it_refuses_are_adapted_and_the_person_is_told(server: LoopbackServer) -> None:
    server.rule = lambda asked: status(400, said) if (said := refusing(asked.body)) else None
    found, notices = await ask(server, *(request(f"r{number}") for number in range(50)))
    assert {one.text for one in found} == {f"r{number}" for number in range(50)}
    assert notices == (
        f"gpt: {server.base_url} takes max_completion_tokens, not max_tokens.",
        f"gpt: {server.base_url} does not take temperature: it is left out.",
    )
    assert {"max_tokens", "temperature"}.isdisjoint(server.asked[-1].body)
    assert server.asked[-1].body["max_completion_tokens"] == 256


async def test_what_was_learned_is_remembered(server: LoopbackServer) -> None:
    server.rule = lambda asked: status(400, said) if (said := refusing(asked.body)) else None
    await ask(server, request())
    before = len(server.asked)
    found, notices = await ask(server, request("again"))
    assert [one.text for one in found] == ["again"]
    assert (len(server.asked) - before, notices) == (1, ())
    (default_folder() / FILE_NAME).write_bytes(b"damaged")
    assert [one.text for one in (await ask(server, request("once more")))[0]] == ["once more"]


async def test_a_schema_becomes_a_tool_and_then_words(server: LoopbackServer) -> None:
    def rule(asked: Asked) -> Answer | None:
        if "response_format" in asked.body:
            return status(400, "response_format is not supported by this model")
        if "tools" in asked.body and takes_tools:
            call = {"type": "function", "function": {"name": "answer", "arguments": '{"id": "7"}'}}
            return completion(None, message={"role": "assistant", "content": None, "tool_calls": [call]})
        return status(400, "unknown field: tools") if "tools" in asked.body else completion('{"id": "8"}')

    server.rule = rule
    takes_tools = True
    found, _ = await ask(server, request(schema=True))
    assert [one.text for one in found] == ['{"id": "7"}']
    takes_tools = False
    found, notices = await ask(server, request(schema=True))
    assert [one.text for one in found] == ['{"id": "8"}']
    assert notices == (
        f"gpt: {server.base_url} takes no tools either, so the schema is asked for in words and checked afterwards.",
    )
    assert server.asked[-1].text == (
        "hello\n\nAnswer with JSON alone, of this schema:\n" + json.dumps(SCHEMA, separators=(",", ":"))
    )


async def test_without_a_system_role_its_text_begins_the_first_user_message(server: LoopbackServer) -> None:
    server.rule = lambda asked: (
        status(400, "System role not supported") if asked.body["messages"][0]["role"] == "system" else None
    )
    found, _ = await ask(server, request())
    assert [one.text for one in found] == ["You route tickets.\n\nhello"]


@pytest.mark.parametrize("said", ["temperature must be between 0 and 2", "no", "seed is a fruit"])
async def test_a_rejection_of_the_request_itself_is_no_lesson(server: LoopbackServer, said: str) -> None:
    server.rule = lambda asked: status(400, said)
    found, notices = await ask(server, request())
    assert [one.fault.kind for one in found if one.fault] == ["rejected"]
    assert (len(server.asked), notices) == (1, ())


async def test_reasoning_is_kept_apart_from_the_answer(server: LoopbackServer) -> None:
    details = {"completion_tokens_details": {"reasoning_tokens": 9}, "completion_tokens": 10, "prompt_tokens": 1}
    message = {"role": "assistant", "content": "billing", "reasoning_content": "It says invoice."}
    server.next(
        completion(None, message=message, usage=details),
        completion("<think>\nIt says invoice.\n</think>\n\nbilling"),
        completion("A <think> in the middle </think> stays"),
    )
    first, second, third = [(await ask(server, request()))[0][0] for _ in range(3)]
    assert (first.text, first.reasoning, first.usage.reasoning) == ("billing", "It says invoice.", 9)
    assert (second.text, second.reasoning) == ("billing", "It says invoice.")
    assert (third.text, third.reasoning) == ("A <think> in the middle </think> stays", "")


def pieces(*chunks: object, done: bool = True) -> Answer:
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return Answer(body="".join([": hello\n\n", *lines, "data: [DONE]\n\n" if done else ""]).encode())


def delta(finish: str | None = None, **parts: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": parts, "finish_reason": finish}], "system_fingerprint": "fp"}


TOKENS = {
    "content": [
        {"token": "bil", "logprob": -0.1, "bytes": None, "top_logprobs": [{"token": "bil", "logprob": -0.1}]},
        {"token": "ling", "logprob": -0.5, "top_logprobs": [{"token": "ling", "logprob": -0.5}]},
    ]
}


@pytest.mark.parametrize("stream", [False, True])
async def test_log_probabilities_come_where_they_were_asked_for(server: LoopbackServer, stream: bool) -> None:
    piece = {"index": 0, "delta": {"content": "billing"}, "finish_reason": "stop", "logprobs": TOKENS}
    answer = pieces({"choices": [piece]}) if stream else completion("billing", logprobs=TOKENS)
    server.next(answer, answer)
    wanted = structs.replace(request(), logprobs=1)
    (one,), _ = await ask(server, wanted, stream=stream)
    assert [(token.text, token.logprob) for token in one.logprobs] == [("bil", -0.1), ("ling", -0.5)]
    assert one.logprobs[0].top == (Alternative("bil", -0.1),)
    assert (server.asked[0].body["logprobs"], server.asked[0].body["top_logprobs"]) == (True, 1)
    (one,), _ = await ask(server, request(), stream=stream)
    assert one.logprobs == (), "nobody asked for them"
    assert "logprobs" not in server.asked[1].body


async def test_a_server_without_log_probabilities_answers_without(server: LoopbackServer) -> None:
    server.rule = lambda asked: (
        status(400, "top_logprobs is not supported by this model") if "logprobs" in asked.body else None
    )
    (one,), notices = await ask(server, structs.replace(request(), logprobs=2))
    assert (one.text, one.logprobs, one.fault) == ("hello", (), None)
    assert notices == (f"gpt: {server.base_url} does not take logprobs: it is left out.",)


async def test_a_stream_gives_the_same_answer_and_the_time_of_its_first_piece(server: LoopbackServer) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}
    server.next(
        pieces(
            delta(role="assistant"),
            delta(reasoning="Hm."),
            delta(content="bil"),
            delta(content="ling"),
            delta("length"),
            usage,
        )
    )
    found, _ = await ask(server, request(), stream=True)
    (one,) = found
    assert (one.text, one.reasoning, one.finish, one.fingerprint) == ("billing", "Hm.", "length", "fp")
    assert (one.usage.prompt, one.usage.completion) == (5, 3)
    assert 0 < one.first <= one.latency
    assert server.asked[0].body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (pieces(delta(content="bil"), done=False), "malformed", "the stream ended before the answer did"),
        (pieces({"error": {"message": "overloaded"}}), "malformed", "overloaded"),
        (Answer(body=b"data: {oops\n\n"), "malformed", "a piece of the stream is not JSON"),
        (Answer(body=pieces(delta(content="x" * 100)).body, cut=60), "server", "closed the connection"),
        (status(500), "server", "trouble of its own"),
    ],
)
async def test_half_a_stream_is_no_answer(server: LoopbackServer, answer: Answer, kind: str, words: str) -> None:
    server.next(answer)
    (one,) = (await ask(server, request(), stream=True))[0]
    assert one.fault is not None
    assert one.fault.kind == kind
    assert words in one.fault.message


async def test_a_window_that_is_used_up_is_waited_for(server: LoopbackServer) -> None:
    used = completion("a")
    server.next(
        Answer(200, used.body, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "250ms"})
    )
    server.next(raw(completion("b").body))
    found, _ = await ask(server, request("1"), request("2"), concurrency=1)
    assert [one.text for one in found] == ["a", "b"]
    assert found[1].latency < 0.2

"""The chat completions protocol: what is sent for a request, and what is read from the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

import msgspec
from msgspec import Struct, structs

from promptlab.models.dialect import PLAIN, Dialect
from promptlab.models.http_faults import one_line
from promptlab.models.values import Alternative, Outcome, Request, TokenLogprob, Usage
from promptlab.workspace.values import Message

TOOL = "answer"
"""Name of the tool whose arguments are the answer, where a schema is sent as a tool."""

# A server that does not take reasoning apart itself leaves it at the head of the text.
_THOUGHT = re.compile(r"\s*<think>(.*?)</think>\s*", re.DOTALL)


class Reply(Struct, frozen=True):
    """An answer, read.

    Attributes:
        usage: None when the endpoint did not say.
        reasoning: What the model thought before, kept apart from its answer.
        first: Seconds to the first piece, where it came in pieces.
        logprobs: One for each token, where the endpoint gave them.
        guessed: Its tokens are estimated: the endpoint told those of the first of several samples alone.
    """

    text: str
    finish: Literal["stop", "length"]
    usage: Usage | None
    fingerprint: str
    reasoning: str = ""
    first: float = 0.0
    logprobs: tuple[TokenLogprob, ...] = ()
    guessed: bool = False


def body_of(
    model: str, request: Request, dialect: Dialect = PLAIN, *, stream: bool = False, samples: int = 1
) -> dict[str, object]:
    """The JSON body of a request, for so many samples of its answer.

    ``choices`` of a constraint are not sent: the protocol has no word for them. ``top_k``, ``min_p`` and
    ``repeat_penalty`` are no part of it either, but llama-server, vLLM and others take them by these names.
    """
    params = request.params
    schema = request.constraint.json_schema if request.constraint is not None else None
    messages = request.messages if dialect.system else _without_system(request.messages)
    if schema is not None and dialect.schema == "words":
        messages = _with_schema(messages, schema)
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": one.role, "content": one.content} for one in messages],
        "temperature": params.temperature,
        dialect.tokens: params.max_tokens,
        "seed": request.seed,
        "top_p": params.top_p,
        "top_k": params.top_k,
        "min_p": params.min_p,
        "repeat_penalty": params.repeat_penalty,
        "presence_penalty": params.presence_penalty,
        "frequency_penalty": params.frequency_penalty,
        "stop": list(params.stop) or None,
    }
    if schema is not None:
        body |= _schema_part(schema, dialect)
    if request.logprobs is not None and "logprobs" not in dialect.without:
        body |= {"logprobs": True, "top_logprobs": request.logprobs or None}
    if samples > 1:
        body["n"] = samples
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return {name: value for name, value in body.items() if value is not None and name not in dialect.without}


def _schema_part(schema: dict[str, object], dialect: Dialect) -> dict[str, object]:
    match dialect.schema:
        case "response_format":
            return {"response_format": {"type": "json_schema", "json_schema": {"name": "output", "schema": schema}}}
        case "tools":
            tool = {"name": TOOL, "description": "Give the answer.", "parameters": schema}
            return {
                "tools": [{"type": "function", "function": tool}],
                "tool_choice": {"type": "function", "function": {"name": TOOL}},
            }
        case "words":
            return {}


def _without_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """System messages at the head of the first user message."""
    said = "\n\n".join(one.content for one in messages if one.role == "system")
    rest = [one for one in messages if one.role != "system"]
    if not said:
        return messages
    if not rest or rest[0].role != "user":
        return (Message("user", said), *rest)
    return (Message("user", f"{said}\n\n{rest[0].content}"), *rest[1:])


def _with_schema(messages: tuple[Message, ...], schema: dict[str, object]) -> tuple[Message, ...]:
    """The schema in words, behind the last message."""
    words = f"Answer with JSON alone, of this schema:\n{msgspec.json.encode(schema).decode()}"
    last = messages[-1]
    return (*messages[:-1], Message(last.role, f"{last.content}\n\n{words}"))


def read_replies(body: bytes) -> list[Reply] | str:
    """The answers in a response's body, at least one; or what is wrong with it, fit to quote."""
    try:
        wire = _decoder.decode(body)
    except msgspec.ValidationError as error:
        return one_line(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "not JSON"
    if not wire.choices:
        return said_instead(wire.error) or "no choices"
    replies = [_reply(choice, wire) for choice in wire.choices]
    if len(replies) == 1 or wire.usage is None:
        return replies
    return _sharing(replies, usage_of(wire.usage), of_first=_of_first(wire))


def _reply(choice: _Choice, wire: _Body) -> Reply:
    message = choice.message
    return reply_of(
        text=message.content or message.refusal or arguments_of(message.tool_calls),
        reasoning=message.reasoning_content or message.reasoning or "",
        finish=choice.finish_reason,
        usage=wire.usage,
        fingerprint=wire.system_fingerprint,
        logprobs=logprobs_of(choice.logprobs),
    )


def _of_first(wire: _Body) -> bool:
    """Whether the tokens told are those of the first of several samples alone.

    llama-server tells so: beside them it says in ``timings``, which are of the first, that it wrote as many.
    """
    try:
        written = msgspec.json.decode(wire.timings, type=_Timings).predicted_n
    except msgspec.DecodeError:
        return False
    return wire.usage is not None and written == wire.usage.completion_tokens


def _sharing(replies: list[Reply], told: Usage, *, of_first: bool) -> list[Reply]:
    """Samples of one request with their part of its tokens: of the prompt's the same, of the answers' by length.

    Where the tokens told are ``of_first``, the others have as many for their length, or as their log probabilities.
    """
    lengths = [len(one.text) + len(one.reasoning) + 1 for one in replies]
    even = [1] * len(replies)
    if of_first:
        written = [_scaled(told.completion, length, lengths[0]) for length in lengths]
        thought = [_scaled(told.reasoning, length, lengths[0]) for length in lengths]
        written = [len(one.logprobs) or count for one, count in zip(replies, written, strict=True)]
    else:
        written, thought = _split(told.completion, lengths), _split(told.reasoning, lengths)
    parts = zip(_split(told.prompt, even), written, _split(told.cached, even), thought, strict=True)
    shared = [structs.replace(one, usage=Usage(*part)) for one, part in zip(replies, parts, strict=True)]
    return [structs.replace(one, guessed=of_first and not one.logprobs) for one in shared]


def _scaled(tokens: int, length: int, of: int) -> int:
    """Tokens of a text, from those of another one; a text has at least one where the other has."""
    return max(min(1, tokens), round(tokens * length / of))


def _split(total: int, weights: Sequence[int]) -> list[int]:
    """Whole numbers in the ratio of the weights that sum to the total."""
    ends = [total * below // sum(weights) for below in accumulate(weights)]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


def reply_of(
    text: str,
    reasoning: str,
    finish: str | None,
    usage: WireUsage | None,
    fingerprint: str | None,
    first: float = 0.0,
    logprobs: tuple[TokenLogprob, ...] = (),
) -> Reply:
    """The reply of its parts, with reasoning that stands at the head of the text taken out of it."""
    if not reasoning:
        reasoning, text = apart(text)
    return Reply(
        text=text,
        finish="length" if finish == "length" else "stop",
        usage=usage_of(usage) if usage else None,
        fingerprint=fingerprint or "",
        reasoning=reasoning,
        first=first,
        logprobs=logprobs,
    )


def outcome_of(request: Request, reply: Reply, latency: float, cost: float | None) -> Outcome:
    """What a reply is as the outcome of its request."""
    return Outcome(
        key=request.key,
        text=reply.text,
        finish=reply.finish,
        usage=reply.usage or Usage(),
        latency=latency,
        cost=cost,
        fingerprint=reply.fingerprint,
        reasoning=reply.reasoning,
        first=reply.first,
        logprobs=reply.logprobs if request.logprobs is not None else (),
    )


def apart(text: str) -> tuple[str, str]:
    """The reasoning at the head of a text, or "", and the rest."""
    thought = _THOUGHT.match(text)
    return (thought[1].strip(), text[thought.end() :]) if thought else ("", text)


def logprobs_of(wire: WireLogprobs | None) -> tuple[TokenLogprob, ...]:
    """The log probabilities of an answer's tokens; none where the endpoint gave none."""
    return tuple(
        TokenLogprob(one.token, one.logprob, tuple(Alternative(top.token, top.logprob) for top in one.top_logprobs))
        for one in (wire.content if wire else None) or ()
    )


def said_instead(error: str | dict[str, object] | None) -> str:
    """What an answer says that is an error, fit to quote, or ""."""
    said = error.get("message") if isinstance(error, dict) else error
    return one_line(said) if isinstance(said, str) else ""


def arguments_of(calls: list[Call] | None) -> str:
    """The arguments of the tool that stands for the answer, or ""."""
    return next((call.function.arguments or "" for call in calls or () if call.function.name in (TOOL, None)), "")


class Function(Struct):
    name: str | None = None
    arguments: str | None = None


class Call(Struct):
    function: Function


class _Message(Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Call] | None = None


class _Alternative(Struct):
    token: str
    logprob: float


class _Token(Struct):
    token: str
    logprob: float
    top_logprobs: list[_Alternative] = []


class WireLogprobs(Struct):
    content: list[_Token] | None = None


class _Choice(Struct):
    message: _Message
    finish_reason: str | None = None
    logprobs: WireLogprobs | None = None


class _PromptDetails(Struct):
    cached_tokens: int | None = None


class _CompletionDetails(Struct):
    reasoning_tokens: int | None = None


class WireUsage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Timings(Struct):
    """What llama-server says of the first sample."""

    predicted_n: int


class _Body(Struct):
    """Only what is needed; msgspec skips the rest without building it."""

    choices: list[_Choice] | None = None
    usage: WireUsage | None = None
    system_fingerprint: str | None = None
    error: str | dict[str, object] | None = None
    timings: msgspec.Raw = msgspec.Raw(b"null")


_decoder = msgspec.json.Decoder(_Body)


def usage_of(wire: WireUsage) -> Usage:
    """The token counts that an answer tells."""
    prompt, completion = wire.prompt_tokens_details, wire.completion_tokens_details
    return Usage(
        prompt=wire.prompt_tokens or 0,
        completion=wire.completion_tokens or 0,
        cached=(prompt.cached_tokens if prompt else 0) or 0,
        reasoning=(completion.reasoning_tokens if completion else 0) or 0,
    )

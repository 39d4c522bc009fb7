"""The chat completions protocol: what is sent for a request, and what is read from the answer."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from promptlab.models.http_faults import one_line
from promptlab.models.values import Request, Usage


class Reply(Struct, frozen=True):
    """An answer, read.

    Attributes:
        usage: None when the endpoint did not say.
    """

    text: str
    finish: Literal["stop", "length"]
    usage: Usage | None
    fingerprint: str


def body_of(model: str, request: Request) -> dict[str, object]:
    """The JSON body of a request.

    ``choices`` of a constraint are not sent: the protocol has no word for them. ``top_k``, ``min_p`` and
    ``repeat_penalty`` are no part of it either, but llama-server, vLLM and others take them by these names.
    """
    params = request.params
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": one.role, "content": one.content} for one in request.messages],
        "temperature": params.temperature,
        "max_tokens": params.max_tokens,
        "seed": request.seed,
    }
    optional = {
        "top_p": params.top_p,
        "top_k": params.top_k,
        "min_p": params.min_p,
        "repeat_penalty": params.repeat_penalty,
        "presence_penalty": params.presence_penalty,
        "frequency_penalty": params.frequency_penalty,
        "stop": list(params.stop) or None,
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    if request.constraint is not None and request.constraint.json_schema is not None:
        schema = {"name": "output", "schema": request.constraint.json_schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def read_reply(body: str) -> Reply | str:
    """The answer in a response's body, or what is wrong with it, fit to quote."""
    try:
        wire = _decoder.decode(body)
    except msgspec.ValidationError as error:
        return one_line(str(error))
    except msgspec.DecodeError:
        return "not JSON"
    if not wire.choices:
        said = wire.error.get("message") if isinstance(wire.error, dict) else wire.error
        return one_line(said) if isinstance(said, str) and said else "no choices"
    choice = wire.choices[0]
    return Reply(
        text=choice.message.content or choice.message.refusal or "",
        finish="length" if choice.finish_reason == "length" else "stop",
        usage=_usage(wire.usage) if wire.usage else None,
        fingerprint=wire.system_fingerprint or "",
    )


class _Message(Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(Struct):
    message: _Message
    finish_reason: str | None = None


class _PromptDetails(Struct):
    cached_tokens: int | None = None


class _CompletionDetails(Struct):
    reasoning_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Body(Struct):
    """Only what is needed; msgspec skips the rest without building it."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    system_fingerprint: str | None = None
    error: str | dict[str, object] | None = None


_decoder = msgspec.json.Decoder(_Body)


def _usage(wire: _Usage) -> Usage:
    prompt, completion = wire.prompt_tokens_details, wire.completion_tokens_details
    return Usage(
        prompt=wire.prompt_tokens or 0,
        completion=wire.completion_tokens or 0,
        cached=(prompt.cached_tokens if prompt else 0) or 0,
        reasoning=(completion.reasoning_tokens if completion else 0) or 0,
    )

"""An answer that comes piece by piece: read to its end, with the time of its first piece."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct

from promptlab.models.completions import Call, Reply, WireLogprobs, WireUsage, logprobs_of, reply_of, said_instead
from promptlab.models.drafts import Draft
from promptlab.models.http_faults import Failure
from promptlab.models.values import TokenLogprob

_DONE = b"[DONE]"


class _Delta(Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Call] | None = None


class _Choice(Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None
    logprobs: WireLogprobs | None = None


class _Chunk(Struct):
    choices: list[_Choice] = []
    usage: WireUsage | None = None
    system_fingerprint: str | None = None
    error: str | dict[str, object] | None = None


_decoder = msgspec.json.Decoder(_Chunk)


async def read_stream(lines: AsyncIterator[bytes | Failure], draft: Draft) -> list[Reply] | Failure | str:
    """The whole answer of an event stream, the failure that ended it, or what is wrong with it, fit to quote.

    What has come so far is in ``draft``.
    """
    start, first = time.perf_counter(), 0.0
    tokens: list[TokenLogprob] = []
    finish, usage, fingerprint = None, None, None
    async for line in lines:
        if isinstance(line, Failure):
            return line
        if line == _DONE:
            break
        try:
            chunk = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return "a piece of the stream is not JSON"
        if chunk.error is not None:
            return said_instead(chunk.error) or "an error without a word"
        usage = chunk.usage or usage
        fingerprint = chunk.system_fingerprint or fingerprint
        for choice in chunk.choices[:1]:
            piece, thinking = _pieces(choice.delta)
            if piece or thinking:
                first = first or time.perf_counter() - start
                draft.add(piece, thinking)
            tokens += logprobs_of(choice.logprobs)
            finish = choice.finish_reason or finish
    if finish is None:
        return "the stream ended before the answer did"
    draft.whole = reply_of(draft.text, draft.thought, finish, usage, fingerprint, first, tuple(tokens))
    return [draft.whole]


def _pieces(delta: _Delta) -> tuple[str, str]:
    """What a chunk adds to the answer and to the reasoning."""
    arguments = "".join(call.function.arguments or "" for call in delta.tool_calls or ())
    return delta.content or delta.refusal or arguments, delta.reasoning_content or delta.reasoning or ""

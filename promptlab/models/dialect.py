"""What an endpoint turned out not to take, and what it is sent instead.

Servers that call themselves OpenAI-compatible differ in the parameters they know. A rejection (400, 422) that names
one teaches its dialect; it is remembered by the model's identity, so that it is met once and not in every run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, structs

FILE_NAME = "dialects.json"

_DROPPABLE = (
    *("temperature", "seed", "top_p", "top_k", "min_p", "repeat_penalty", "presence_penalty"),
    *("frequency_penalty", "stop", "stream_options", "logprobs"),
)
_REFUSAL = re.compile(
    r"unsupported|not (?:yet )?support|n't support|unknown|unrecogni[sz]ed|unexpected|not permitted|not allowed"
    r"|only the default|extra inputs|not available|invalid|not implemented",
    re.IGNORECASE,
)
_SYSTEM = re.compile(r"system (?:role|message|prompt|instruction)|role[^.]{0,20}system", re.IGNORECASE)
_SAMPLES = re.compile(r"(?<!\w)n(?!\w)|multiple|one (?:completion )?choice", re.IGNORECASE)
ONE_SAMPLE = "gives one sample a request, so each is asked for by itself"


class Dialect(Struct, frozen=True, omit_defaults=True):
    """How to speak to one model at one endpoint. The defaults are what the protocol says.

    Attributes:
        tokens: What it calls the limit of an answer's tokens.
        without: Parameters that it does not take: they are left out.
        schema: How a JSON schema is asked for: as a format, as a tool's arguments, or in words.
        system: False: a system message goes at the head of the first user message.
        samples: False: it gives one sample a request, however many are asked for.
    """

    tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    without: tuple[str, ...] = ()
    schema: Literal["response_format", "tools", "words"] = "response_format"
    system: bool = True
    samples: bool = True


PLAIN = Dialect()


def adapted(dialect: Dialect, body: Mapping[str, object], said: str) -> tuple[Dialect, str] | None:
    """The dialect that a rejection asks for and what changes, as half a sentence; None when it is of another thing.

    Args:
        body: What was sent.
        said: What the server said of it.
    """
    if "max_tokens" in body and "max_completion_tokens" in said:
        return structs.replace(dialect, tokens="max_completion_tokens"), "takes max_completion_tokens, not max_tokens"
    if "n" in body and _SAMPLES.search(said):
        return structs.replace(dialect, samples=False), ONE_SAMPLE
    if not _REFUSAL.search(said):
        return None
    if "response_format" in body and re.search("response_format|json_schema|structured output", said):
        what = "takes no response_format, so the schema is sent as a tool"
        return structs.replace(dialect, schema="tools"), what
    if "tools" in body and re.search("tool|function", said):
        what = "takes no tools either, so the schema is asked for in words and checked afterwards"
        return structs.replace(dialect, schema="words"), what
    for name in _DROPPABLE:
        if name in body and re.search(rf"\b(?:top_)?{name}\b", said):
            return structs.replace(dialect, without=(*dialect.without, name)), f"does not take {name}: it is left out"
    if dialect.system and _SYSTEM.search(said):
        what = "knows no system role, so system messages begin the first user message"
        return structs.replace(dialect, system=False), what
    return None


def recall(folder: Path, identity: str) -> Dialect:
    """What was learned of a model in an earlier run. Whatever is wrong with the file, nothing was."""
    return _all(folder).get(identity, PLAIN)


def remember(folder: Path, identity: str, dialect: Dialect) -> None:
    """Keep what was learned; without a folder that can be written it is learned again next time."""
    path = folder / FILE_NAME
    draft = path.with_name(f"{FILE_NAME}.new")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(msgspec.json.encode(_all(folder) | {identity: dialect}))
        draft.replace(path)
    except OSError:
        return


def _all(folder: Path) -> dict[str, Dialect]:
    try:
        return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=dict[str, Dialect])
    except (OSError, ValueError):
        return {}

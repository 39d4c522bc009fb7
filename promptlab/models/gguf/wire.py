"""What the program and the model's child process say to each other: length-prefixed msgpack frames.

The program sends one ``Load``, then any number of times some ``Ask`` or ``Embed`` and a ``Go``; the child answers
with ``Loaded`` or ``LoadFailed``, then with one ``Answer`` per ``Ask`` and one ``Vector`` per ``Embed``, in any
order. ``Begun`` says which requests it is at work on, ``Wrote`` how far they are. ``Drop`` takes requests back; the
child says ``Dropped`` when it has stopped work on them.
"""

from __future__ import annotations

import asyncio
from typing import BinaryIO

import msgspec
from msgspec import Struct

from promptlab.models.values import Fault, Outcome, Request

_LENGTH_BYTES = 4


class Load(Struct, frozen=True, tag=True):
    """Load this file.

    Attributes:
        context: In tokens; None leaves it to the model, up to a default limit.
        batch: Answers to write at once; None for a default.
        plain: Do without special processor units.
        reproducible: Give a request the same answer whatever is asked beside it.
    """

    path: bytes
    context: int | None
    threads: int
    plain: bool
    batch: int | None = None
    reproducible: bool = False


class Ask(Struct, frozen=True, tag=True):
    """Answer this request. ``number`` names it on the wire: two requests may have one key."""

    number: int
    request: Request


class Embed(Struct, frozen=True, tag=True):
    """Give the vector of this text."""

    number: int
    text: str


class Go(Struct, frozen=True, tag=True):
    """Plan and answer what was asked since the last one, together. ``watched`` asks for ``Wrote`` meanwhile."""

    watched: bool = False


class Drop(Struct, frozen=True, tag=True):
    """Nobody waits for these any more. ``ticket`` names this message."""

    ticket: int
    numbers: tuple[int, ...]


class Loaded(Struct, frozen=True, tag=True):
    """The model answers from now on, each prompt and its answer within ``context`` tokens."""

    context: int


class LoadFailed(Struct, frozen=True, tag=True):
    """Why the model cannot be used: the part of a sentence that follows the file's path."""

    reason: str


class Begun(Struct, frozen=True, tag=True):
    """The child is at work on these from now on, beside others."""

    numbers: tuple[int, ...]


class Wrote(Struct, frozen=True, tag=True):
    """Since the last one: number and whole text so far of watched answers that grew, and tokens worked on."""

    texts: tuple[tuple[int, str], ...]
    tokens: int


class Dropped(Struct, frozen=True, tag=True):
    """Nothing more is done for the ``Drop`` of that ticket."""

    ticket: int


class Answer(Struct, frozen=True, tag=True):
    """The outcome of the ``Ask`` of that number."""

    number: int
    outcome: Outcome


class Vector(Struct, frozen=True, tag=True):
    """The vector for the ``Embed`` of that number, as 32-bit numbers of this machine, or why there is none."""

    number: int
    found: bytes | Fault


ToChild = Load | Ask | Embed | Go | Drop
FromChild = Loaded | LoadFailed | Begun | Wrote | Dropped | Answer | Vector

_to_child = msgspec.msgpack.Decoder(ToChild)
_from_child = msgspec.msgpack.Decoder(FromChild)


def frame(message: ToChild | FromChild) -> bytes:
    """One message as bytes.

    Raises:
        ValueError, TypeError, OverflowError: The message holds what msgpack cannot: a lone surrogate, an integer
            beyond 64 bits, a value of a foreign type.
    """
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def receive(pipe: BinaryIO) -> ToChild | None:
    """The next message for the child, or None when the program has closed the pipe or is gone."""
    head = pipe.read(_LENGTH_BYTES)
    body = pipe.read(int.from_bytes(head, "big"))
    if len(head) < _LENGTH_BYTES or len(body) < int.from_bytes(head, "big"):
        return None
    return _to_child.decode(body)


async def receive_answer(stream: asyncio.StreamReader) -> FromChild:
    """The next message of the child.

    Raises:
        asyncio.IncompleteReadError: The child is gone.
    """
    head = await stream.readexactly(_LENGTH_BYTES)
    return _from_child.decode(await stream.readexactly(int.from_bytes(head, "big")))

"""What the cells of a column ask, made when it is needed: the filled prompts of ten thousand cells are much text."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import msgspec
from msgspec import Struct

from promptlab.models.values import Constraint, Request
from promptlab.workspace.values import Example, Params, Prompt


class Asks(Struct, frozen=True):
    """A prompt that is asked over examples.

    Attributes:
        examples: By their ids; shared by all columns.
    """

    prompt: Prompt
    params: Params
    constraint: Constraint | None
    examples: Mapping[str, Example]

    def request(self, key: str, example: str, trial: int) -> Request:
        """The request of one cell. The prompt could be filled with its example before, so it can now."""
        from promptlab.workspace.templates import render

        messages = render(self.prompt, self.examples[example].vars).messages
        seed = seed_of(encoded(messages), self.params.seed, trial)
        return Request(key, messages, self.params, seed, self.constraint)


def encoded(value: object) -> bytes:
    """A part of a key: JSON and a line feed, which JSON never holds unescaped."""
    return msgspec.json.encode(value) + b"\n"


def seed_of(messages: bytes, seed: int, trial: int) -> int:
    """The seed of one cell, of its encoded messages."""
    return int.from_bytes(sha256(b"%b[%d,%d]\n" % (messages, seed, trial)).digest()[:4]) & 0x7FFF_FFFF

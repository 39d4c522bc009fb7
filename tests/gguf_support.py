"""What the tests of the local engine share: the packaged models, and requests to ask them."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import promptlab.demo
from promptlab.models.gguf.process import GgufModel
from promptlab.models.values import Constraint, Outcome, Request
from promptlab.workspace.values import Message, Params

MODELS = Path(promptlab.demo.__file__).parent / "models"
MINI = MODELS / "mini.gguf"
NANO = MODELS / "nano.gguf"

LABELS = ("billing", "shipping", "technical", "account", "other")
TOPIC = (
    "Classify this support ticket as billing, shipping, technical, account or other. Reply with the label only.\n\n"
    "{ticket}"
)
TICKET = "I was charged twice for my order last week. Please send one of the payments back to my card."

# A contract that cannot be met in less than some hundred tokens: an answer that takes a while.
ENDLESS = Constraint(json_schema={"type": "array", "items": {"enum": ["x"]}, "minItems": 400})


def ask(
    content: str = TOPIC.format(ticket=TICKET),
    *,
    key: str = "k",
    params: Params | None = None,
    seed: int = 0,
    constraint: Constraint | None = None,
) -> Request:
    """A request with one user message, greedy and short unless told otherwise."""
    return Request(key, (Message("user", content),), params or Params(max_tokens=16), seed, constraint)


def ask_long(key: str = "long") -> Request:
    """A request that keeps a model at work for some tenths of a second."""
    return ask(key=key, params=Params(max_tokens=900), constraint=ENDLESS)


async def collect(outcomes: AsyncIterator[Outcome]) -> dict[str, Outcome]:
    """Outcomes by key; no key may come twice."""
    found: dict[str, Outcome] = {}
    async for outcome in outcomes:
        assert outcome.key not in found
        found[outcome.key] = outcome
    return found


async def answers(model: GgufModel, requests: Sequence[Request]) -> list[str]:
    """Texts in the order of the requests, none of which may have a fault."""
    found = await collect(model.generate(requests))
    assert [outcome.fault for outcome in found.values() if outcome.fault] == []
    return [found[request.key].text for request in requests]


def gguf_text(value: bytes) -> bytes:
    """A text as a GGUF file holds it."""
    return struct.pack("<Q", len(value)) + value


def gguf_entry(key: bytes, kind: int, value: bytes) -> bytes:
    """An entry of the metadata."""
    return gguf_text(key) + struct.pack("<I", kind) + value


def gguf_tensor(name: bytes, kind: int, *dimensions: int) -> bytes:
    """An entry of the table of tensors."""
    sizes = struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
    return gguf_text(name) + sizes + struct.pack("<IQ", kind, 0)


def write_header(path: Path, entries: list[bytes], tensors: list[bytes], version: int = 3) -> Path:
    """A file that is nothing but its beginning."""
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries)) + b"".join(entries + tensors))
    return path


MEAN = 1
"""The pooling that takes the mean of the vectors of all tokens."""


def with_metadata(path: Path, *, pooling: int | None = None, causal: bool = True) -> Path:
    """A copy of nano whose metadata hold more: a pooling makes it give embeddings.

    What follows the metadata stays aligned to 32 bytes.
    """

    def entry(key: bytes, kind: int, value: bytes) -> bytes:
        return len(key).to_bytes(8, "little") + key + kind.to_bytes(4, "little") + value

    entries: list[bytes] = []
    if pooling is not None:
        entries.append(entry(b"llama.pooling_type", 4, pooling.to_bytes(4, "little")))
    if not causal:
        entries.append(entry(b"llama.attention.causal", 7, b"\0"))
    size = sum(map(len, entries)) + len(entry(b"test.padding", 8, bytes(8)))
    filler = -size % 32
    entries.append(entry(b"test.padding", 8, filler.to_bytes(8, "little") + b"x" * filler))
    data = NANO.read_bytes()
    count = int.from_bytes(data[16:24], "little") + len(entries)
    path.write_bytes(data[:16] + count.to_bytes(8, "little") + b"".join(entries) + data[24:])
    return path

"""The embeddings protocol: how texts are sent, and the vectors that are read from the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from promptlab.models.completions import WireUsage, said_instead, usage_of
from promptlab.models.http_faults import one_line
from promptlab.models.values import Usage

PATH = "/embeddings"

TEXTS = 64
"""Texts in one request: enough that a request costs little for each, and few enough for every server seen."""

Vectors = tuple[tuple[float, ...], ...]


class Page(Struct, frozen=True):
    """Vectors of one request, and what it took; None where the endpoint did not say."""

    vectors: Vectors
    usage: Usage | None


def body_of(model: str, texts: Sequence[str]) -> dict[str, object]:
    """The JSON body that asks for the vectors of texts."""
    return {"model": model, "input": list(texts)}


def read_vectors(body: bytes, count: int) -> Page | str:
    """So many vectors of length 1 in the order of their texts, or what is wrong with the body, fit to quote."""
    try:
        wire = _decoder.decode(body)
    except msgspec.ValidationError as error:
        return one_line(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "not JSON"
    if wire.data is None:
        return said_instead(wire.error) or "no data"
    found = {row.index: row.embedding for row in wire.data}
    if sorted(found) != list(range(count)):
        return f"vectors of {len(found)} texts, not of {count}"
    if len({len(vector) for vector in found.values()}) > 1:
        return "vectors of several sizes"
    vectors = tuple(map(_unit, (found[at] for at in range(count))))
    if not all(vectors):
        return "a vector without a direction"
    return Page(vectors, usage_of(wire.usage) if wire.usage else None)


def _unit(vector: Sequence[float]) -> tuple[float, ...]:
    """The vector at length 1; none where it has no direction."""
    length = math.hypot(*vector)
    return tuple(value / length for value in vector) if 0 < length < math.inf else ()


class _Row(Struct):
    index: int
    embedding: list[float]


class _Body(Struct):
    data: list[_Row] | None = None
    usage: WireUsage | None = None
    error: str | dict[str, object] | None = None


_decoder = msgspec.json.Decoder(_Body)

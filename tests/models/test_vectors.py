"""Embeddings of an endpoint: over HTTP, in the right order, of length 1; and what can be wrong with them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Answer, Asked, LoopbackServer, completion, drop, raw, status
from msgspec import json

from promptlab.errors import ModelFault
from promptlab.models.endpoint import Endpoint
from promptlab.models.retry import RetryPolicy
from promptlab.models.values import Embedding
from promptlab.models.vectors import TEXTS, read_vectors
from promptlab.workspace.settings_values import ModelEntry, Price

QUICK = RetryPolicy(retries=1, first=0.001, longest=0.01)


def model_at(server: LoopbackServer) -> Endpoint:
    price = Price(0.5, 0.0, per=1)
    return Endpoint(ModelEntry(name="emb", model="emb-x", base_url=server.base_url, price=price), policy=QUICK)


async def test_every_text_has_its_vector_whatever_the_order_and_the_number(server: LoopbackServer) -> None:
    model = model_at(server)
    assert isinstance(model, Embedding)
    assert model.capabilities.embeddings
    texts = [f"a{'b' * (at % 150)}" for at in range(3 * TEXTS)]
    spent: list[tuple[int, float | None]] = []
    found = await model.embed(texts, lambda usage, cost: spent.append((usage.prompt, cost)))
    await model.close()
    assert sorted(spent) == [(22, 11.0), (TEXTS, 32.0), (TEXTS, 32.0)], "a token a text"
    assert {tuple(asked.body) for asked in server.asked} == {("model", "input")}
    assert sorted(len(asked.body["input"]) for asked in server.asked) == [22, TEXTS, TEXTS], "equal texts go once"
    for text, vector in zip(texts, found, strict=True):
        assert vector == pytest.approx([1 / math.hypot(1, len(text) - 1), *_rest(len(text) - 1), 0, 0])


def _rest(count: int) -> list[float]:
    return [count / math.hypot(1, count)]


async def test_what_passes_is_tried_again_and_nothing_is_asked_for_no_text(server: LoopbackServer) -> None:
    model = model_at(server)
    assert await model.embed([]) == []
    server.next(drop())
    assert await model.embed(["ab"]) == [pytest.approx((0.5**0.5, 0.5**0.5, 0, 0))]
    await model.close()
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (completion("x"), "answered with something that is not a list of embeddings (no data)."),
        (raw(b"{"), "that is not a list of embeddings (not JSON)."),
        (raw({"data": [{"index": 0, "embedding": [1.0]}]}), "(vectors of 1 texts, not of 2)"),
        (
            raw({"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]}),
            "(vectors of several sizes)",
        ),
        (
            raw({"data": [{"index": 0, "embedding": [0.0]}, {"index": 1, "embedding": [1.0]}]}),
            "(a vector without a direction)",
        ),
        (status(501, "This server does not support embeddings"), "(501: This server does not support embeddings)"),
        (status(400, "input too long"), "rejected the request (400: input too long)"),
    ],
)
async def test_faults_have_a_sentence(server: LoopbackServer, answer: Answer, words: str) -> None:
    def always(_: Asked) -> Answer:
        return answer

    server.rule = always
    model = model_at(server)
    with pytest.raises(ModelFault) as raised:
        await model.embed(["a", "b"])
    await model.close()
    assert str(raised.value).startswith(f"emb: {server.base_url} ")
    assert words in str(raised.value)


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), max_size=5), st.randoms())
def test_vectors_are_read_by_index_at_length_1_or_not_at_all(vectors: list[list[float]], random: object) -> None:
    rows = [{"index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    random.shuffle(rows)  # type: ignore[attr-defined]
    found = read_vectors(json.encode({"data": rows}), len(vectors))
    if isinstance(found, str):
        assert any(math.hypot(*vector) == 0 for vector in vectors)
    else:
        assert [math.hypot(*vector) for vector in found.vectors] == pytest.approx([1.0] * len(vectors))
        for before, after in zip(vectors, found.vectors, strict=True):
            length = math.hypot(*before)
            assert [length * one for one in after] == pytest.approx(before)

"""Vectors of texts, from the packaged nano with a pooling written into its metadata."""

from __future__ import annotations

import asyncio
import importlib.util
import math
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from gguf_support import MEAN, answers, ask, collect, with_metadata

from promptlab.errors import ModelFault
from promptlab.models.gguf.process import GgufModel
from promptlab.models.values import Embedding

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="the local engine is not installed"),
]

RANK = 4
TEXTS = ["I was charged twice.", "The parcel is late.", "I was charged two times."]


@pytest.fixture
async def open_model(tmp_path: Path) -> AsyncIterator[Callable[..., GgufModel]]:
    models: list[GgufModel] = []

    def open_one(path: Path, context: int | None = None) -> GgufModel:
        models.append(GgufModel(path, "vectors", context, log=tmp_path / "gguf.log"))
        return models[-1]

    yield open_one
    for model in models:
        await model.close()


in_one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GgufModel]:
    """A model whose child outlives a test."""
    folder = tmp_path_factory.mktemp("kept")
    model = GgufModel(with_metadata(folder / "mean.gguf", pooling=MEAN), "vectors", log=folder / "gguf.log")
    yield model
    await model.close()


@pytest.fixture
def vectors(open_model: Callable[..., GgufModel], tmp_path: Path) -> GgufModel:
    return open_model(with_metadata(tmp_path / "mean.gguf", pooling=MEAN))


@in_one_loop
async def test_texts_become_vectors_of_length_one(kept: GgufModel) -> None:
    model: Embedding = kept
    assert isinstance(model, Embedding)
    assert kept.capabilities.embeddings
    found = await model.embed(TEXTS)
    assert [len(vector) for vector in found] == [128] * 3
    for vector in found:
        assert math.fsum(x * x for x in vector) == pytest.approx(1, abs=1e-6)
    cosines = [math.fsum(a * b for a, b in zip(found[0], other, strict=True)) for other in found]
    assert cosines[0] == pytest.approx(1, abs=1e-6)
    assert "overriding" not in kept._log.read_text()  # a warning for each of many texts
    assert cosines[2] > cosines[1]  # the two about charges are closer than the one about a parcel


@in_one_loop
async def test_a_vector_depends_on_its_text_alone(kept: GgufModel) -> None:
    first = await kept.embed(TEXTS)
    many = await kept.embed([*TEXTS[::-1], TEXTS[0], *(f"Ticket {number}." for number in range(40))])
    assert many[:4] == [*first[::-1], first[0]]
    assert await kept.embed([]) == []


@in_one_loop
async def test_one_model_embeds_and_writes_at_once(kept: GgufModel) -> None:
    alone = await kept.embed(TEXTS)
    writing = asyncio.create_task(collect(kept.generate([ask(str(n), key=str(n)) for n in range(20)])))
    assert await kept.embed(TEXTS) == alone
    assert len(await writing) == 20


async def test_a_killed_child_loses_no_vector(vectors: GgufModel) -> None:
    expected = await vectors.embed(TEXTS * 20)
    assert vectors.pid is not None
    texts = [f"{text} {number}" for number in range(40) for text in TEXTS]
    embedding = asyncio.create_task(vectors.embed(texts))
    await asyncio.sleep(0.02)
    os.kill(vectors.pid, signal.SIGKILL)
    assert len(await embedding) == 120
    assert await vectors.embed(TEXTS * 20) == expected


async def test_what_cannot_be_embedded_says_so_and_the_model_stays_usable(
    open_model: Callable[..., GgufModel], tmp_path: Path
) -> None:
    model = open_model(with_metadata(tmp_path / "mean.gguf", pooling=MEAN), 64)
    with pytest.raises(
        ModelFault,
        match=r"vectors: The text has \d+ tokens, and the model embeds at most 64\. Shorten the text, or give",
    ):
        await model.embed(["short", "word " * 100])
    largest = open_model(with_metadata(tmp_path / "largest.gguf", pooling=MEAN))
    with pytest.raises(ModelFault, match=r"at most 1024\. Shorten the text: the model was trained on no more"):
        await largest.embed(["word " * 1100])
    with pytest.raises(ModelFault, match="The text is empty"):
        await model.embed([""])
    with pytest.raises(ModelFault, match="holds something that the local engine cannot take"):
        await model.embed(["\ud800"])
    assert len(await model.embed(["short"])) == 1


@pytest.mark.parametrize("pooling", [None, RANK])
async def test_a_model_that_is_no_embedding_model_says_so(
    pooling: int | None, open_model: Callable[..., GgufModel], tmp_path: Path
) -> None:
    model = open_model(with_metadata(tmp_path / "chat.gguf", pooling=pooling))
    with pytest.raises(ModelFault, match=r"vectors: This model gives no embeddings: .* Choose an embedding model\."):
        await model.embed(TEXTS)
    assert len(await answers(model, [ask()])) == 1


async def test_a_model_that_only_embeds_does_not_write(open_model: Callable[..., GgufModel], tmp_path: Path) -> None:
    model = open_model(with_metadata(tmp_path / "encoder.gguf", pooling=MEAN, causal=False))
    assert len(await model.embed(TEXTS)) == 3
    fault = (await collect(model.generate([ask()])))["k"].fault
    assert fault is not None
    assert (fault.kind, fault.message) == (
        "unavailable",
        "This model gives embeddings and generates no text. Choose a chat model.",
    )

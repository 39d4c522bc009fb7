"""More than one local model in a program: what is in memory at once."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gguf_support import MINI, NANO, answers, ask, ask_long, collect

from promptlab.errors import ModelFault
from promptlab.models.gguf import resident
from promptlab.models.gguf.process import GgufModel

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="the local engine is not installed"),
]

ONE = resident.ROOM + MINI.stat().st_size
"""Bytes that are enough for either model, and not for both."""


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[GgufModel, GgufModel]]:
    models = tuple(GgufModel(path, path.stem, log=tmp_path / "gguf.log") for path in (NANO, MINI))
    yield models[0], models[1]
    for model in models:
        await model.close()


async def test_two_models_stay_where_there_is_room(
    pair: tuple[GgufModel, GgufModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "available_memory", lambda: 1 << 40)
    for model in pair:
        await answers(model, [ask()])
    assert all(model.pid for model in pair)


async def test_one_model_makes_room_for_the_next(
    pair: tuple[GgufModel, GgufModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "available_memory", lambda: ONE)
    nano, mini = pair
    for asked, other in ((nano, mini), (mini, nano), (nano, mini)):
        assert len(await answers(asked, [ask()])) == 1
        assert asked.pid is not None
        assert other.pid is None


async def test_a_model_that_is_at_work_is_not_closed(
    pair: tuple[GgufModel, GgufModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "available_memory", lambda: 0)
    nano, mini = pair
    await answers(nano, [ask()])
    asking = asyncio.create_task(collect(nano.generate([ask_long()])))
    await asyncio.sleep(0)
    pid = nano.pid
    await answers(mini, [ask()])
    assert (await asking)["long"].fault is None
    assert nano.pid == pid


async def test_a_model_is_made_ready_only_where_there_is_room(
    pair: tuple[GgufModel, GgufModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    nano, mini = pair
    for room, ready in ((ONE, False), (1 << 40, True)):
        monkeypatch.setattr(resident, "available_memory", lambda room=room: room)
        await answers(nano, [ask()])
        mini.prepare()
        mini.prepare()
        assert mini._worker is not None
        await mini._worker
        assert (mini.pid is not None) == ready
        assert nano.pid is not None
    pid = mini.pid
    await answers(mini, [ask()])
    assert mini.pid == pid


async def test_what_is_wrong_with_a_file_that_was_to_be_made_ready_is_told_when_it_is_asked(tmp_path: Path) -> None:
    model = GgufModel(tmp_path / "none.gguf", "none", log=tmp_path / "gguf.log")
    model.prepare()
    assert model._worker is not None
    await model._worker
    with pytest.raises(ModelFault, match="there is no such file"):
        await collect(model.generate([ask()]))

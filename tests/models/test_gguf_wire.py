from __future__ import annotations

import asyncio
import io

import pytest
from gguf_support import ask

from promptlab.models.gguf import wire
from promptlab.models.values import Constraint, Outcome


def test_the_child_reads_what_the_program_wrote() -> None:
    load = wire.Load(b"/m.gguf", None, 3, plain=False)
    question = wire.Ask(7, ask("grüße 🙂", constraint=Constraint(json_schema={"a": [1, None]})))
    pipe = io.BytesIO(wire.frame(load) + wire.frame(question) + wire.frame(wire.Go()))
    assert [wire.receive(pipe) for _ in range(4)] == [load, question, wire.Go(), None]


@pytest.mark.parametrize("length", [0, 3, 4, 10])
def test_a_torn_frame_is_the_end(length: int) -> None:
    assert wire.receive(io.BytesIO(wire.frame(wire.Ask(1, ask()))[:length])) is None


async def test_the_program_reads_what_the_child_wrote() -> None:
    stream = asyncio.StreamReader()
    answer = wire.Answer(7, Outcome(key="k", text="é"))
    stream.feed_data(wire.frame(wire.Loaded(1024)) + wire.frame(wire.Begun((7,))) + wire.frame(answer))
    stream.feed_eof()
    assert await wire.receive_answer(stream) == wire.Loaded(1024)
    assert await wire.receive_answer(stream) == wire.Begun((7,))
    assert await wire.receive_answer(stream) == answer
    with pytest.raises(asyncio.IncompleteReadError):
        await wire.receive_answer(stream)

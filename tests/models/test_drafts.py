"""Answers of endpoints that come piece by piece, told while they come."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest
from loopback import Answer, LoopbackServer, status, written
from msgspec import structs

from promptlab.models.batch import Answers
from promptlab.models.drafts import EVERY
from promptlab.models.endpoint import Endpoint
from promptlab.models.retry import RetryPolicy
from promptlab.models.values import Outcome, Request, Written
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.values import Message, Params

KEY = "sk-loopback-secret"
WORDS = [f"word{number} " for number in range(40)]


def request(text: str = "hello") -> Request:
    return Request(f"key of {text}", (Message("user", text),), Params(temperature=0.5))


class Sitting:
    """Somebody who watches a model."""

    def __init__(self, server: LoopbackServer, **fields: Any) -> None:
        entry = ModelEntry(name="gpt", model="gpt-x", base_url=server.base_url, stream=True)
        self.model = Endpoint(structs.replace(entry, **fields), policy=RetryPolicy(retries=1, first=0.01))
        self.heard: list[Written] = []
        self.something = asyncio.Event()

    def watch(self, news: Written) -> None:
        self.heard.append(news)
        self.something.set()

    async def ask(self, *requests: Request, watched: bool = True) -> dict[str, Outcome]:
        asked = self.model.generate(requests, self.watch) if watched else self.model.generate(requests)
        found = {one.key: one async for one in asked}
        await asyncio.sleep(2 * EVERY)  # what would be said too late is heard as well
        await self.model.close()
        return found

    def texts(self, key: str) -> list[str]:
        return [text for news in self.heard for one, text in news.texts if one == key]


async def test_a_text_is_told_while_it_grows_some_times_a_second(server: LoopbackServer) -> None:
    server.next(written(*WORDS, pause=0.015))
    sitting = Sitting(server)
    begin = time.perf_counter()
    (one,) = (await sitting.ask(request())).values()
    assert one.text == "".join(WORDS)
    assert 0 < one.first < one.latency
    texts = sitting.texts(one.key)
    assert texts
    assert all(len(before) < len(after) for before, after in pairwise(texts))
    assert all(one.text.startswith(text) for text in texts)
    assert len(sitting.heard) <= (time.perf_counter() - begin) / EVERY
    assert sum(news.tokens for news in sitting.heard) <= len(WORDS) + 1


async def test_many_at_once_are_told_together(server: LoopbackServer) -> None:
    server.rule = lambda _: written(*WORDS[:20], pause=0.015)
    sitting = Sitting(server)
    begin = time.perf_counter()
    found = await sitting.ask(*(request(f"r{number}") for number in range(20)))
    assert {one.text for one in found.values()} == {"".join(WORDS[:20])}
    assert max(len(news.texts) for news in sitting.heard) > 1
    assert len(sitting.heard) <= (time.perf_counter() - begin) / EVERY


async def test_nobody_watches_or_nothing_comes_in_pieces(server: LoopbackServer) -> None:
    alone = Sitting(server)
    server.next(written(*WORDS[:20], pause=0.01))
    (one,) = (await alone.ask(request(), watched=False)).values()
    assert one.text == "".join(WORDS[:20])
    whole = Sitting(server, stream=False)
    assert alone.model.capabilities.streaming
    assert not whole.model.capabilities.streaming
    (one,) = (await whole.ask(request())).values()
    assert one.text == "hello"
    assert alone.heard == whole.heard == []


async def test_samples_are_asked_for_one_by_one_since_their_pieces_would_be_mixed(server: LoopbackServer) -> None:
    server.rule = lambda asked: written("n", str(asked.body.get("n", 1)))
    sitting = Sitting(server, samples=8)
    found = await sitting.ask(*(structs.replace(request(), key=str(trial), seed=trial) for trial in range(3)))
    assert {one.text for one in found.values()} == {"n1"}
    assert (len(server.asked), sitting.model.traffic.samples) == (3, 1)


@pytest.mark.parametrize("broken", [written(*WORDS, pause=0.015, cut=1400), status(500)])
async def test_half_an_answer_is_taken_back_before_the_next_try(server: LoopbackServer, broken: Answer) -> None:
    server.next(broken, written("another ", "answer ", *WORDS[:20], pause=0.015))
    sitting = Sitting(server)
    (one,) = (await sitting.ask(request())).values()
    assert one.text.startswith("another answer ")
    texts = sitting.texts(one.key)
    half = [text for text in texts if text.startswith("word")]
    assert bool(half) == (broken.status == 200)
    assert all(not text or one.text.startswith(text) for text in texts[len(half) :])


async def test_nothing_is_told_after_it_was_given_up(server: LoopbackServer) -> None:
    server.rule = lambda _: written(*WORDS * 10, pause=0.02)
    sitting = Sitting(server)
    answers = sitting.model.generate([request("a"), request("b")], sitting.watch)
    async with aclosing(answers):  # pyright: ignore[reportArgumentType] -- it is a generator
        waiting = asyncio.ensure_future(anext(answers))
        await sitting.something.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    count = len(sitting.heard)
    await asyncio.sleep(2 * EVERY)
    assert len(sitting.heard) == count
    await sitting.model.close()


async def test_the_key_is_not_told_and_reasoning_gives_way_to_the_answer(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", KEY)
    server.next(written(*WORDS[:10], KEY, *WORDS[:20], pause=0.015))
    sitting = Sitting(server, api_key_env="LOOPBACK_KEY")
    (one,) = (await sitting.ask(request())).values()
    assert "[key]" in one.text
    assert KEY not in str(sitting.heard)
    assert any("[key]" in text for text in sitting.texts(one.key))


async def test_what_is_shown_of_a_draft() -> None:
    heard: list[Written] = []
    answers = Answers(heard.append, lambda text: text)

    async def told() -> Written:
        before = len(heard)
        async with asyncio.timeout(20):
            while len(heard) == before:
                await asyncio.sleep(EVERY / 4)
        return heard[-1]

    with answers.draft("k") as draft, answers.draft("k") as second:
        draft.add("", "Hm")
        second.add("of a second request for the same answer", "")
        assert await told() == Written((("k", "<think>Hm"),), 1)
        draft.add("bil", "")
        draft.add("ling \ud83d", "")
        assert await told() == Written((("k", "billing ?"),), 2)
    with answers.draft("inline") as draft:
        draft.add("<think>Hm", "")
        assert ("inline", "<think>Hm") in (await told()).texts
        draft.add("</think>\n\nyes", "")
        assert await told() == Written((("inline", "yes"),), 1)
    assert await told() == Written((("inline", ""),)), "it did not become an answer"
    await answers.cancel()

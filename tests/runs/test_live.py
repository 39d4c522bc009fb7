"""What a run says to other processes while one of them looks: how far it is, and what is being written."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import LoopbackServer, written
from msgspec import structs
from runs.scripted import make_column, make_evalset

from promptlab.models.cache import Cache
from promptlab.models.endpoint import Endpoint
from promptlab.runs.execute import execute
from promptlab.runs.following import Following
from promptlab.runs.journal import open_journal
from promptlab.runs.live import LIVE, LOOKING, TAIL, Drafted, Live, look
from promptlab.runs.means import Means
from promptlab.runs.plan import make_plan
from promptlab.runs.values import CellText, Progress
from promptlab.workspace.settings_values import ModelEntry

WORDS = ["It ", "is ", "about ", "billing ", "and ", "money."]


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running


@pytest.mark.parametrize("looked_at", [True, False])
async def test_who_looks_at_a_headless_run_sees_its_answers_grow(
    tmp_path: Path, server: LoopbackServer, looked_at: bool
) -> None:
    server.rule = lambda _: written(*WORDS, pause=0.15)
    model = Endpoint(ModelEntry("gpt", model="x", base_url=server.base_url, stream=True))
    evalset = make_evalset(2)
    plan = make_plan(evalset, evalset.examples, [structs.replace(make_column(model="gpt"), identity=model.identity)])
    journal = open_journal(tmp_path, plan)
    means = Means({"gpt": model}, Cache(tmp_path / "cache"), journal, stop=asyncio.Event(), watched=False)
    following = Following(tmp_path, journal.run)
    seen: list[Live] = []

    async def watch() -> None:
        while True:
            if looked_at and (live := following.live):
                seen.append(live)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    events = [event async for event in execute(plan, means)]
    watching.cancel()
    await model.close()
    assert not any(isinstance(event, CellText) for event in events), "nobody in this process wants to hear of it"
    assert bool(seen) == looked_at
    assert not (journal.folder / LIVE).exists()
    texts = [text for live in seen for text in live.texts]
    assert {text.example for text in texts} == ({example.id for example in evalset.examples} if looked_at else set())
    assert all("".join(WORDS).startswith(text.text) for text in texts)
    assert len({text.text for text in texts if text.example == plan.examples[0].id}) >= (2 if looked_at else 0)
    assert all(live.progress.total == 2 and live.progress.in_flight <= 2 for live in seen)


def test_it_is_said_some_times_a_second_as_long_as_somebody_looks(tmp_path: Path) -> None:
    drafted, progress = Drafted(tmp_path), Progress(total=2)
    assert not drafted.wanted(), "nobody has looked"
    assert look(tmp_path) is None
    assert drafted.wanted()
    assert not drafted.wanted(), "just now"
    drafted.wrote([CellText("a", "one", 0, "x" * (TAIL + 1)), CellText("a", "two", 0, "y", "draft")])
    drafted.done(("a", "two", 0))
    drafted.tell(drafted.live(progress))
    live = look(tmp_path)
    assert live == Live(progress, (CellText("a", "one", 0, "…" + "x" * TAIL),))
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}, "for their owner only"
    long_ago = time.time() - 60
    os.utime(tmp_path / LOOKING, (long_ago, long_ago))
    later = Drafted(tmp_path)
    assert not later.wanted(), "who looked is gone"
    os.utime(tmp_path / LIVE, (long_ago, long_ago))
    assert look(tmp_path) is None, "what was said is old"
    (tmp_path / LIVE).write_bytes(b"{")
    assert look(tmp_path) is None
    drafted.tell(Live(progress))
    assert look(tmp_path) == Live(progress)
    drafted.tell(Live(progress, (CellText("a", "one", 0, "half of \ud83d"),)))
    assert look(tmp_path) == Live(progress), "what cannot be said ends nothing"
    drafted.close()
    drafted.tell(Live(progress))
    assert not (tmp_path / LIVE).exists(), "what is said late is not left behind"
    Drafted(tmp_path / "gone").tell(Live(progress))
    assert look(tmp_path / "gone") is None

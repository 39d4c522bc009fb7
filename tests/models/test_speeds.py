"""What was measured of models: remembered, completed, and never taken for that of another file."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
from contextlib import aclosing
from pathlib import Path

import pytest
from gguf_support import MINI, NANO

from promptlab.errors import ModelFault, StorageFault
from promptlab.models.gguf.measuring import measure
from promptlab.models.measures import known_speeds, remember, speed_of, speeds_file, unmeasured
from promptlab.models.speed import BATCHES, Measured, Speed

local = pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="the local engine is not installed")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF")
    return path


def test_a_measurement_is_remembered_and_completes_the_one_before(file: Path) -> None:
    assert speed_of(file, known_speeds()) is None
    first = (
        unmeasured(file, 2).with_measured(Measured("load", 0.5, 100)).with_measured(Measured("answer", 9.0, 300, 4))
    )
    remember(first)
    remember(unmeasured(file, 2).with_measured(Measured("prompt", 70.0, 200)))
    found = speed_of(file, known_speeds())
    assert found is not None
    assert (found.load, found.prompt, found.answers, found.memory) == (0.5, 70.0, {4: 9.0}, 300)
    assert not found.complete


def test_a_changed_file_is_another_model_and_takes_the_place_of_the_old_one(file: Path) -> None:
    remember(unmeasured(file, 1).with_measured(Measured("prompt", 70.0, 0)))
    file.write_bytes(b"GGUF, another")
    assert speed_of(file, known_speeds()) is None
    remember(unmeasured(file, 1).with_measured(Measured("load", 1.0, 0)))
    assert [(one.load, one.prompt) for one in known_speeds()] == [(1.0, None)]


def test_other_threads_are_another_measurement(file: Path) -> None:
    remember(unmeasured(file, 1).with_measured(Measured("prompt", 70.0, 0)))
    remember(unmeasured(file, 3).with_measured(Measured("load", 1.0, 0)))
    assert [(one.threads, one.prompt) for one in known_speeds()] == [(3, None)]


def test_a_damaged_memory_is_begun_again(file: Path) -> None:
    speeds_file().parent.mkdir(parents=True, exist_ok=True)
    speeds_file().write_text('[{"path": 1}]')
    assert known_speeds() == []
    remember(unmeasured(file, 1))
    assert [one.path for one in known_speeds()] == [str(file)]
    assert [one.name for one in speeds_file().parent.iterdir()] == [speeds_file().name]


def test_a_folder_that_cannot_be_written_is_one_sentence(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAB_STATE", str(file))
    with pytest.raises(StorageFault, match=r"what was measured cannot be remembered \(.*set PROMPTLAB_STATE"):
        remember(unmeasured(file, 1))


def test_the_share_of_the_work_grows_to_one(file: Path) -> None:
    speed = unmeasured(file, 1)
    shares = [speed.share]
    for one in (Measured("load", 1, 1), Measured("prompt", 1, 1), *(Measured("answer", 1, 1, b) for b in BATCHES)):
        speed = speed.with_measured(one)
        shares.append(speed.share)
    assert shares[0] == 0
    assert shares == sorted(set(shares))
    assert shares[-1] == 1
    assert speed.complete


def children() -> set[int]:
    return {
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _parent(entry) == os.getpid() and b"gguf.measure" in _command(entry)
    }


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


@local
@pytest.mark.local
async def test_closing_early_ends_the_process_and_keeps_what_was_measured() -> None:
    async with aclosing(measure(MINI, threads=1)) as speeds:
        first: Speed = await anext(speeds)
        assert len(children()) == 1
    assert first.load is not None
    assert children() == set()


@local
@pytest.mark.local
async def test_a_process_that_dies_is_one_sentence() -> None:
    async def kill() -> None:
        while not (found := children()):
            await asyncio.sleep(0.005)
        os.kill(found.pop(), signal.SIGKILL)

    killer = asyncio.create_task(kill())
    with pytest.raises(ModelFault, match=r"the process that measured the model died \(SIGKILL: killed, often for"):
        async for _ in measure(NANO, threads=1):
            pass
    await killer


@local
@pytest.mark.local
async def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(NANO.read_bytes()[:300])
    with pytest.raises(ModelFault, match=r"m\.gguf: cannot be loaded: failed to read key-value pairs\."):
        async for _ in measure(path):
            pass

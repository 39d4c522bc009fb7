"""What the screens look like when they are empty, full, have an error and while a run goes on, as text, at two sizes.

Made again with ``pytest --snapshot-update``, and read. Compare and Evals have pictures of their own.
"""

from __future__ import annotations

import re
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer, status
from tui.golden import Golden, golden
from tui.runs_made import BOTH, finished
from tui.sitting import NORMAL, WIDE, Sitting, sitting

__all__ = ["golden"]

SCREENS = {"1": "prompts", "3": "results", "4": "diff", "5": "history", "7": "models", "8": "review"}
STEADY = (
    (r"127[.]0[.]0[.]1:[0-9]+", "127.0.0.1:00000"),
    (r"\b[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}\b", "0000-00-00 00:00"),
    (r"[0-9]{8}T[0-9]{6}Z", "00000000T000000Z"),
)
"""What differs from time to time."""


def seven(run: str, by: str) -> int:
    """The seed of Review's order, which else is that of the run's random name."""
    return 7


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("promptlab.tui.screens.review.seed_of", seven)
    evalset = folder / "evalsets" / "tickets.toml"
    evalset.write_text(evalset.read_text().replace('[[metrics]]\nid = "latency"\n', ""))


def steady(line: str) -> str:
    """A line without what differs from time to time; without its gaps too where a time has left them."""
    for was, becomes in STEADY:
        line = re.sub(was, becomes, line)
    line = re.sub(r"\b(?=[a-f]*[0-9])[0-9a-f]{6,64}\b", lambda found: "0" * len(found[0]), line)
    timed = re.sub(r"[0-9.]+ m?s\b", "0 ms", line)
    timed = re.sub(r"(0 ms) +[0-9,]+\b(?! ms)", r"\1", timed)  # tokens in a second
    return line if timed == line else re.sub(r" {2,}", " ", re.sub(r"[━─]{2,}", "──", timed))


async def settled(here: Sitting) -> None:
    """Until all is read, and what was read is drawn."""
    drawn: list[list[str]] = [[]]

    def still() -> bool:
        drawn.append(here.lines)
        reading = any(not each.is_finished and each.group not in ("job", "watch") for each in here.app.workers)
        return drawn[-2] == drawn[-1] and not reading

    await here.until(still)


async def pictured(here: Sitting, golden: Golden, name: str) -> None:
    """Every screen, as soon as it has read what it shows."""
    for size in (WIDE, NORMAL):
        await here.pilot.resize_terminal(*size)
        for key, screen in SCREENS.items():
            await here.press(key)
            await here.until(lambda screen=screen: here.app.current_mode == screen)
            await settled(here)
            golden(f"{screen}-{name}-{size[0]}x{size[1]}", [steady(line) for line in here.lines])


async def test_empty(folder: Path, golden: Golden) -> None:
    for file in ("promptlab.toml", "prompts/triage.toml", "evalsets/tickets.toml"):
        (folder / file).unlink()
    (folder / "promptlab.toml").write_text("")
    async with sitting(folder) as here:
        await here.sees("No prompt yet")
        await pictured(here, golden, "empty")


async def test_full(folder: Path, golden: Golden) -> None:
    await finished(folder, BOTH)
    async with sitting(folder) as here:
        await here.sees("v2")
        await pictured(here, golden, "full")


async def test_errors(folder: Path, server: LoopbackServer, golden: Golden) -> None:
    server.rule = lambda asked: status(400, "no [/] today") if asked.text.startswith("Label") else None
    await finished(folder, BOTH)
    (folder / "prompts" / "triage.toml").write_text(places.SECOND + "[/] = [\n")
    async with sitting(folder) as here:
        await here.sees("This text does not load yet.")
        await pictured(here, golden, "error")


async def test_running(folder: Path, server: LoopbackServer, golden: Golden) -> None:
    server.latency = 300.0
    (folder / "promptlab.toml").write_text(places.settings_text(server.base_url).replace("5.0", "600.0"))
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("R")
        await here.sees("16 answers, against triage@v1")
        await here.press("enter")
        await here.sees("0/16 · 16 of 20 in flight")
        await pictured(here, golden, "running")
        await here.press("X")

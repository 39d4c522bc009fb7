"""What a person waits for at the screen: the first paint, and a key in a grid of 10,000 examples.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_tui.py
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import msgspec
import places
import pytest
from benchmarks.clock import least
from textual import events
from textual._compositor import Compositor, CompositorUpdate
from textual.screen import Screen
from tui.sitting import sitting

from promptlab.lab import Lab, RunTable
from promptlab.lab.values import CellScored, RunRequest
from promptlab.models.values import Outcome, Usage
from promptlab.scoring.values import Score
from promptlab.tui.app import PromptlabApp
from promptlab.tui.screens.results import ResultsScreen

EXAMPLES = 10_000
PAINT_BAR, KEY_BAR = 0.500, 0.050
STARTS, PRESSES = 7, 60
PAINT = Compositor.render_update


def until_painted(folder: Path) -> float:
    """Seconds from starting the process to its first frame, on a terminal of 120×40."""
    person, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    begun = time.perf_counter()
    command = [sys.executable, "-m", "promptlab", str(folder)]
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    process = subprocess.Popen(command, stdin=program, stdout=program, stderr=program, env=environment)
    os.close(program)
    seen = b""
    try:
        while b"Prompts" not in seen:
            ready, _, _ = select.select([person], [], [], 10)
            assert ready, f"nothing was painted: {seen[-400:]!r}"
            seen += os.read(person, 65536)
        return time.perf_counter() - begun
    finally:
        process.kill()
        process.wait()
        os.close(person)


@pytest.mark.benchmark
def test_first_paint(tmp_path: Path) -> None:
    folder = places.workspace(tmp_path / "shop")
    times = sorted(until_painted(folder) for _ in range(STARTS))
    median = times[STARTS // 2]
    command = [sys.executable, "-c", "import textual.app, textual.widgets"]
    (bare,) = least(lambda: subprocess.run(command, check=True))
    print(f"\n  first paint: median {1000 * median:.0f} ms, slowest {1000 * times[-1]:.0f} ms", end="")
    print(f" = {median / bare:.1f} × importing textual ({1000 * bare:.0f} ms)")
    assert median <= PAINT_BAR or median <= 4 * bare


def big_table(folder: Path) -> RunTable:
    """A finished run of two columns over 10,000 examples."""
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=("triage@v1", "triage"), baseline="triage@v1"))
    examples = tuple(
        msgspec.structs.replace(plan.examples[n % len(plan.examples)], id=f"e{n}") for n in range(EXAMPLES)
    )
    table = lab.table(msgspec.structs.replace(plan, examples=examples))
    for column, modulus in (("a", 3), ("b", 5)):
        for n in range(EXAMPLES):
            outcome = Outcome(key=f"{column}{n}", text="billing " * (n % 9), latency=0.1, usage=Usage(50, 9))
            scores = tuple(Score(name, float(n % modulus != 0)) for name in table.infos)
            table.add(CellScored(column, f"e{n}", 0, outcome, scores))
    table.run, table.state = "20261121T000000Z-000000", "complete"
    return table


async def repaint(app: PromptlabApp, key: str, painted: asyncio.Event) -> float:
    """Seconds from a key to the frame that answers it."""
    painted.clear()
    begun = time.perf_counter()
    app.post_message(events.Key(key, key if len(key) == 1 else None))
    await asyncio.wait_for(painted.wait(), 5)
    return time.perf_counter() - begun


@pytest.mark.benchmark
async def test_a_key_in_ten_thousand_rows(tmp_path: Path) -> None:
    folder = places.workspace(tmp_path / "shop")
    table = big_table(folder)
    async with sitting(folder) as here:
        await here.sees("triage.toml")
        here.app.session.table = table
        await here.press("3")
        await here.sees("10000/10000")
        await here.until(lambda: "verdict" in here.text and "BETTER" in here.text)
        assert isinstance(here.app.screen, ResultsScreen)
        painted = asyncio.Event()

        def display(screen: Screen[object], update: object) -> None:
            # A headless app does not write; making the bytes is the dear part of it.
            if isinstance(update, CompositorUpdate):
                update.render_segments(here.app.console)
                painted.set()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Compositor, "render_update", PAINT)  # a sitting paints only what a test looks at
            patch.setattr(here.app, "_display", display)
            print()
            for key in ("j", "pagedown", "G", "k", "pageup", "g", "l"):
                times: list[float] = []
                for _ in range(PRESSES if key not in "Ggl" else 3):
                    if key in "Ggl":
                        await here.press({"G": "g", "g": "G", "l": "h"}[key])
                    times.append(await repaint(here.app, key, painted))
                    await asyncio.sleep(0.03)
                median, p95 = statistics.median(times), sorted(times)[int(0.95 * (len(times) - 1))]
                print(f"  {key:9} median {1000 * median:5.1f} ms, p95 {1000 * p95:5.1f} ms")
                assert median <= KEY_BAR  # the slowest ones measure the machine's other work, too

"""What Compare looks like when it is empty, waits, is full and has errors, as the text of the screen.

Made again with ``pytest --snapshot-update``, and looked at. Latencies are on it, so it is no picture.
"""

from __future__ import annotations

import re
from pathlib import Path

from loopback import LoopbackServer, status
from syrupy.assertion import SnapshotAssertion
from tui.sitting import NORMAL, WIDE, Sitting, sitting


def drawn(here: Sitting) -> str:
    """The panes, without what differs from time to time: ports, latencies, and the gaps that they leave."""
    last = max(at for at, line in enumerate(here.lines) if line.endswith(("╯", "┛")))
    text = re.sub(r"127[.]0[.]0[.]1:[0-9]+", "127.0.0.1:00000", "\n".join(here.lines[1 : last + 1]))
    return "\n".join(_without_times(line) if " ms" in line or " s " in line else line for line in text.split("\n"))


def _without_times(line: str) -> str:
    line = re.sub(r"[0-9.]+ m?s( · [0-9,]+ tok/s)?", "0 ms", line)
    line = re.sub(r"  [▲▼] [.0-9e-]+", "", line)
    return re.sub(r"[━─]{2,}", "──", re.sub(r" {2,}", "  ", line))


async def pictured(here: Sitting, snapshot: SnapshotAssertion, state: str, words: str) -> None:
    """As soon as the words are there: at both sizes."""
    for size in (WIDE, NORMAL):
        await here.pilot.resize_terminal(*size)
        await here.sees(words)
        assert drawn(here) == snapshot(name=f"{state} {size[0]}x{size[1]}")


async def test_from_empty_to_errors(folder: Path, server: LoopbackServer, snapshot: SnapshotAssertion) -> None:
    server.hold()
    server.rule = lambda asked: status(400, "no [/] today") if asked.text.endswith("parcel?") else None
    async with sitting(folder, NORMAL) as here:
        await here.sees("v2")
        await here.press("2")
        await pictured(here, snapshot, "empty", "Nothing to compare yet.")
        await here.press("r")
        await pictured(here, snapshot, "running", "waiting …")
        server.let_go()
        await here.until(lambda: here.status.startswith("done: 10/10"))
        await pictured(here, snapshot, "full", "── scores ──")
        await here.press("right_square_bracket")
        await pictured(here, snapshot, "error", "! api: ")

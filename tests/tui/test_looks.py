"""What the first screen looks like, as pictures: made again with ``pytest --snapshot-update``, and looked at."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from textual.pilot import Pilot

from promptlab.lab import Lab
from promptlab.tui.app import PromptlabApp

MADE_WITH = {"textual": "8.2.8", "rich": "15.0.0"}
pytestmark = pytest.mark.skipif(
    any(version(name) != made for name, made in MADE_WITH.items()),
    reason=f"the pictures are of {MADE_WITH}; other releases draw other lines",
)


async def settled(pilot: Pilot[int]) -> None:
    """Until the preview is filled and git was read."""
    for _ in range(200):
        await pilot.pause(0.05)
        shown = pilot.app.export_screenshot().replace("&#160;", " ")
        if "v2" in shown and "not used" not in shown and ("tickets · t1" in shown or pilot.app.size.width < 100):
            return
    raise AssertionError("the screen never settled")


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=["120x40", "80x24"])
def test_the_prompts_screen(snap_compare: Callable[..., bool], folder: Path, size: tuple[int, int]) -> None:
    app = PromptlabApp(lambda: Lab.open(folder))
    assert snap_compare(app, terminal_size=size, run_before=settled)

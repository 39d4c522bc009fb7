"""The real program on a real workspace, driven by keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from promptlab.lab import Lab
from promptlab.tui.app import PromptlabApp
from promptlab.tui.screens.page import OpeningPage
from promptlab.tui.screens.prompts import PromptsScreen

WIDE, NORMAL, SMALL = (120, 40), (80, 24), (60, 15)


class Sitting:
    """An app that runs, and what its screen shows."""

    def __init__(self, app: PromptlabApp, pilot: Pilot[int]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def lines(self) -> list[str]:
        strips = self.app.screen._compositor.render_strips(self.app.size)
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def status(self) -> str:
        return self.app.session.said

    @property
    def prompts(self) -> PromptsScreen:
        screen = self.app.screen
        assert isinstance(screen, PromptsScreen)
        return screen

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        await self.pilot.press(*("space" if c == " " else c for c in text))

    async def until(self, holds: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait for something to become true on the screen; fail with the screen's text when it does not."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"never came true:\n{self.text}"
            await asyncio.sleep(0.03)  # reading the screen is dear: it is drawn anew
        await self.pilot.pause()

    async def sizes(self, *sizes: tuple[int, int]) -> AsyncIterator[tuple[int, int]]:
        """The same sitting at each size of terminal: an app of its own for each would be started for little."""
        for size in sizes or (WIDE, NORMAL, SMALL):
            await self.pilot.resize_terminal(*size)
            await self.pilot.pause()
            yield size

    async def sees(self, words: str, seconds: float = 30.0) -> None:
        """Wait until the screen shows these words."""
        await self.until(lambda: words in self.text, seconds)


@asynccontextmanager
async def sitting(folder: Path, size: tuple[int, int] = WIDE) -> AsyncIterator[Sitting]:
    """Open the program on a workspace."""
    app = PromptlabApp(lambda: Lab.open(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("promptlab.tui.app.WATCH_SECONDS", 0.2)
        async with app.run_test(size=size) as pilot:
            here = Sitting(app, pilot)
            await here.until(lambda: app.session.lab_now and not isinstance(app.screen, OpeningPage))
            yield here

"""The real program on a real workspace, driven by keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import RenderableType
from textual._compositor import Compositor
from textual.pilot import Pilot
from tui.headless import next_frame

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
        self._painted: tuple[Compositor, list[str]] | None = None

    def paint_later(self) -> Callable[..., RenderableType | None]:
        """What takes the place of painting for a terminal that is not there: whoever looks next paints."""
        paint = Compositor.render_update

        def later(compositor: Compositor, full: bool = False, **options: Any) -> RenderableType | None:
            if full:  # for a picture, which is looked at
                return paint(compositor, full=True, **options)
            compositor._dirty_regions.clear()
            self._painted = None
            return None

        return later

    @property
    def lines(self) -> list[str]:
        """What is on the terminal now."""
        next_frame()
        screen = self.app.screen
        if self._painted is None or self._painted[0] is not screen._compositor:
            strips = screen._compositor.render_strips(self.app.size)
            lines = ["".join(segment.text for segment in strip).rstrip() for strip in strips]
            self._painted = screen._compositor, lines
        return self._painted[1]

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
        """Press keys one after the other, as a person does who looks at the screen after each."""
        for key in keys:
            await self.pilot.press(key)
            assert self.lines

    async def type(self, text: str) -> None:
        await self.press(*("space" if c == " " else c for c in text))

    async def until(self, holds: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait for something to become true on the screen; fail with the screen's text when it does not."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"never came true:\n{self.text}"
            await asyncio.sleep(0.01)
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
        patch.setattr("promptlab.tui.app.WATCH_SECONDS", 0.4)
        async with app.run_test(size=size) as pilot:
            here = Sitting(app, pilot)
            patch.setattr(Compositor, "render_update", here.paint_later())
            await here.until(lambda: app.session.lab_now and not isinstance(app.screen, OpeningPage))
            yield here

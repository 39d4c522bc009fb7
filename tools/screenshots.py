"""Write docs/images/*.svg from the program itself, on fresh copies of the demo: python tools/screenshots.py

Two sittings: the way that docs/first-minutes.md describes, and then each screen where it has most to show.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from promptlab import demo
from promptlab.lab import Lab
from promptlab.lab.values import RunRequest
from promptlab.tui.app import PromptlabApp

TARGET = Path(__file__).parents[1] / "docs" / "images"
SIZE = (120, 36)
PATIENCE = 60.0
"""Seconds after which something that is not on the screen will not come any more."""
RUNS = (
    RunRequest(("triage",), models=("nano",)),
    RunRequest(("triage@v1", "triage@v3", "triage"), models=("mini",)),
    RunRequest(("reply@v1", "reply"), models=("mini",), evalset="replies"),
)
RULE = "If there is no order number, answer none. "


class Camera:
    """A program that is used by keys, and pictures of it."""

    def __init__(self, app: PromptlabApp, press: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self._press = press

    async def press(self, *keys: str, until: str) -> None:
        """Press keys and wait for words to be seen.

        Raises:
            TimeoutError: They never were. The message holds the screen.
        """
        await self._press(*keys)
        deadline = time.monotonic() + PATIENCE
        while until not in self._seen():
            if time.monotonic() > deadline:
                raise TimeoutError(f"“{until}” was never on the screen after {keys}:\n{self._seen()}")
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)

    def _seen(self) -> str:
        strips = self._app.screen._compositor.render_strips(self._app.size)  # pyright: ignore[reportPrivateUsage]  # no public way to the text
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    async def type(self, text: str) -> None:
        """Type as a person does."""
        await self._press(*("space" if letter == " " else letter for letter in text))

    def keep(self, name: str) -> None:
        """Write the picture."""
        picture = self._app.export_screenshot(title="promptlab")
        (TARGET / f"{name}.svg").write_text(picture, encoding="utf-8")


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[Camera]:
    """The program on a workspace."""
    app = PromptlabApp(lambda: Lab.open(folder))
    async with app.run_test(size=SIZE) as pilot:
        yield Camera(app, pilot.press)


async def first_minutes(folder: Path) -> None:
    """The way from a prompt that invents to one that is committed."""
    async with opened(folder) as camera:
        await camera.press(until="orders · o001")
        await camera.press("r", until="done: 5/5")
        camera.keep("first-1-try")
        await camera.press("e", until="esc leave")
        await camera.type(RULE)
        await camera.press("ctrl+r", until="done: 10/10")
        camera.keep("prompts")
        await camera.press("escape", "R", until="Run order")
        await camera.press("enter", until="done: 160/160")
        await camera.press("v", until="Verdict")
        camera.keep("first-2-verdict")
        await camera.press("escape", "c", until="Keep this run")
        await camera.press("C", until="saved as run/order/")
        await camera.press("1", until="prompts/order.toml")
        await camera.press("c", until="Commit order")
        camera.keep("first-3-commit")
        await camera.press("ctrl+s", until="as order@v3")


async def runs(folder: Path) -> None:
    """Runs that give every screen something to show."""
    lab = Lab.open(folder)
    for request in RUNS:
        table = lab.table(plan := lab.plan(request))
        async for _ in lab.run(plan, table):
            pass
        lab.save(table.run)
    await lab.close()


async def screens(folder: Path) -> None:
    """Each screen; the newest run is the one of replies, whose long answers Compare and Review show."""
    async with opened(folder) as camera:
        await camera.press(until="orders · o001")
        await camera.press("2", until="reply@v1")
        camera.keep("compare")
        await camera.press("8", until="Which answer")
        camera.keep("review")
        await camera.press("1", *"jj", until="prompts/triage.toml")
        await camera.press("5", until="change v3 → v4")
        camera.keep("history")
        await camera.press("j", "enter", until="triage on support")
        await camera.press("g", until="changed first")
        camera.keep("results")
        await camera.press("4", until="how the verdict was reached")
        camera.keep("diff")
        await camera.press("6", until="s028")
        camera.keep("evals")
        await camera.press("7", until="Models with triage")
        camera.keep("models")


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        os.environ["PROMPTLAB_CACHE"] = place  # no answer is known before: the timings are those of one machine's day
        for name, shoot in (("demo", first_minutes), ("support-desk", screens)):
            folder = Path(place) / name
            demo.create(folder)
            # Not the name of whoever makes the pictures: Review shows who answers.
            subprocess.run(["git", "config", "user.name", "Ada"], cwd=folder, check=True)
            if shoot is screens:
                asyncio.run(runs(folder))
            asyncio.run(shoot(folder))


if __name__ == "__main__":
    main()

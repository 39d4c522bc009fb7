"""Write docs/images/*.svg from the program itself, on a fresh copy of the demo: python tools/screenshots.py"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from promptlab import demo
from promptlab.lab import Lab
from promptlab.lab.values import RunRequest
from promptlab.tui.app import PromptlabApp

TARGET = Path(__file__).parents[1] / "docs" / "images"
SIZE = (120, 36)
SCREENS = (
    ("3", "triage@v4", "results"),
    ("4", "messages", "diff"),
    ("5", "v4", "history"),
    ("6", "s028", "evals"),
    ("7", "◆1", "models"),
    ("8", "Which answer", "review"),
)
"""Key, words that are seen when the screen is there, name of the picture."""


async def run(folder: Path) -> None:
    """One saved run, so that every screen has something to show."""
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(("triage@v1", "triage@v3", "triage"), models=("mini",)))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    lab.save(table.run)
    await lab.close()


async def shoot(folder: Path) -> None:
    app = PromptlabApp(lambda: Lab.open(folder))
    async with app.run_test(size=SIZE) as pilot:

        async def until(holds: Callable[[], bool]) -> None:
            while not holds():
                await pilot.pause(0.05)
            await pilot.pause(0.5)

        def shows(words: str) -> Callable[[], bool]:
            return lambda: words in app.export_screenshot().replace("&#160;", " ")

        await until(shows("support · s001"))
        await pilot.press("2")  # before the trial, which Compare would show
        await until(shows("triage@v1"))
        _keep(app, "compare")
        await pilot.press("1", "r")
        await until(shows("done: "))
        _keep(app, "prompts")
        for key, words, name in SCREENS:
            await pilot.press(key)
            await until(shows(words))
            _keep(app, name)


def _keep(app: PromptlabApp, name: str) -> None:
    (TARGET / f"{name}.svg").write_text(app.export_screenshot(title="promptlab"), encoding="utf-8")


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "support-desk"
        demo.create(folder)
        # Not the name of whoever makes the pictures: Review shows who answers.
        subprocess.run(["git", "config", "user.name", "Ada"], cwd=folder, check=True)
        asyncio.run(run(folder))
        asyncio.run(shoot(folder))


if __name__ == "__main__":
    main()

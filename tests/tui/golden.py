"""What a screen shows, as text in a file: made again with ``pytest --snapshot-update``, and read."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "__snapshots__"


class Golden:
    """The texts of one test, below a folder of its own."""

    def __init__(self, folder: Path, update: bool) -> None:
        self._folder = folder
        self._update = update

    def __call__(self, name: str, lines: list[str]) -> None:
        """Compare what is on the screen with what was, but for the first line, which is every screen's."""
        file = self._folder / f"{name}.txt"
        text = "\n".join(lines[1:]) + "\n"
        if self._update:
            self._folder.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        was = file.read_text(encoding="utf-8") if file.exists() else "(no such picture: pytest --snapshot-update)"
        assert text == was, f"{file} shows another screen"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(FOLDER / request.path.stem, bool(request.config.getoption("--snapshot-update")))

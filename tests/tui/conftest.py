"""A bare app to put a widget in, and a way to read what is on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer
from textual.app import App, ComposeResult
from textual.widget import Widget
from tui.headless import quick

import promptlab.tui

STYLES = Path(promptlab.tui.__file__).parent / "styles" / "app.tcss"


@pytest.fixture(scope="session", autouse=True)
def _quick() -> Iterator[None]:
    with quick():
        yield


class Host(App[int]):
    """Shows the widgets it is given, one below the other."""

    CSS_PATH = STYLES

    def __init__(self, *widgets: Widget) -> None:
        super().__init__()
        self.animation_level = "none"
        self._widgets = widgets
        self.got: list[object] = []

    def compose(self) -> ComposeResult:
        yield from self._widgets


@pytest.fixture
def host() -> Callable[..., Host]:
    return Host


def screen_lines(app: App[int]) -> list[str]:
    """The text of each line on the screen. The compositor is private: this is the one place that reads it."""
    strips = app.screen._compositor.render_strips(app.size)
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


@pytest.fixture
def read() -> Callable[[App[int]], list[str]]:
    return screen_lines


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(reply=places.route) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, server: LoopbackServer) -> Path:
    return places.workspace(tmp_path / "shop", server.base_url)

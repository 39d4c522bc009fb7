"""A bare app to put a widget in, and a way to read what is on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer
from textual.app import App, ComposeResult
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.widget import Widget

import promptlab.tui

STYLES = Path(promptlab.tui.__file__).parent / "styles" / "app.tcss"


@pytest.fixture(scope="session", autouse=True)
def _styles_read_once() -> Iterator[None]:
    """Every app reads the same style sheets: what comes of them is kept from one to the next."""
    read = Stylesheet._parse_rules
    known: dict[object, list[RuleSet]] = {}

    def read_once(self: Stylesheet, *args: object, **options: object) -> list[RuleSet]:
        key = (args, *sorted(options.items()), frozenset(self._variables.items()))
        if key not in known:
            known[key] = read(self, *args, **options)  # type: ignore[arg-type]
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", read_once)
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

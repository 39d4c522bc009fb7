"""How soon a large text stands on the screen: pytest -s -m benchmark tests/benchmarks/bench_textview.py"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from benchmarks.clock import ratio
from textual.app import App

from promptlab.tui.widgets.textview import TextView
from promptlab.tui.widgets.wrapping import Piece, logical_lines, wrap

pytestmark = pytest.mark.benchmark
WIDTH, HEIGHT = 80, 24


class Alone(App[None]):
    def __init__(self, view: TextView) -> None:
        super().__init__()
        self.view = view

    def compose(self) -> Iterator[TextView]:
        yield self.view


@pytest.mark.parametrize("unit", ["word ", "x", "漢字 ", "a\n"])
async def test_a_megabyte_opens_before_all_of_it_is_wrapped(unit: str) -> None:
    text = unit * (1_050_000 // len(unit.encode()))
    view, number = TextView(), count()

    def open_it() -> None:
        view.show([Piece(text + str(next(number)))])  # the text that is there already would not be opened again
        for y in range(HEIGHT):
            view.render_line(y)

    async with Alone(view).run_test(size=(WIDTH, HEIGHT)) as pilot:
        await pilot.pause()
        found = ratio(
            f"a megabyte of {unit!r} on the screen",
            open_it,
            "wrapping all of it",
            lambda: list(wrap(logical_lines([Piece(text)]), WIDTH - 1)),
        )
    assert found < 1

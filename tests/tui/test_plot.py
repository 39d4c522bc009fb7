"""A scatter plot drawn with characters."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from tui.conftest import Host

from promptlab.tui.widgets.plot import Plot, Point, Scale, draw

ACROSS, UP = Scale("seconds", lambda value: f"{value:.3g} s"), Scale("exact", lambda value: f"{100 * value:.0f} %")
NAN = math.nan


def lines(points: list[Point], width: int = 40, height: int = 9) -> list[str]:
    return ["".join(piece.text for piece in row) for row in draw(points, ACROSS, UP, width, height)]


def test_better_is_higher_and_quicker_is_to_the_left() -> None:
    shown = lines([Point(1.0, 0.9, NAN, NAN, "1", front=True), Point(3.0, 0.5, NAN, NAN, "2")])
    assert shown[0].startswith("exact ↑")
    assert shown[1] == " 90 % │ ◆1".ljust(40).removeprefix(" ").ljust(40)
    assert shown[6].startswith("50 % │")
    assert shown[6].rstrip().endswith("○2")
    assert shown[-1].split() == ["1", "s", "seconds", "→", "3", "s"]


def test_an_interval_is_a_bar() -> None:
    shown = lines([Point(1.0, 0.5, 0.2, 0.8, "1")], height=10)
    body = [line[6:] for line in shown[1:-2]]
    assert ["○" in line for line in body] == [False] * 3 + [True] + [False] * 3
    assert all("│" in line for line in body if "○" not in line)
    assert shown[1].startswith("80 %")
    assert shown[-3].startswith("20 %")


def test_points_in_one_place_share_a_label() -> None:
    shown = "\n".join(lines([Point(1.0, 0.5, NAN, NAN, "1"), Point(1.0, 0.5, NAN, NAN, "2", front=True)]))
    assert "◆1,2" in shown


def test_a_wide_range_is_logarithmic_and_says_so() -> None:
    points = [Point(value, at, NAN, NAN, "1") for at, value in enumerate((0.01, 0.1, 1.0))]
    shown = lines(points, width=60)
    assert "(log)" in shown[-1]
    columns = sorted(line.index("○") for line in shown if "○" in line)
    assert columns[1] - columns[0] == pytest.approx(columns[2] - columns[1], abs=1)


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(-1e3, 1e3), st.floats(0, 10), st.booleans()), min_size=1, max_size=12
    ),
    st.integers(1, 90),
    st.integers(1, 25),
)
def test_it_fills_its_room_exactly_and_shows_every_place(
    values: list[tuple[float, float, float, bool]], width: int, height: int
) -> None:
    points = [Point(x, y, y - half, y + half, str(at), front) for at, (x, y, half, front) in enumerate(values)]
    rows = lines(points, width, height)
    if not rows:
        assert width < 24 or height < 5
        return
    assert [len(row) for row in rows] == [width] * height
    assert 1 <= sum(row.count("○") + row.count("◆") for row in rows) <= len(points)
    assert any("◆" in row for row in rows) == any(point.front for point in points)


async def test_without_room_or_points_it_says_so(
    host: Callable[..., Host], read: Callable[[App[int]], list[str]]
) -> None:
    plot = Plot()
    app = host(plot)
    async with app.run_test(size=(50, 12)) as pilot:
        plot.show([], ACROSS, UP, empty="nothing yet: press r")
        await pilot.pause()
        assert "nothing yet: press r" in read(app)[0]
        plot.show([Point(1.0, 0.5, NAN, NAN, "1")], ACROSS, UP, empty="")
        await pilot.pause()
        assert any("○1" in line for line in read(app))
        await pilot.resize_terminal(20, 12)
        await pilot.pause()
        assert "The plot needs" in read(app)[0]

"""Bars of a histogram: every value is in one of them, and none is lost or hidden."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from promptlab.tui.widgets.histogram import Series, bar, bins, histogram_pieces

VALUES = st.lists(st.floats(-1e6, 1e6), max_size=60)


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_every_value_is_counted_once(columns: list[list[float]]) -> None:
    series = [Series(str(at), values) for at, values in enumerate(columns)]
    found = bins(series)
    for at, values in enumerate(columns):
        assert sum(one.counts[at] for one in found) == len(values)
    assert all(one.low <= one.high for one in found)
    assert [one.low for one in found] == sorted(one.low for one in found)


def test_few_values_have_bins_of_their_own_and_latencies_equal_ratios() -> None:
    assert [(one.low, one.counts) for one in bins([Series("a", [0, 1, 1]), Series("b", [1])])] == [
        (0, (1, 0)),
        (1, (2, 1)),
    ]
    spread = bins([Series("a", [0.01 * 1.1**power for power in range(60)])])
    assert {round(one.high / one.low, 3) for one in spread} == {round(spread[0].high / spread[0].low, 3)}


@given(st.floats(0, 1), st.integers(1, 80))
def test_a_bar_fits_and_shows_whatever_is_there(share: float, width: int) -> None:
    drawn = bar(share, width)
    assert len(drawn) <= width
    assert bool(drawn) == (share > 0)


def test_lines_fit_their_width_and_say_the_count() -> None:
    pieces = histogram_pieces([Series("a", [0, 1, 1]), Series("b", [])], str, 40)
    lines = "".join(piece.text for piece in pieces).splitlines()
    assert [line.split() for line in lines][1:] == [["b", "·"], ["1", "a", lines[2].split()[2], "2"], ["b", "·"]]
    assert max(map(len, lines)) <= 40
    assert histogram_pieces([Series("a", [])], str, 40)[0].text == "no value yet\n"

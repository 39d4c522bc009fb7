from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from promptlab.compare.values import DiffSpan
from promptlab.tui.widgets.textview import TextView, diff_pieces
from promptlab.tui.widgets.wrapping import Piece, logical_lines, wrap

words = st.text(alphabet="ab 漢😀é\n\t", max_size=200)


def rows(text: str, width: int) -> list[str]:
    return ["".join(piece.text for piece in row) for _, row in wrap(logical_lines([Piece(text)]), width)]


def test_rows_break_at_spaces_and_long_words_anywhere() -> None:
    assert rows("the quick brown fox", 10) == ["the quick ", "brown fox"]
    assert rows("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert rows("漢字漢字", 5) == ["漢字", "漢字"]
    assert rows("one\n\ntwo", 10) == ["one", "", "two"]
    assert rows("漢", 1) == ["漢"]
    assert rows("", 10) == [""]


@settings(max_examples=60)
@given(words, st.integers(2, 30))
def test_wrapping_loses_nothing_and_fits(text: str, width: int) -> None:
    lines = list(logical_lines([Piece(text)]))
    joined: dict[int, str] = {}
    for index, row in wrap(lines, width):
        row_text = "".join(piece.text for piece in row)
        joined[index] = joined.get(index, "") + row_text
        assert cell_len(row_text.rstrip()) <= width
    assert [joined[index] for index in range(len(lines))] == [line.text for line in lines]


@settings(max_examples=60)
@given(st.lists(st.tuples(words, st.sampled_from(["", "good", "bad"])), max_size=6), st.integers(2, 20))
def test_tones_stay_on_their_characters(parts: list[tuple[str, str]], width: int) -> None:
    pieces = [Piece(text.replace("\t", " "), tone) for text, tone in parts]  # pyright: ignore
    wanted = [(c, piece.tone) for piece in pieces for c in piece.text if c != "\n"]
    lines = logical_lines(pieces)
    got = [(c, piece.tone) for _, row in wrap(lines, width) for piece in row for c in piece.text]
    assert got == wanted


async def test_keys_scroll_and_the_text_is_copied_as_it_came(host, read) -> None:
    view = TextView()
    app = host(view)
    async with app.run_test(size=(30, 10)) as pilot:
        view.show([Piece("\n".join(f"line {n}" for n in range(100)) + "\x1b")])
        view.focus()
        await pilot.press("j", "j", "k")
        assert read(app)[0] == " line 1"
        await pilot.press("G")
        assert read(app)[-1] == " line 99␛"
        await pilot.press("pageup", "ctrl+u", "g", "space", "ctrl+d")
        assert read(app)[0] == " line 14"
        await pilot.press("pagedown", "y")
        assert app.clipboard.endswith("line 99\x1b")
        await pilot.press("home")
        assert read(app)[0] == " line 0"


async def test_resizing_stays_at_the_line_that_was_read(host, read) -> None:
    view = TextView()
    app = host(view)
    async with app.run_test(size=(60, 10)) as pilot:
        view.show([Piece("\n".join(f"{n} " + "word " * 20 for n in range(50)))])
        view.goto_line(20)
        await pilot.pause()
        assert read(app)[0].startswith(" 20 word")
        await pilot.resize_terminal(30, 10)
        await pilot.pause()
        assert view.top_line == 20
        assert read(app)[0].startswith(" 20 word")


async def test_an_empty_view_says_why(host, read) -> None:
    view = TextView(empty="nothing yet: press r")
    app = host(view)
    async with app.run_test(size=(40, 4)) as pilot:
        view.show([])
        await pilot.pause()
        assert read(app)[0] == " nothing yet: press r"
        assert view.text == ""


async def test_a_growing_text_keeps_the_place(host, read) -> None:
    view = TextView()
    app = host(view)
    async with app.run_test(size=(40, 5)) as pilot:
        text = "\n".join(str(n) for n in range(50))
        view.show([Piece(text)])
        view.goto_line(30)
        view.show([Piece(text + "\nmore")], keep_place=True)
        await pilot.pause()
        assert read(app)[0] == " 30"


@pytest.mark.parametrize("unit", ["word ", "x", "漢字 ", "a\n"])
async def test_a_megabyte_opens_without_holding_the_screen(host, read, unit: str) -> None:
    text = unit * (1_050_000 // len(unit.encode()))
    view = TextView()
    app = host(view)
    async with app.run_test(size=(80, 24)) as pilot:
        start = time.perf_counter()
        view.show([Piece(text)])
        assert time.perf_counter() - start < 5
        await pilot.pause()
        assert read(app)[0].strip()


async def test_the_last_line_of_a_long_text_can_be_reached_at_once(host, read) -> None:
    view = TextView()
    app = host(view)
    async with app.run_test(size=(80, 24)) as pilot:
        view.show([Piece("word word\n" * 50_000 + "the end")])
        view.focus()
        await pilot.press("G")
        assert read(app)[-1] == " the end"


async def test_a_word_diff_is_readable_without_colour(host, read) -> None:
    spans = (DiffSpan("same", "on "), DiffSpan("removed", "Mon"), DiffSpan("added", "Tues"), DiffSpan("same", "day"))
    view = TextView()
    app = host(view)
    async with app.run_test(size=(60, 3)) as pilot:
        view.show(diff_pieces(spans))
        await pilot.pause()
        assert read(app)[0] == " on [-Mon-]{+Tues+}day"
        assert view.tone_style("removed").strike
        assert view.tone_style("added").underline

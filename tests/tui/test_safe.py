from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from promptlab.tui.safe import one_line, plain, same_length, visible
from promptlab.tui.widgets.cells import cut, fit

anything = st.text(alphabet=st.characters(), max_size=80)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("bell\x07 null\x00", "bell␇ null␀"),
        ("a\tb", "a   b"),
        ("one\r\ntwo", "one\ntwo"),
        ("bare\rreturn", "bare␍return"),
        ("\u202etxt.exe", "⇄txt.exe"),
        ("zero\u200bwidth", "zero␣width"),
        ("C1 \x9b31m", "C1 �31m"),
        ("👨\u200d👩 ❤\ufe0f", "👨👩 ❤"),
        ("[INST] [/] [red]", "[INST] [/] [red]"),
        ("tag \U000e0041", "tag ␣"),
        ("half \ud800", "half �"),
    ],
)
def test_what_a_terminal_would_act_on_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_one_line_has_no_line_feed() -> None:
    assert one_line("a\nb\tc\r\nd") == "a␊b c␍␊d"


def test_content_is_never_markup() -> None:
    assert plain("[bold]x[/bold] [/]").plain == "[bold]x[/bold] [/]"


@given(anything)
def test_nothing_that_controls_a_terminal_comes_through(text: str) -> None:
    for shown in (visible(text), one_line(text)):
        left = [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c != "\n"]
        # Format characters of scripts (such as the Arabic number sign) are letters to the terminal.
        assert all(ord(c) >= 0x600 and not 0x2000 <= ord(c) <= 0x206F for c in left), left


@given(anything)
def test_the_editor_keeps_its_columns(text: str) -> None:
    assert len(same_length(text)) == len(text)


@given(anything.map(one_line), st.integers(1, 40))
def test_fit_gives_exactly_the_cells_asked_for(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width
    assert cell_len(fit(text, width, "right")) == width
    assert cell_len(cut(text, width)) <= width


def test_fit_cuts_with_an_ellipsis_and_aligns() -> None:
    assert fit("abcdef", 4) == "abc…"
    assert fit("漢字漢字", 5) == "漢字…"
    assert fit("漢字漢字", 4) == "漢… "
    assert fit("ab", 4, "right") == "  ab"
    assert fit("ab", 0) == ""

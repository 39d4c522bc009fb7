"""Other people's text on the screen: prompts, outputs and file contents are shown, never obeyed.

A terminal acts on escape codes, on bidirectional controls and, through the toolkit, on markup. Every text
that promptlab did not write itself passes through one of these functions before it reaches a widget.
"""

from __future__ import annotations

import re

from textual.content import Content

TAB = 4
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_INVISIBLE = "\u00ad\u180e\u200b\u200c\u2028\u2029\u2060\u2061\u2062\u2063\u2064\ufeff"
# Joiners and selectors only change how wide a terminal believes an emoji to be; terminals disagree on the
# answer, so views leave them out.
_WIDTH_CHANGERS = "\u200d\ufe0e\ufe0f"


def _symbols() -> dict[int, str]:
    """One visible, one-cell symbol for each character that a terminal would act on or hide."""
    table = {code: chr(0x2400 + code) for code in range(0x20)}
    table[0x7F] = "␡"
    table |= dict.fromkeys(range(0x80, 0xA0), "�")
    table |= dict.fromkeys(range(0xD800, 0xE000), "�")
    table |= dict.fromkeys(map(ord, _INVISIBLE), "␣")
    table |= dict.fromkeys(range(0xE0000, 0xE0080), "␣")
    table |= dict.fromkeys(map(ord, _BIDI), "⇄")
    return table


_LINE = _symbols()
_TEXT = {code: symbol for code, symbol in _LINE.items() if code != 0x0A}
_EDITOR = {code: symbol for code, symbol in _LINE.items() if code != 0x09}
_ODD = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069"
    r"\ud800-\udfff\ufe0e\ufe0f\ufeff\U000e0000-\U000e007f]"
)
_DROP = re.compile(f"[{_WIDTH_CHANGERS}]")


def visible(text: str) -> str:
    """Make a text harmless and its hidden characters visible; line feeds stay.

    Escape and other control characters become their symbols (``␛``), tabs become spaces, ``\\r\\n`` becomes
    a line feed, characters that turn the writing direction become ``⇄`` and invisible ones ``␣``.
    """
    if _ODD.search(text) is None:
        return text
    text = _DROP.sub("", text.replace("\r\n", "\n"))
    return text.expandtabs(TAB).translate(_TEXT)


def one_line(text: str) -> str:
    """The same for a place that has one line: line feeds become ``␊``."""
    if _ODD.search(text) is None:
        return text
    return _DROP.sub("", text).replace("\t", " ").translate(_LINE)


def same_length(text: str) -> str:
    """The same for an editor's line: one character for each, tabs as they are, so that columns stay the same."""
    if _ODD.search(text) is None:
        return text
    return text.translate(_EDITOR)


def plain(text: str, style: str = "") -> Content:
    """A text as content that no widget reads markup from.

    Args:
        text: Anything, from anywhere.
        style: A toolkit style that promptlab chose, such as ``bold`` or ``$error``.
    """
    return Content.styled(visible(text), style)

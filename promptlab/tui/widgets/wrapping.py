"""Wrapping a text with tones into rows of a given width, a row at a time, so that a megabyte costs what is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from rich.cells import get_character_cell_size

from promptlab.tui.safe import visible
from promptlab.tui.widgets.lines import Tone


class Piece(NamedTuple):
    """A stretch of text in one tone. May hold line feeds; may come from anywhere."""

    text: str
    tone: Tone = ""


class LogicalLine(NamedTuple):
    """One line of the text before wrapping, and where its tones stand: ``(start, end, tone)``."""

    text: str
    marks: tuple[tuple[int, int, Tone], ...]


Row = tuple[Piece, ...]
"""One line of the screen."""


def logical_lines(pieces: Iterable[Piece]) -> Iterator[LogicalLine]:
    """Cut pieces at their line feeds and make their text harmless."""
    texts: list[str] = []
    marks: list[tuple[int, int, Tone]] = []
    length = 0
    for piece in pieces:
        for index, part in enumerate(visible(piece.text).split("\n")):
            if index:
                yield LogicalLine("".join(texts), tuple(marks))
                texts, marks, length = [], [], 0
            if part:
                texts.append(part)
                if piece.tone:
                    marks.append((length, length + len(part), piece.tone))
                length += len(part)
    yield LogicalLine("".join(texts), tuple(marks))


def wrap(lines: Iterable[LogicalLine], width: int) -> Iterator[tuple[int, Row]]:
    """Rows of at most ``width`` cells, broken at spaces where there is one, each with its line's index."""
    for index, line in enumerate(lines):
        start = 0
        while True:
            end = _row_end(line.text, start, width)
            yield index, _row(line, start, end)
            if end >= len(line.text):
                break
            start = end


@lru_cache(maxsize=8)
def _ascii_row(width: int) -> re.Pattern[str]:
    # A row and the spaces it is broken at, or as much of a long word as fits.
    return re.compile(rf".{{1,{width}}}(?:\s+|$)|.{{1,{width}}}")


def _row_end(text: str, start: int, width: int) -> int:
    window = text[start : start + width + 1]
    if window.isascii():
        if len(window) <= width:
            return start + len(window)
        match = _ascii_row(width).match(text, start)
        return match.end() if match else len(text)
    used = 0
    space = -1
    for index, character in enumerate(window):
        used += get_character_cell_size(character)
        if used > width:
            # A character wider than the whole row must still move on.
            fits = start + max(index, 1)
            return space if space > start else fits
        if character == " ":
            space = start + index + 1
    return start + len(window)


def _row(line: LogicalLine, start: int, end: int) -> Row:
    text = line.text[start:end]
    pieces: list[Piece] = []
    at = start
    for left, right, tone in line.marks:
        if right <= at:
            continue
        if left >= end:
            break
        if left > at:
            pieces.append(Piece(line.text[at:left]))
            at = left
        stop = min(right, end)
        pieces.append(Piece(line.text[at:stop], tone))
        at = stop
    if at < end:
        pieces.append(Piece(line.text[at:end]))
    return tuple(pieces) or (Piece(text),)

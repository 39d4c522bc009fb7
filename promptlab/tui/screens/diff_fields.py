"""The fields of a prompt that differ, as text: inline or split in two, words marked, blanks made visible."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple

from rich.cells import cell_len

from promptlab.compare.values import DiffSpan
from promptlab.lab.values import FieldDiff
from promptlab.lab.wording import plural
from promptlab.tui.widgets.lines import Tone
from promptlab.tui.widgets.textview import Piece, TextView
from promptlab.tui.widgets.wrapping import Row, logical_lines, wrap

Style = Literal["split", "inline"]
Side = Literal["both", "old", "new"]

CONTEXT = 3
"""Lines without a change that are shown around one."""
NARROWEST_SPLIT = 40
SAME = "No field differs. Comments and layout of the file are not compared."

_GAP = " │ "
_BLANKS = re.compile(r"[ \t\r\n\u00a0]+")
_SYMBOLS = {" ": "·", "\t": "⇥", "\r": "␍", "\n": "⏎", "\u00a0": "⍽"}
_MARKS: dict[str, tuple[str, str, Tone]] = {"removed": ("[-", "-]", "removed"), "added": ("{+", "+}", "added")}


class Signed(NamedTuple):
    """One line as it is shown: ``-``, ``+``, ``±`` or blank before its pieces."""

    sign: str
    pieces: tuple[Piece, ...]


def show_blanks(text: str) -> str:
    """Make the blanks of a changed stretch visible, but for a single space between two words."""

    def symbols(match: re.Match[str]) -> str:
        blanks = match.group()
        if blanks == " " and match.start() > 0 and match.end() < len(text):
            return blanks
        return "".join(_SYMBOLS[blank] for blank in blanks)

    return _BLANKS.sub(symbols, text)


def cut_lines(spans: Iterable[DiffSpan]) -> list[tuple[DiffSpan, ...]]:
    """Cut a diff at the line ends that both texts have; the line ends themselves are left out."""
    done: list[tuple[DiffSpan, ...]] = []
    line: list[DiffSpan] = []
    for span in spans:
        if span.op != "same":
            line.append(span)
            continue
        first, *rest = span.text.replace("\r\n", "\n").split("\n")
        if first:
            line.append(DiffSpan("same", first))
        for part in rest:
            done.append(tuple(line))
            line = [DiffSpan("same", part)] if part else []
    if line or not done:
        done.append(tuple(line))
    return done


def fold(lines: Sequence[tuple[DiffSpan, ...]]) -> Iterator[tuple[DiffSpan, ...] | int]:
    """The lines with a change and those around them; for each longer stretch between them, how many it has."""
    near: set[int] = set()
    for at, line in enumerate(lines):
        if any(span.op != "same" for span in line):
            near.update(range(at - CONTEXT, at + CONTEXT + 1))
    hidden = 0
    for at, line in enumerate(lines):
        if at not in near:
            hidden += 1
            continue
        if hidden:
            yield hidden
            hidden = 0
        yield line
    if hidden:
        yield hidden


def signed(spans: Iterable[DiffSpan], side: Side = "both") -> list[Signed]:
    """One line of both texts as the lines that are shown: a change that holds line ends makes several."""
    leave_out = {"both": "", "old": "added", "new": "removed"}[side]
    done: list[Signed] = []
    pieces: list[Piece] = []
    ops: set[str] = set()
    for span in spans:
        if span.op == leave_out:
            continue
        if span.op == "same":
            pieces.append(Piece(span.text))
            ops.add("same")
            continue
        left, right, tone = _MARKS[span.op]
        for part in span.text.splitlines(keepends=True) if "\n" in span.text else [span.text]:
            pieces += (Piece(left, "mark"), Piece(show_blanks(part), tone), Piece(right, "mark"))
            ops.add(span.op)
            if part.endswith("\n"):
                done.append(Signed(_sign(ops), tuple(pieces)))
                pieces, ops = [], set()
    if pieces or not done:
        done.append(Signed(_sign(ops), tuple(pieces)))
    return done


def _sign(ops: set[str]) -> str:
    changes = ops - {"same"}
    if not changes:
        return " "
    if len(changes) == 2:
        return "±"
    return "-" if "removed" in changes else "+"


def change_pieces(spans: Iterable[DiffSpan]) -> list[Piece]:
    """A word diff of two texts, one below the other, folded."""
    pieces: list[Piece] = []
    for line in fold(cut_lines(spans)):
        if isinstance(line, int):
            pieces.append(Piece(f"··· {plural(line, 'line')} the same\n", "dim"))
            continue
        for sign, parts in signed(line):
            pieces += (Piece(f"{sign} ", "mark"), *parts, Piece("\n"))
    return pieces


def inline_pieces(fields: Sequence[FieldDiff]) -> list[Piece]:
    """Every field that differs, old and new words in one text."""
    if not fields:
        return [Piece(SAME, "dim")]
    pieces: list[Piece] = []
    for field in fields:
        pieces += (Piece(f"@@ {field.field}\n", "head"), *change_pieces(field.spans))
    return pieces


def split_pieces(fields: Sequence[FieldDiff], width: int) -> list[Piece]:
    """Every field that differs, the old text on the left and the new one on the right.

    Args:
        width: Cells of the whole; no line of the result is longer.
    """
    if not fields:
        return [Piece(SAME, "dim")]
    half = (width - len(_GAP)) // 2
    pieces: list[Piece] = []
    for field in fields:
        pieces.append(Piece(f"@@ {field.field}\n", "head"))
        for line in fold(cut_lines(field.spans)):
            if isinstance(line, int):
                pieces.append(Piece(f"··· {plural(line, 'line')} the same\n", "dim"))
                continue
            halves = zip_longest(_half(line, "old", half), _half(line, "new", half), fillvalue=())
            for old, new in halves:
                pieces += (*old, Piece(" " * (half - _cells(old))), Piece(_GAP, "dim"), *new, Piece("\n"))
    return pieces


def _half(line: tuple[DiffSpan, ...], side: Side, width: int) -> list[Row]:
    """The rows of one side, each at most ``width`` cells wide, its sign before the first row of each line."""
    if not any(span.op in ("same", "removed" if side == "old" else "added") for span in line) and line:
        return []
    rows: list[Row] = []
    for sign, pieces in signed(line, side):
        for at, (_, row) in enumerate(wrap(logical_lines(pieces), width - 2)):
            rows.append((Piece(f"{' ' if at else sign} ", "mark"), *_trim(row)))
    return rows


def _trim(row: Row) -> Row:
    """Without the spaces that it was broken at, which may stand beyond its width."""
    while row and not row[-1].text.rstrip(" "):
        row = row[:-1]
    return (*row[:-1], Piece(row[-1].text.rstrip(" "), row[-1].tone)) if row else ()


def _cells(row: Row) -> int:
    return sum(cell_len(piece.text) for piece in row)


class FieldsView(TextView):
    """A text view that lays a diff out again whenever its width changes."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._fields: tuple[FieldDiff, ...] | None = None
        self._style: Style = "split"

    def show_fields(self, fields: tuple[FieldDiff, ...], style: Style) -> None:
        """Show a diff; in one column where there is no room for two."""
        self._fields, self._style = fields, style
        self._draw()

    def show(self, pieces: Iterable[Piece], *, keep_place: bool = False) -> None:
        """Show a text instead of a diff."""
        self._fields = None
        super().show(pieces, keep_place=keep_place)

    def _draw(self) -> None:
        if self._fields is None:
            return
        width = self.room.width - 2
        split = self._style == "split" and width >= NARROWEST_SPLIT
        super().show(split_pieces(self._fields, width) if split else inline_pieces(self._fields))

    def on_resize(self) -> None:
        """Lay it out for the new width."""
        self._draw()

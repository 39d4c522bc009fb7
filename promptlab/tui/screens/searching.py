"""Searching a run: which examples have some words in what goes in or came back, and where they stand in a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from promptlab.tui.screens.detail import value_text
from promptlab.tui.widgets.wrapping import Piece
from promptlab.workspace.values import Example

if TYPE_CHECKING:
    from promptlab.lab import RunTable


def finder(table: RunTable, words: str) -> Callable[[Example], bool]:
    """Whether an example has the words, in any case of letters: in its id, tags and values, or in an answer to it."""
    if not words:
        return lambda example: True
    found = re.compile(re.escape(words), re.IGNORECASE).search

    def has(example: Example) -> bool:
        given = (example.id, *example.tags, example.expected, example.reference, *example.vars.values())
        if any(found(value_text(value)) for value in given if value):
            return True
        return any(found(text) for text in _answers(table, example))

    return has


def _answers(table: RunTable, example: Example) -> Iterable[str]:
    for variant in table.variants:
        for trial in range(table.trials):
            outcome = table.outcome(variant.column, example.id, trial)
            if outcome is not None:
                yield outcome.fault.message if outcome.fault else outcome.text


def found_in(pieces: Iterable[Piece], words: str) -> list[Piece]:
    """The same text with the words marked wherever they stand within one piece."""
    if not words:
        return list(pieces)
    pattern = re.compile(f"({re.escape(words)})", re.IGNORECASE)
    return [
        Piece(part, "mark" if at % 2 else piece.tone)
        for piece in pieces
        for at, part in enumerate(pattern.split(piece.text))
        if part
    ]

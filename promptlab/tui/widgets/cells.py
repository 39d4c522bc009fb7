"""Text measured in terminal cells: a letter takes one, a Chinese character or an emoji two."""

from __future__ import annotations

from typing import Literal

from rich.cells import cell_len, get_character_cell_size

Align = Literal["left", "right"]


def fit(text: str, width: int, align: Align = "left") -> str:
    """The text in exactly ``width`` cells: filled with spaces, or cut and ended with ``…``."""
    if width <= 0:
        return ""
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        text = cut(text, width - 1) + "…"
        length = cell_len(text)
    space = " " * (width - length)
    return space + text if align == "right" else text + space


def cut(text: str, width: int) -> str:
    """As many characters from the start as fit into ``width`` cells."""
    if text.isascii():
        return text[: max(width, 0)]
    used = 0
    for index, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > width:
            return text[:index]
    return text

"""Exact alternatives as a GBNF grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence


def choices_grammar(choices: Sequence[str]) -> str:
    """A grammar whose only texts are the choices, as they stand.

    Raises:
        ValueError: There is no choice, or one holds the character NUL, which no grammar can write.
    """
    if not choices:
        raise ValueError("there are no choices to choose from")
    if any("\0" in choice for choice in choices):
        raise ValueError("a choice holds the character NUL")
    return "root ::= " + " | ".join(f'"{_escaped(choice)}"' for choice in choices) + "\n"


def _escaped(text: str) -> str:
    return re.sub(r'[\x01-\x1f\x7f"\\]', lambda found: f"\\x{ord(found[0]):02x}", text)

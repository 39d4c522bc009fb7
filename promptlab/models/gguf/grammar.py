"""Grammars in GBNF: exact alternatives, and what the native parser can take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate

SCHEMA_RULES = 2
"""Edition of how a JSON schema becomes a grammar, raised with every change of it: part of the keys of what is held to
a schema, so that an answer that was written under other rules is not taken for one of today's."""

_MOST_DEPTH = 1000


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


def check_depth(grammar: str) -> None:
    """Make sure that the native parser, which is recursive, does not run out of stack.

    A text of at most n characters becomes n nested groups.

    Raises:
        ValueError: Groups are nested too deeply.
    """
    bare = re.sub(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]', "", grammar)
    depth = max(accumulate((char == "(") - (char == ")") for char in bare), default=0)
    if depth > _MOST_DEPTH:
        raise ValueError(f"it nests or repeats something {depth} times, and {_MOST_DEPTH} is the most")


def _escaped(text: str) -> str:
    return re.sub(r'[\x01-\x1f\x7f"\\]', lambda found: f"\\x{ord(found[0]):02x}", text)

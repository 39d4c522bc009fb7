"""Tags and splits of several examples at once, by what a person types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256

from promptlab.errors import UsageFault
from promptlab.workspace.values import Example

_BETWEEN = re.compile(r"[\s,;:]+")
NO_SPLIT = "-"


def retagged(tags: Sequence[str], text: str) -> tuple[str, ...]:
    """The tags after what was typed: ``late, angry`` are all of them, ``+late -angry`` adds and takes away."""
    parts = text.split(",") if "," in text else text.split()
    words = [word.strip() for word in parts if word.strip()]
    if not words or not all(word[0] in "+-" and len(word) > 1 for word in words):
        return tuple(dict.fromkeys(words))
    gone = {word[1:] for word in words if word[0] == "-"}
    added = [word[1:] for word in words if word[0] == "+"]
    return tuple(tag for tag in dict.fromkeys([*tags, *added]) if tag not in gone)


def splits_of(examples: Sequence[Example], text: str) -> dict[str, str | None]:
    """Id to split after what was typed: a name for all, ``-`` for none, or shares such as ``dev 70 test 30``.

    With shares it is drawn by the hash of an example's group, or of its id where it has none: examples of a group
    stay together, and one that is added later moves no other.

    Raises:
        UsageFault: The shares are none.
    """
    words = [word for word in _BETWEEN.split(text.replace("%", " ").replace("=", " ")) if word]
    if len(words) == 1:
        return {example.id: None if words[0] == NO_SPLIT else words[0] for example in examples}
    names, numbers = words[::2], words[1::2]
    if len(names) != len(numbers) or not all(re.fullmatch(r"[0-9]+(\.[0-9]+)?", number) for number in numbers):
        raise UsageFault("Type a name, - for none, or shares such as `dev 70 test 30`.")
    shares = [float(number) for number in numbers]
    if not sum(shares):
        raise UsageFault("The shares add up to nothing: type such as `dev 70 test 30`.")
    return {example.id: _drawn(example.group or example.id, names, shares) for example in examples}


def _drawn(unit: str, names: Sequence[str], shares: Sequence[float]) -> str:
    at = int.from_bytes(sha256(unit.encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64 * sum(shares)
    for name, share in zip(names, shares, strict=True):
        at -= share
        if at < 0:
            return name
    return names[-1]

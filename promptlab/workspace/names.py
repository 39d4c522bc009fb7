"""Names of prompts and eval sets: a path below their folder, without ``.toml``, with ``/`` between."""

from __future__ import annotations

import re

SUFFIX = ".toml"

CORPUS = "corpus "
"""What a chain's reference to a corpus begins with: no name has a space. What it leads to is the digest."""


def is_name(text: str) -> bool:
    """Whether ``text`` can name a prompt or an eval set: ``triage``, ``judges/helpful``.

    A name stays inside its folder, is not hidden, and holds nothing that a terminal, a shell pattern or git would
    read as more than a name.
    """
    parts = text.split("/")
    return all(part and part.isprintable() and not _UNFIT.search(part) for part in parts)


# @ and : part a subject from its version and a run from its column; the rest is what git takes in no tag name, or
# a shell or Windows in no file name.
_UNFIT = re.compile(r"""^[.-]|[\s\\@:?*\[\]~^"'<>|{}$`]|\.\.|\.$|\.lock$""")

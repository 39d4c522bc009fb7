"""promptlab: iterate on LLM prompts in a terminal, with results you can trust and a history in git.

In a Python program::

    import promptlab

    with promptlab.load("reply@production") as reply:
        print(reply.run(ticket="Where is my order?").text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from promptlab.lab.loading import Loaded

__version__ = "0.1.0"


def load(subject: str, path: Path | str = ".", *, model: str = "") -> Loaded:
    """A prompt or chain, ready to be asked: see :func:`promptlab.lab.loading.load`."""
    from promptlab.lab import loading  # most programs that import promptlab want its version only

    return loading.load(subject, path, model=model)

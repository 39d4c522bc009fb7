"""`Lab`: the one object that the command line, the screens and Python users hold."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab
    from promptlab.lab.table import RunTable

__all__ = ["Lab", "RunTable"]

_MODULES = {"Lab": "promptlab.lab.lab", "RunTable": "promptlab.lab.table"}


def __getattr__(name: str) -> object:
    """Both import nearly all of the program: the first picture of the screen, which needs neither, does not wait."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)

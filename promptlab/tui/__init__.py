"""The screens. They talk to the lab only."""

from __future__ import annotations

import sys
from pathlib import Path

SWITCH = 0.0005
"""Seconds that a thread at work may keep the screen waiting. Each turn of the screen's loop may have to wait as long,
and a key takes about ten turns: with Python's own 5 ms every key would be late while a big grid is summed up."""


def main(path: Path, greeting: str = "") -> int:
    """Open the terminal program on the workspace that ``path`` lies in, and answer with an exit code.

    Args:
        path: The workspace, or a place in it.
        greeting: What the status line says when it is open.

    Raises:
        PromptlabError: The workspace does not open.
    """
    from promptlab.tui.app import run

    sys.setswitchinterval(SWITCH)
    return run(path, greeting)

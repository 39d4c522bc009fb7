"""The screens. They talk to the lab only."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptlab.lab import Lab

SWITCH = 0.0005
"""Seconds that a thread at work may keep the screen waiting. Each turn of the screen's loop may have to wait as long,
and a key takes about ten turns: with Python's own 5 ms every key would be late while a big grid is summed up."""
FRAMES = "120"
"""A second, at most. Where nothing changes nothing is painted, but what a key changed may wait for two frames."""


def main(path: Path, greeting: str = "") -> int:
    """Open the terminal program on the workspace that ``path`` lies in, and answer with an exit code.

    Args:
        path: The workspace, or a place in it.
        greeting: What the status line says when it is open.

    Raises:
        PromptlabError: The workspace does not open.
    """
    from promptlab.tui.sweeping import wait_for_quiet

    sys.setswitchinterval(SWITCH)
    wait_for_quiet()
    os.environ.setdefault("TEXTUAL_FPS", FRAMES)  # read when Textual is imported
    from promptlab.tui.app import PromptlabApp

    def open_lab() -> Lab:
        from promptlab.lab import Lab

        return Lab.open(path)

    app = PromptlabApp(open_lab)
    app.session.greeting = greeting
    code = app.run()
    if app.fault is not None:
        raise app.fault
    return app.return_code or 0 if code is None else code  # after a crash there is no answer, only the toolkit's code

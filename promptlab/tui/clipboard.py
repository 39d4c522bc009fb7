"""The clipboard: by the tool of the desktop where there is one, else by OSC 52, which the terminal obeys or not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

OSC_52 = "OSC 52"
_PATIENCE = 3.0
"""Seconds that a tool may take: xclip waits for nobody, but its display may not answer."""
_WAYLAND = (("wl-copy",),)
_X11 = (("xclip", "-selection", "clipboard", "-in"), ("xsel", "--clipboard", "--input"))


def tool(env: Mapping[str, str] = os.environ, platform: str = sys.platform) -> tuple[str, ...]:
    """The command that puts its input on the clipboard of this desktop; () where only the terminal can.

    Over ssh without a forwarded display, and in a browser, the desktop is another machine's.
    """
    if "WebDriver" in env.get("TEXTUAL_DRIVER", ""):
        return ()
    away = bool(env.get("SSH_CONNECTION") or env.get("SSH_TTY"))
    wanted: list[tuple[str, ...]] = []
    if platform == "darwin" and not away:
        wanted.append(("pbcopy",))
    if env.get("WAYLAND_DISPLAY") and not away:
        wanted += _WAYLAND
    if env.get("DISPLAY"):
        wanted += _X11
    return next((command for command in wanted if shutil.which(command[0], path=env.get("PATH"))), ())


def way() -> str:
    """What a text goes to the clipboard by, as it is told: ``wl-copy``, or ``OSC 52``."""
    command = tool()
    return command[0] if command else OSC_52


def put(text: str) -> bool:
    """Put a text on the clipboard by the tool of the desktop; False where there is none, or it could not."""
    command = tool()
    if not command:
        return False
    try:
        # Its output goes nowhere: these tools stay behind to serve the clipboard, and would hold a pipe open.
        subprocess.run(
            command,
            input=text.encode("utf-8", "replace"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True

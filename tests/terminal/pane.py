"""The real program in a real terminal: tmux on a socket of its own."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import time
from pathlib import Path
from typing import Self


class Pane:
    """One program in one terminal, 120×40 unless resized. Waits for what it expects to see, never for a time."""

    def __init__(self, command: list[str], folder: Path, size: tuple[int, int] = (120, 40), **env: str) -> None:
        self._socket = f"promptlab-{os.getpid()}-{secrets.token_hex(4)}"
        words = " ".join(shlex.quote(word) for word in command)
        settings = [item for name, value in env.items() for item in ("-e", f"{name}={value}")]
        width, height = size
        # The shell stays after the program, so that its exit code can be read from the screen.
        self._tmux(
            *("new-session", "-d", "-x", str(width), "-y", str(height), "-c", str(folder), *settings),
            f"{words}; printf '\\nexit code %s\\n' $?; sleep 60",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["tmux", "-L", self._socket, "kill-server"], check=False, capture_output=True)

    def _tmux(self, *args: str) -> str:
        command = ["tmux", "-L", self._socket, "-f", "/dev/null", *args]
        # COLUMNS and LINES of the terminal that runs the tests (readline adds them unseen) are not this terminal's.
        env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "TMUX")}
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10, env=env)
        return done.stdout

    @property
    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    @property
    def coloured(self) -> str:
        """The screen with the escape codes of its colours and styles."""
        return self._tmux("capture-pane", "-p", "-e")

    def told(self, variable: str) -> str:
        """What tmux knows of the terminal, such as ``pane_title``, ``alternate_on`` or ``mouse_any_flag``."""
        return self._tmux("display-message", "-p", f"#{{{variable}}}").rstrip("\n")

    def keys(self, *keys: str) -> None:
        """Press keys by tmux's names, one after the other."""
        for key in keys:
            self._tmux("send-keys", key)
            time.sleep(0.03)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def sees(self, *words: str, seconds: float = 30.0) -> str:
        """The screen, as soon as all the words are on it."""
        deadline = time.monotonic() + seconds
        while not all(word in (screen := self.screen) for word in words):
            assert time.monotonic() < deadline, f"never saw {words} on\n{screen}"
            time.sleep(0.05)
        return screen

    def loses(self, words: str, seconds: float = 30.0) -> None:
        """Wait until the words are no longer on the screen."""
        deadline = time.monotonic() + seconds
        while words in (screen := self.screen):
            assert time.monotonic() < deadline, f"still saw {words} on\n{screen}"
            time.sleep(0.05)

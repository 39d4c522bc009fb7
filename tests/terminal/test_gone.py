"""A terminal that is taken away, which nobody tells a program of that has none of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import places

WAIT = 30.0


def read_until(terminal: int, word: bytes) -> None:
    """Read what is shown until a word is part of it."""
    shown, deadline = b"", time.monotonic() + WAIT
    while word not in shown:
        assert time.monotonic() < deadline, shown[-2000:]
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536)


def test_without_its_terminal_it_ends_and_keeps_what_was_typed(tmp_path: Path, own_home: Path) -> None:
    folder = places.workspace(tmp_path / "shop", "http://127.0.0.1:9/v1")
    terminal, inside = pty.openpty()
    termios.tcsetwinsize(inside, (40, 120))
    program = subprocess.Popen(
        [sys.executable, "-m", "promptlab", str(folder)],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,  # so that no signal comes with the end of the terminal
        env=os.environ | {"TERM": "xterm-256color"},
    )
    os.close(inside)
    try:
        read_until(terminal, b"triage.toml")
        os.write(terminal, b"e")
        read_until(terminal, b"leave")
        os.write(terminal, b"\xc3\x9f")  # stands nowhere else
        read_until(terminal, b"edited")
        os.close(terminal)
        assert program.wait(WAIT) == 129
    finally:
        program.kill()
    drafts = [file.read_text("utf-8") for file in own_home.rglob("*.drafts")]
    assert len(drafts) == 1
    assert "ß" in drafts[0]

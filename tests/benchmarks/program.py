"""The real program on a pseudo-terminal of 120×40, and what it takes: time to an answer, processor, memory."""

from __future__ import annotations

import fcntl
import os
import pty
import queue
import re
import struct
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

KEYS = {
    **{"enter": "\r", "escape": "\x1b", "down": "\x1b[B", "up": "\x1b[A"},
    **{"pagedown": "\x1b[6~", "pageup": "\x1b[5~"},
}
_CODES = re.compile(rb"\x1b\[[0-9;:?<>=$]*[a-zA-Z]|\x1b[()][0-9A-B]|\x1b[=>78]|\x1b\][^\x07]*\x07")
_TICKS = os.sysconf("SC_CLK_TCK")

Shown = Callable[[bytes], object]


def bare(painted: bytes) -> str:
    """What was painted, without the codes for place and colour."""
    return _CODES.sub(b" ", painted).decode("utf-8", "replace")


class Program:
    """``promptlab`` as a person starts it, on a terminal that takes all that is painted as it comes."""

    def __init__(self, folder: Path, *, size: tuple[int, int] = (120, 40), **env: str) -> None:
        self._person, program = pty.openpty()
        fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        tty.setraw(program)
        command = [sys.executable, "-m", "promptlab", str(folder)]
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **env}
        self._begun = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdin=program, stdout=program, stderr=program, env=environment, start_new_session=True
        )
        os.close(program)
        self._painted: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        with suppress(OSError):  # the program has ended
            while part := os.read(self._person, 1 << 16):
                self._painted.put((time.perf_counter(), part))
        os.close(self._person)

    # -- what it shows ------------------------------------------------------------------------------------

    def until(self, *words: str, seconds: float = 30.0) -> float:
        """Seconds from the start of the program until all the words were painted."""
        return self.shows(lambda seen: all(word in bare(seen) for word in words), seconds) - self._begun

    def shows(self, wanted: Shown, seconds: float = 30.0) -> float:
        """The time at which what was painted from now on is as wanted."""
        deadline, seen = time.perf_counter() + seconds, b""
        while True:
            try:
                now, part = self._painted.get(timeout=max(deadline - time.perf_counter(), 0))
            except queue.Empty:
                raise AssertionError(f"never painted: {bare(seen)[-3000:]}") from None
            seen += part
            if wanted(seen):
                return now

    def settle(self, quiet: float = 0.3, seconds: float = 5.0) -> None:
        """Wait until nothing has been painted for a while, but no longer than so many seconds."""
        deadline = time.perf_counter() + seconds
        with suppress(queue.Empty):
            while time.perf_counter() < deadline:
                self._painted.get(timeout=quiet)

    def forget(self) -> None:
        """Pass over what was painted so far."""
        with suppress(queue.Empty):
            while True:
                self._painted.get_nowait()

    # -- keys ---------------------------------------------------------------------------------------------

    def press(self, *keys: str) -> None:
        """Press keys, leaving a person's time between them."""
        for key in keys:
            os.write(self._person, KEYS.get(key, key).encode())
            time.sleep(0.1)

    def answer(self, key: str, wanted: Shown, seconds: float = 10.0) -> float:
        """Seconds from a key until what is painted after it is as wanted."""
        self.forget()
        begun = time.perf_counter()
        os.write(self._person, KEYS.get(key, key).encode())
        return self.shows(wanted, seconds) - begun

    # -- what it takes ------------------------------------------------------------------------------------

    @property
    def processor(self) -> float:
        """Seconds of processor time so far, of all its threads and of the processes that it has waited for."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS

    @property
    def memory(self) -> tuple[float, float]:
        """Megabytes in memory: all of it, and its share where other processes have the same pages."""
        rollup = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text()
        figures = {name: int(kb) for name, kb in re.findall(r"^(\w+):\s+(\d+) kB", rollup, re.MULTILINE)}
        return figures["Rss"] / 1024, figures["Pss"] / 1024

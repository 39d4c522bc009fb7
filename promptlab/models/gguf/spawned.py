"""The child process as the program sees it: start it, talk to it, end it; and the log of what it prints."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from promptlab.models.gguf import wire
from promptlab.models.gguf.native import death_reason, environment

_LOG_BYTES = 1_000_000


class ChildDied(Exception):
    """The pipe to the child is broken."""


class Child:
    """A running child process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.abandoned = False

    @classmethod
    async def spawn(cls, log: BinaryIO) -> Child:
        """Start Python without the working directory on its path: a file there must not pass for a module."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "promptlab.models.gguf.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=environment(),
            start_new_session=True,  # Ctrl-C in the terminal is the program's to handle
        )
        return cls(process)

    async def send(self, frame: bytes) -> None:
        """Cannot wait for long: the child reads ahead of its answers."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(frame)
            await self.process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise ChildDied from None

    def post(self, frame: bytes) -> None:
        """Send a small message without waiting. Whether it arrives is seen by the answer to it."""
        assert self.process.stdin is not None
        if not self.process.stdin.is_closing():
            self.process.stdin.write(frame)

    async def receive(self) -> wire.FromChild:
        assert self.process.stdout is not None
        try:
            return await wire.receive_answer(self.process.stdout)
        except asyncio.IncompleteReadError:
            raise ChildDied from None

    def abandon(self) -> None:
        """End it at once: nobody waits for what it does."""
        self.abandoned = True
        self._kill()

    def _kill(self) -> None:
        # Not process.kill(): that may reap the child, and asyncio would never learn its exit code.
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Kill it unless it is gone, and wait until nothing is left of it. The exit code of its own death stays."""
        self._kill()
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.communicate()

    def reason(self) -> str:
        return death_reason(self.process.returncode or 0)


def default_log() -> Path:
    """``gguf.log`` in ``PROMPTLAB_LOG_DIR``, or in the user's folder for logs."""
    folder = os.environ.get("PROMPTLAB_LOG_DIR")
    if folder:
        return Path(folder, "gguf.log")
    import platformdirs

    return Path(platformdirs.user_log_dir("promptlab", appauthor=False), "gguf.log")


def open_log(path: Path) -> BinaryIO:
    """For appending, begun again when it is large; nowhere when it cannot be written: a log must not stop a run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _LOG_BYTES:
            path.unlink()
        return path.open("ab")
    except OSError:
        return open(os.devnull, "ab")

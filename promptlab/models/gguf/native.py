"""What processes that own the native engine have in common: their pipes, their end, and why they died."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import BinaryIO

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for the frames alone: whatever native code prints goes to standard error."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def end_with_parent() -> None:
    """Beside the end of the pipe, which a grandchild of the program could hold open."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # When memory runs out, the kernel should end this process rather than the program.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")


def environment() -> dict[str, str]:
    """The variables that such a process is started with: no debugger of its own when it aborts."""
    return {**os.environ, "GGML_NO_BACKTRACE": "1"}


def death_reason(code: int) -> str:
    """Why a process with this exit code died, in a few words."""
    if code >= 0:
        return f"exit code {code}"
    cause = signal.Signals(-code)
    hints = {signal.SIGKILL: "killed, often for want of memory", signal.SIGILL: "compiled for another processor"}
    return f"{cause.name}: {hints[cause]}" if cause in hints else cause.name

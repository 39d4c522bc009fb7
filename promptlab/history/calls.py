"""The last git commands that this program ran: kept in memory only, for whoever wants to see what was done."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Sequence

from promptlab.history.values import GitCall

KEPT = 300
_LONGEST = 2000  # characters of a command or of what git said about it
_FORMAT = 40  # characters of a list of fields to print, which say nothing to a person
_SECRET = re.compile(r"(?<=://)[^/\s@]+@")
_HEADER = re.compile(r"(?i)((?:extraheader|authorization|password|token)[^=:]*[=:]\s*).+")


_CALLS: deque[GitCall] = deque(maxlen=KEPT)


def recent_calls() -> tuple[GitCall, ...]:
    """The last calls, oldest first; at most ``KEPT``."""
    return tuple(_CALLS)


def note(args: Sequence[str], started: float, code: int | None, err: str) -> None:
    """Remember a command that ended. What it read from its standard input is not kept.

    Args:
        args: The command and its arguments, without ``git``.
        started: ``time.perf_counter()`` when it was started.
        code: Its exit status, None when it could not be started.
        err: What it said on stderr.
    """
    took = time.perf_counter() - started
    said = err.strip().rpartition("\n")[2] if code else ""
    _CALLS.append(GitCall(time.time() - took, 1000 * took, code, masked(_typed(args)), masked(said[:_LONGEST])))


def masked(text: str) -> str:
    """A text without the credentials of its URLs and without the values of headers and passwords."""
    return _HEADER.sub(r"\1•••", _SECRET.sub("•••@", text))


def _typed(args: Sequence[str]) -> str:
    """The command as it would be typed, cut when it names thousands of files."""
    text = "git"
    for arg in args:
        if arg.startswith("--format=") and len(arg) > _FORMAT:
            arg = "--format=…"
        text += f" {arg if arg and not set(arg) & _NEED_QUOTES else _quoted(arg)}"
        if len(text) > _LONGEST:
            return f"{text[:_LONGEST]} …"
    return text


_NEED_QUOTES = frozenset(" \t\n\"'\\$`*?#;&|<>()[]{}~!")


def _quoted(arg: str) -> str:
    return "'" + arg.replace("'", "'\\''") + "'"

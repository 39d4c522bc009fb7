"""What the native code says: warnings and errors to standard error, errors kept to give a reason."""

from __future__ import annotations

import ctypes
import re
import sys
from functools import cache

import llama_cpp as native  # noqa: TID251  (only the child process imports this module)

_WARNING = 3  # ggml_log_level
_ERROR = 4


class Log:
    """The one log of the process: the native code has no more than one."""

    def __init__(self) -> None:
        self._errors: list[str] = []
        level_of_line = 0

        def take(level: int, text: bytes, _: object) -> None:
            nonlocal level_of_line
            # A level above "error" continues the line before.
            level_of_line = level if level <= _ERROR else level_of_line
            if level_of_line >= _WARNING:
                line = text.decode("utf-8", "replace")
                sys.stderr.write(line)
                sys.stderr.flush()
                if level_of_line == _ERROR:
                    self._errors.append(line.strip())

        self._callback = native.llama_log_callback(take)  # the native code keeps only a pointer to it
        native.llama_log_set(self._callback, ctypes.c_void_p(0))

    def reason(self) -> str:
        """The first error since the last call (the later ones follow from it), without the native function's name."""
        errors, self._errors = self._errors, []
        return (
            re.sub(r"^(\w+: )?(error loading model: )?", "", errors[0]).rstrip(".") if errors else "no reason given"
        )


@cache
def the_log() -> Log:
    """Made when first asked for, and never given up: the native code may say something at any time."""
    return Log()

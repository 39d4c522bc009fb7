"""Where each key and value of a TOML text stands. The text must be valid: ``tomllib`` has read it before."""

from __future__ import annotations

import re
import tomllib
from typing import NamedTuple

KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[\s\ufeff]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# A date and its time may be parted by one space, so a digit after a space still belongs to the value.
_SCALAR = re.compile(r"[^\s#,\]}]+(?: [0-9]{2}:[^\s#,\]}]*)?")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)


class Place(NamedTuple):
    """Character positions of a key (or an array element) and of its value; all three are equal for a table header."""

    key: int
    start: int
    end: int


def places(text: str) -> dict[KeyPath, Place]:
    """The place of every key, array element and table header of ``text``, by its path."""
    try:
        return _Scanner(text).run()
    except RecursionError:  # thousands of brackets: nothing is found, so no line is known and nothing can be edited
        return {}


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: dict[KeyPath, Place] = {}
        self._lengths: dict[KeyPath, int] = {}  # how many [[headers]] each array of tables has had so far

    def run(self) -> dict[KeyPath, Place]:
        here: KeyPath = ()
        self._skip_blank()
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                here = self._header()
            else:
                self._pair(here)
            self._skip_blank()
        return self._found

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"unexpected character at {self._at}")  # only for text that tomllib has not read
        self._at = match.end()
        return match.group()

    def _skip_blank(self) -> None:
        self._skip(_BLANK)

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            if self._text[self._at] in "\"'":
                parts.append(str(tomllib.loads("key = " + self._skip(_STRING))["key"]))
            else:
                parts.append(self._skip(_BARE_KEY))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return tuple(parts)
            self._at += 1

    def _header(self) -> KeyPath:
        start = self._at
        is_array = self._text.startswith("[[", start)
        self._at += 2 if is_array else 1
        parts = self._key()
        self._at += 2 if is_array else 1
        path: KeyPath = ()
        for number, part in enumerate(parts):
            path = (*path, part)
            self._found.setdefault(path, Place(start, start, start))
            if is_array and number == len(parts) - 1:
                self._lengths[path] = self._lengths.get(path, 0) + 1
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
        self._found[path] = Place(start, start, start)
        return path

    def _pair(self, here: KeyPath) -> None:
        start = self._at
        path = here
        for part in self._key():
            self._found.setdefault(path, Place(start, start, start))  # a table that only dotted keys mention
            path = (*path, part)
        self._at += 1  # the "="
        self._skip(_SPACE)
        self._value(path, start)

    def _value(self, path: KeyPath, key: int) -> None:
        start = self._at
        match self._text[start]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._skip(_STRING)
            case _:
                self._skip(_SCALAR)
        self._found[path] = Place(key, start, self._at)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        self._skip_blank()
        index = 0
        while self._text[self._at] != "]":
            self._value((*path, index), self._at)
            index += 1
            self._skip_separator()
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        self._skip_blank()
        while self._text[self._at] != "}":
            self._pair(path)
            self._skip_separator()
        self._at += 1

    def _skip_separator(self) -> None:
        self._skip_blank()
        if self._text[self._at] == ",":
            self._at += 1
            self._skip_blank()

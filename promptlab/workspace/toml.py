"""Reading TOML so that whatever is wrong with it comes out as one sentence with a place."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import cast

from promptlab.errors import InvalidFile, Problem
from promptlab.workspace.scan import KeyPath, Place, places

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DOUBLE, _SINGLE = '"""', "'''"
_MIXED = re.compile(r'^(?=[^\n]*""")[^\n]*\'', re.MULTILINE)  # a line with both kinds of quotes
_SHOWN = 60  # characters of a foreign text that a sentence repeats


def parse(data: bytes, file: str) -> dict[str, object]:
    """The tables of a TOML file. A byte order mark and CRLF line ends are accepted; CRLF in a value becomes LF.

    Args:
        data: The file's bytes.
        file: The file's path as the person knows it, for the message.

    Raises:
        InvalidFile: The bytes are not UTF-8, or not TOML; the problem has the line.
    """
    text = decode(data, file)
    try:
        return _loads(text)
    except RecursionError:
        problem = Problem("Arrays or tables are nested too deeply.", file, hint="Flatten the file.")
    except ValueError as fault:  # TOMLDecodeError is one; a number with too many digits is a plain one
        reason = str(fault)
        place = _PLACE.search(reason)
        line = text.count("\n") + (not text.endswith("\n"))
        column = ""
        if place is None:
            line = 0
        elif place[1]:
            line, column = int(place[1]), f" at column {place[2]}"
        reason = shown(_PLACE.sub("", reason), 200)
        problem = Problem(f"This is not valid TOML{column}: {reason}.", file, line, hint="Correct the line.")
    # Raised outside the handler: the original fault can carry the whole text of the file.
    raise InvalidFile(problem)


def _loads(text: str) -> dict[str, object]:
    """As ``tomllib.loads``, several times as fast where a text in three double quotes needs no escapes.

    ``tomllib`` reads such a text sign by sign, and one in three single quotes at once. Without a backslash the two
    mean the same; what else could tell them apart is left to ``tomllib``, and so is every file that is at fault.
    """
    alike = "\\" not in text and _SINGLE not in text and '""""' not in text
    if alike and _DOUBLE in text and not _MIXED.search(text):
        with suppress(ValueError):
            found = tomllib.loads(text.replace(_DOUBLE, _SINGLE))
            # Only inside a text, where no file may have them, could the quotes have been anything else.
            if not _holds(found, _SINGLE):
                return found
    return tomllib.loads(text)


def _holds(value: object, part: str) -> bool:
    """Whether any text of a TOML value has this part."""
    if isinstance(value, str):
        return part in value
    if isinstance(value, dict):
        return any(part in key or _holds(item, part) for key, item in cast("dict[str, object]", value).items())
    return isinstance(value, list) and any(_holds(item, part) for item in cast("list[object]", value))


def decode(data: bytes, file: str) -> str:
    """The text of a UTF-8 file without its byte order mark.

    Raises:
        InvalidFile: The bytes are not UTF-8; the problem has the line.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        message = f"The file is not UTF-8 text (byte 0x{data[fault.start]:02x})."
    raise InvalidFile(Problem(message, file, line, hint="Save it as UTF-8."))


def line_of(data: bytes, path: KeyPath, below: int = 0) -> int:
    """The line, counted from 1, on which the key ``path`` stands in a valid TOML file.

    A path that is not in the file gives the line of the nearest table above it, or 0 when there is none.

    Args:
        below: Lines to go down inside a multi-line string, such as a line number of a template minus 1.
    """
    text = data.decode("utf-8-sig")
    return line_in(text, places(text), path, below)


def line_in(text: str, found: Mapping[KeyPath, Place], path: KeyPath, below: int = 0) -> int:
    """As ``line_of``, over places that were found before."""
    while path and path not in found:
        path, below = path[:-1], 0
    if not path:
        return 0
    key, start, end = found[path]
    line = text.count("\n", 0, key) + 1
    if not below:
        return line
    # The newline directly after the opening quotes is not part of the value.
    opening = text[start + 3 : start + 5].startswith(("\n", "\r\n"))
    return min(line + opening + below, text.count("\n", 0, end) + 1)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that a person most probably meant by ``word``, or None when nothing is near."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``Did you mean `x`?``, or "" when nothing is near."""
    near = nearest(word, known)
    return f"Did you mean `{shown(near)}`?" if near is not None else ""


def shown(text: str, limit: int = _SHOWN) -> str:
    """A foreign text made fit for one line of a message: shortened, and control characters spelled out."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def show_path(path: KeyPath) -> str:
    """A key path as a person writes it: ``messages[1].role``."""
    parts: list[str] = []
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        else:
            name = part if _BARE_KEY.fullmatch(part) else f'"{shown(part)}"'
            parts.append(f".{name}" if parts else name)
    return "".join(parts)

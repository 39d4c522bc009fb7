"""Remembers what reading git gave, one line an entry. Files that may be deleted at any time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

Entry = TypeVar("Entry", bound=msgspec.Struct)


class Parsed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What parsing a blob gave: a content hash and the `id` key, or why there is none."""

    blob: str
    content: str = ""
    error: str = ""
    id: str = ""


def load(file: Path, kind: type[Entry]) -> list[Entry]:
    """Everything remembered, in order. Torn, foreign and damaged lines are passed over."""
    decoder = msgspec.json.Decoder(kind)
    try:
        data = file.read_bytes()
    except OSError:
        return []
    try:
        return decoder.decode_lines(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    known: list[Entry] = []
    for line in data.split(b"\n"):
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            known.append(decoder.decode(line))
    return known


def add(file: Path, entries: Iterable[msgspec.Struct]) -> None:
    """Remembers more, in one append that other processes may interleave with; a read-only repository is no fault."""
    # The line end in front closes a line that a kill cut short.
    data = b"\n" + msgspec.json.Encoder().encode_lines(entries)
    with contextlib.suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        # O_NOFOLLOW: a repository from elsewhere must not lead this write out of itself.
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "ab", buffering=0) as stream:
            stream.write(data)

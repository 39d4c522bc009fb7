"""Remembers the content hash of blobs that were parsed once. A file that may be deleted at any time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec


class Parsed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What parsing a blob gave: a content hash and the `id` key, or why there is none."""

    blob: str
    content: str = ""
    error: str = ""
    id: str = ""


def load(file: Path) -> dict[str, Parsed]:
    """Everything remembered, by blob id. Torn, foreign and damaged lines are passed over."""
    decode = msgspec.json.Decoder(Parsed).decode
    known: dict[str, Parsed] = {}
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError:
        return known
    for line in lines:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            parsed = decode(line)
            known[parsed.blob] = parsed
    return known


def add(file: Path, parsed: Mapping[str, Parsed]) -> None:
    """Remembers more, in one append that other processes may interleave with; a read-only repository is no fault."""
    encode = msgspec.json.Encoder().encode
    # The line end in front closes a line that a kill cut short.
    data = b"\n" + b"".join(encode(entry) + b"\n" for entry in parsed.values())
    with contextlib.suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        # O_NOFOLLOW: a repository from elsewhere must not lead this write out of itself.
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "ab", buffering=0) as stream:
            stream.write(data)

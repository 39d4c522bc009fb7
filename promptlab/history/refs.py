"""Refs read from git's own files, where that is safe: git starts no process for what two reads of a file tell.

Only what is plainly there is believed: branches and tags that hold an object's id, in a repository whose refs are
files. For anything else (reftable, symbolic links, a file that is being changed) the answer is None: ask git.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

_ID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LARGEST = 4096  # bytes of a file that holds one ref
_MOST_FILES = 200  # about as many as are read in the time that a process takes


def head_of(git_dir: Path, common_dir: Path) -> str | None:
    """The commit that HEAD stands on, None where git has to say it."""
    text = _small(git_dir / "HEAD")
    branch = text.removeprefix(b"ref: ").rstrip(b"\n")
    if branch.startswith(b"refs/heads/") and text.startswith(b"ref: ") and b".." not in branch:
        text = _small(common_dir / os.fsdecode(branch))
        if not text and (packed := _packed_file(common_dir)) is not None:
            return next((name for name, ref in _packed(packed, branch) if ref == branch), None)
    return _id(text)


def refs_of(common_dir: Path, prefixes: Sequence[str]) -> dict[str, str] | None:
    """Full name of each ref that begins with one of the prefixes, and its object; None where git has to say it."""
    # What is not in files has a file here, for programs that would look for them.
    if not (common_dir / "refs" / "heads").is_dir():
        return None
    loose: dict[str, str] = {}
    # In this order, as a ref that is packed meanwhile is then seen twice rather than never.
    for name in _loose_names(common_dir, prefixes):
        value = _id(_small(common_dir / name)) if name and len(loose) < _MOST_FILES else None
        if value is None:
            return None
        loose[name] = value
    packed = _packed_file(common_dir)
    if packed is None:
        return None
    found = {os.fsdecode(ref): name for prefix in prefixes for name, ref in _packed(packed, os.fsencode(prefix))}
    return found | loose


def _loose_names(common_dir: Path, prefixes: Sequence[str]) -> Iterator[str]:
    """Names of refs that have a file of their own; "" where there is something else than files and folders."""
    starts = tuple(prefixes)
    waiting = list(dict.fromkeys(prefix.rpartition("/")[0] for prefix in prefixes))
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(common_dir / folder))
        except FileNotFoundError:
            continue
        except OSError:
            entries = []
            yield ""
        for entry in entries:
            name = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if name.startswith(starts) or any(start.startswith(f"{name}/") for start in starts):
                    waiting.append(name)
            elif name.startswith(starts) and not entry.name.endswith(".lock"):
                yield name if entry.is_file(follow_symlinks=False) else ""


def _packed_file(common_dir: Path) -> bytes | None:
    try:
        data = (common_dir / "packed-refs").read_bytes()
    except FileNotFoundError:
        return b""
    except OSError:
        return None
    return data if data.endswith(b"\n") else None


def _packed(data: bytes, prefix: bytes) -> Iterator[tuple[str, bytes]]:
    """Object and name of the lines ``<id> <name>`` whose name begins so."""
    at = data.find(b" " + prefix)
    while at >= 0:
        start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        if _ID.fullmatch(data, start, at):
            yield data[start:at].decode(), data[at + 1 : end]
        at = data.find(b" " + prefix, end)


def _id(text: bytes) -> str | None:
    line = text.rstrip(b"\n")
    return line.decode() if _ID.fullmatch(line) else None


def _small(file: Path) -> bytes:
    """The bytes of a short file, none where it is no file."""
    try:
        # O_NONBLOCK: of a pipe in its place nobody waits for words.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _LARGEST) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)

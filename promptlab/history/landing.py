"""Files that are put into the person's working tree: never through a link, never in place of another."""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from promptlab.errors import HistoryFault
from promptlab.history.git import plain, storage_fault

_DRAFT = ".promptlab-draft"
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def taken(path: str) -> HistoryFault:
    """The fault for a path where something of the person's lies."""
    return HistoryFault(
        f"{plain(path)} is there already and is not what would be published: move it away, then try again."
    )


def refuse_taken(top: Path, files: Mapping[str, bytes]) -> None:
    """Sees that each file can be put where it is to go.

    Raises:
        HistoryFault: Something else lies there, or a part of the path is a link or a file.
    """
    for path, data in files.items():
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            try:
                mode = os.lstat(top / "/".join(parts[:end])).st_mode
            except OSError:
                break
            whole = end == len(parts)
            if not (stat.S_ISREG(mode) and (top / path).read_bytes() == data if whole else stat.S_ISDIR(mode)):
                raise taken("/".join(parts[:end]))


def land(top: Path, path: str, data: bytes) -> None:
    """Writes a file so that a kill leaves all of it or nothing; one that is there already is left.

    Raises:
        HistoryFault: It cannot be written.
    """
    name = posixpath.basename(path)
    try:
        with _inside(top, posixpath.dirname(path), make=True) as folder:
            if _exists(name, folder):
                return
            draft = os.open(
                _DRAFT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder
            )
            with os.fdopen(draft, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(_DRAFT, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
    except OSError as error:
        raise storage_fault(error, path) from error


def _exists(name: str, folder: int) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def take_back(top: Path, path: str, is_ours: Callable[[bytes], bool]) -> None:
    """Removes a file that is still as ``land`` wrote it, a draft beside it, and the folders that are empty then."""
    name, parent = posixpath.basename(path), posixpath.dirname(path)
    with contextlib.suppress(OSError), _inside(top, parent) as folder:
        with contextlib.suppress(OSError):
            os.unlink(_DRAFT, dir_fd=folder)
        with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder), "rb") as stream:
            ours = is_ours(stream.read())
        if ours:
            os.unlink(name, dir_fd=folder)
    parts = parent.split("/")
    with contextlib.suppress(OSError):  # the first folder that is not empty
        while parts:
            last = parts.pop()
            with _inside(top, "/".join(parts)) as folder:
                os.rmdir(last, dir_fd=folder)


@contextlib.contextmanager
def _inside(top: Path, parts: str, *, make: bool = False) -> Generator[int]:
    """A folder below the top, reached without following a link."""
    at = os.open(top, _FOLDER & ~os.O_NOFOLLOW)
    try:
        for part in filter(None, parts.split("/")):
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=at)
            below = os.open(part, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)

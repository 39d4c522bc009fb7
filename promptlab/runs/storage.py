"""Files that survive a crash: atomic replacement, whole writes, locks, and one sentence for each way to fail."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from promptlab.errors import StorageFault

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def storage_fault(path: Path, error: OSError) -> StorageFault:
    """The sentence for a file that could not be written or read."""
    if error.errno in _FULL:
        return StorageFault(
            f"{path}: the disk is full. Free some space and run the same command again; nothing is lost."
        )
    if error.errno in _FORBIDDEN:
        return StorageFault(f"{path}: this file or its folder is read-only. Make it writable and try again.")
    reason = (error.strerror or type(error).__name__).lower()
    return StorageFault(f"{path}: cannot be used: {reason}.")


@contextmanager
def faults_of(path: Path) -> Generator[None, None, None]:
    """Turn any OSError of the block into the StorageFault of ``path``, or of the file that the error names."""
    try:
        yield
    except OSError as error:
        named = Path(error.filename) if isinstance(error.filename, str) else path
        raise storage_fault(named, error) from error


def write_all(file: int, data: bytes) -> None:
    """Write every byte; one system call, unless the system takes only a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that, after a crash at any moment, it has its old content or the new one."""
    replace_in_parts(path, (data,))


def replace_in_parts(path: Path, parts: Iterable[bytes]) -> None:
    """As ``replace_file``, for content that need not be in memory at once."""
    draft = unfinished(path)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        for part in parts:
            write_all(file, part)
        os.fsync(file)
    finally:
        os.close(file)
    os.replace(draft, path)
    sync_folder(path.parent)


def unfinished(path: Path) -> Path:
    """Where ``replace_file`` writes first: what a kill before its end leaves, complete or cut short."""
    return path.with_name(path.name + ".new")


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable, where the file system knows how to."""
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.fsync(file)
    finally:
        os.close(file)


def lock_file(path: Path) -> int | None:
    """Take the lock of a file for this process until it closes the descriptor or dies; None when another has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # Somebody who only looks (is_locked) holds it for some microseconds: that is not "in use".
    for _ in range(3):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            os.close(file)
            raise
    os.close(file)
    return None


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of this file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def cut_torn_tail(file: int) -> int:
    """Cut what stands after the last line feed; the number of bytes cut."""
    size = end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - 65536)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(file, end)
    return size - end

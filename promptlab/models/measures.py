"""Where it is remembered how fast models are on this machine.

One file for the person, ``model-speeds.json`` in the folder of what promptlab remembers, with an entry a model file.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from promptlab.errors import StorageFault
from promptlab.models.speed import Speed
from promptlab.models.trust import state_folder


def unmeasured(path: Path, threads: int) -> Speed:
    """The speed of a file before anything is measured.

    Raises:
        OSError: There is no such file.
    """
    stat = path.stat()
    return Speed(str(path.absolute()), stat.st_size, stat.st_mtime_ns, int(time.time()), threads)


def speeds_file() -> Path:
    return state_folder() / "model-speeds.json"


def known_speeds() -> list[Speed]:
    """What was measured here. A damaged file counts as none: it can be measured again."""
    try:
        return msgspec.json.decode(speeds_file().read_bytes(), type=list[Speed])
    except (OSError, msgspec.MsgspecError):
        return []


def speed_of(path: Path, known: Sequence[Speed]) -> Speed | None:
    """What was measured of a file, unless it has changed since."""
    try:
        now = unmeasured(path, threads=0)
    except OSError:
        return None
    what = (now.path, now.size, now.modified)
    return next((one for one in known if (one.path, one.size, one.modified) == what), None)


def remember(speed: Speed) -> None:
    """Keep a measurement in place of the earlier one of the same file; what was not measured again stays.

    Raises:
        StorageFault: It cannot be written.
    """
    known = known_speeds()
    for earlier in known:
        if earlier.path == speed.path:
            speed = speed.after(earlier)
    kept = [*(one for one in known if one.path != speed.path), speed]
    path = speeds_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(path, msgspec.json.format(msgspec.json.encode(kept), indent=1))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise StorageFault(
            f"{path}: what was measured cannot be remembered ({reason}). "
            "Make the folder writable, or set PROMPTLAB_STATE to another one."
        ) from None


def _replace(path: Path, data: bytes) -> None:
    """All of it or nothing, whenever the program ends."""
    handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(fresh, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise

"""What can be said of a GGUF file without the engine: is it one, and which one is it."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from promptlab.errors import ModelFault

_MAGIC = b"GGUF"

_digests: dict[tuple[str, int, int], str] = {}
_digesting = threading.Lock()


def check_file(path: Path) -> None:
    """Make sure that the file can be read and looks like a GGUF file.

    Raises:
        ModelFault: It is missing, a folder, unreadable, empty or another kind of file.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except FileNotFoundError:
        raise ModelFault(
            f"{path}: there is no such file. Correct the path of the model, or put the file there."
        ) from None
    except IsADirectoryError:
        raise ModelFault(f"{path}: this is a folder, not a GGUF file. Name the .gguf file inside it.") from None
    except PermissionError:
        raise ModelFault(f"{path}: this file may not be read. Give yourself permission to read it.") from None
    except OSError as fault:
        raise ModelFault(
            f"{path}: this file cannot be read ({fault.strerror or fault}). Check the path and the disk."
        ) from None
    if not magic:
        raise ModelFault(f"{path}: this file is empty. Download or copy the model again.")
    if magic != _MAGIC:
        raise ModelFault(
            f"{path}: this is not a GGUF file (it does not begin with “GGUF”). Download the model in GGUF format."
        )


def model_identity(path: Path, reproducible: bool) -> str:
    """As ``file_identity``, with ``+reproducible`` where a model is to answer so.

    The two ways round differently: an answer of one may not pass for one of the other.

    Raises:
        ModelFault: As ``check_file``.
    """
    return file_identity(path) + ("+reproducible" if reproducible else "")


def file_identity(path: Path) -> str:
    """``gguf:`` and the first 16 hex digits of the SHA-256 of the file's bytes.

    Reads the whole file once; call it in a worker thread when the file is large. Remembered while path, size and
    modification time stay the same.

    Raises:
        ModelFault: As ``check_file``.
    """
    check_file(path)
    try:
        stat = path.stat()
        key = (str(path.absolute()), stat.st_size, stat.st_mtime_ns)
        # One reader at a time: two threads that ask for one file read it once.
        with _digesting:
            if key not in _digests:
                with path.open("rb") as file:
                    _digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
            return f"gguf:{_digests[key][:16]}"
    except OSError as fault:
        raise ModelFault(
            f"{path}: this file cannot be read ({fault.strerror or fault}). Check the path and the disk."
        ) from None

"""Changing a file that a person wrote: one value in place, or the whole file, and never losing an edit."""

from __future__ import annotations

import contextlib
import datetime
import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Generator
from pathlib import Path
from typing import cast

from promptlab.errors import InvalidFile, StorageFault
from promptlab.workspace.faults import CannotEdit, FileChanged
from promptlab.workspace.scan import KeyPath, places
from promptlab.workspace.toml import parse, show_path, shown

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
ADVICE = "Change it in your editor ($EDITOR)."
_REASONS = {
    errno.EACCES: "permission denied. Allow writing to its folder, or work on a copy of the workspace.",
    errno.EPERM: "permission denied. Allow writing to its folder, or work on a copy of the workspace.",
    errno.EROFS: "the file system is read-only. Work on a copy of the workspace in another folder.",
    errno.ENOSPC: "no space is left on the disk. Free some, then save again.",
    errno.EDQUOT: "your disk quota is used up. Free some space, then save again.",
}


def set_value(data: bytes, path: KeyPath, value: object) -> bytes:
    """Replace one value of a TOML file and keep every other byte: comments, order, line ends, byte order mark.

    CRLF inside ``value`` becomes LF, as TOML reads it. A text of several lines is written over several lines.

    Args:
        data: The file's bytes.
        path: Of a key that the file has: ``("params", "temperature")``, ``("messages", 0, "content")``.
        value: Text, number, boolean, date, or a list or table of these.

    Raises:
        CannotEdit: The file is not TOML, has no such key, or spreads the value over several places; or ``value`` has
            no TOML form. The sentence advises to use an editor.
    """
    try:
        before = parse(data, "")
    except InvalidFile as fault:
        raise CannotEdit(f"The file cannot be edited in place. {fault} {ADVICE}") from None
    text = data.decode("utf-8")
    place = places(text).get(path)
    if place is None or place.start == place.end:
        raise CannotEdit(f"`{show_path(path)}` is not written as one value in this file. {ADVICE}")
    newline = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    value = with_lf(value)
    written = literal(value, text[place.start : place.end]).replace("\n", newline)
    try:
        edited = (text[: place.start] + written + text[place.end :]).encode("utf-8")
    except UnicodeEncodeError:
        raise CannotEdit("The text holds half of a surrogate pair, which no file can.") from None
    # The proof. By repr, since 1 == 1.0 == True and nan != nan.
    if repr(parse(edited, "")) != repr(_replaced(before, path, value)):
        raise CannotEdit(f"`{show_path(path)}` cannot be changed without changing something else. {ADVICE}")
    return edited


def stamp(data: bytes) -> str:
    """A name for a file's bytes: equal stamps, equal bytes."""
    return hashlib.sha256(data).hexdigest()


def write_if_unchanged(path: Path, data: bytes, expected: str | None) -> None:
    """Write a whole file at once, if it still is what it was when it was read; it keeps its mode.

    The file is replaced by renaming: after a crash or on a full disk it has the old bytes or the new ones, never
    half. What another program writes in the microseconds between the last look and the renaming is not seen.

    Args:
        path: Where to write; folders above a new file are made. A symbolic link is refused, for it may lead out of
            the workspace: ``Workspace.locate`` follows links that do not.
        expected: ``stamp`` of the bytes that were read, or None for a file that must not exist yet.

    Raises:
        FileChanged: Somebody else changed, deleted or created the file; both contents are in it.
        StorageFault: No permission, no space; the file on disk is as it was.
    """
    with _sentences(path):
        if path.is_symlink():
            raise StorageFault(f"{path} is a symbolic link and is not written through. Save to the file it names.")
        if expected is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            _write_draft(draft, data, path)
            theirs = path.read_bytes() if path.exists() else None
            if (stamp(theirs) if theirs is not None else None) != expected:
                raise FileChanged(str(path), data, theirs)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _write_draft(draft: Path, data: bytes, original: Path) -> None:
    with draft.open("xb") as file:
        if original.exists():
            status = original.stat()
            with contextlib.suppress(PermissionError):  # only root may give a file to somebody else
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # Makes the new name survive a power cut. Some file systems cannot; the file is in place all the same.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _sentences(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as fault:
        reason = _REASONS.get(fault.errno or 0, f"{(fault.strerror or 'unknown reason').lower()}.")
        raise StorageFault(f"{shown(str(path), 300)} is not written: {reason}") from None


def with_lf(value: object) -> object:
    """The value as TOML reads it: CRLF in its texts is LF."""
    match value:
        case str():
            return value.replace("\r\n", "\n")
        case list() | tuple():
            return [with_lf(item) for item in cast("list[object]", value)]
        case dict():
            return {str(key): with_lf(item) for key, item in cast("dict[object, object]", value).items()}
        case _:
            return value


def _replaced(tree: object, path: KeyPath, value: object) -> object:
    if not path:
        return value
    if isinstance(tree, dict):
        table = cast("dict[str | int, object]", tree)
        return {key: _replaced(item, path[1:], value) if key == path[0] else item for key, item in table.items()}
    array = cast("list[object]", tree)
    return [_replaced(item, path[1:], value) if index == path[0] else item for index, item in enumerate(array)]


def literal(value: object, old: str = "") -> str:
    """TOML for a value, as readable as it can be; ``old`` is what stood there, whose style is kept."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return _block(value, old) if "\n" in value or old.startswith(('"""', "'''")) else _line(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
        case list():
            return "[" + ", ".join(literal(item) for item in cast("list[object]", value)) + "]"
        case dict():
            items = cast("dict[str, object]", value).items()
            pairs = [f"{written_key(key)} = {literal(item)}" for key, item in items]
            return "{ " + ", ".join(pairs) + " }" if pairs else "{}"
        case _:
            raise CannotEdit(f"A value of type {type(value).__name__} cannot be written to a TOML file.")


def written_key(key: str) -> str:
    """A key as TOML writes it: in quotes where it needs them."""
    return key if _BARE_KEY.fullmatch(key) else _line(key)


def _line(text: str) -> str:
    if _CONTROL.search(text) or "'" in text or not ('"' in text or "\\" in text):
        return '"' + _escaped(text).replace('"', '\\"').replace("\n", "\\n") + '"'
    return f"'{text}'"


def _block(text: str, old: str) -> str:
    """A string in triple quotes: literal ones when the text has quotes or backslashes, for then it reads as it is."""
    # The newline after the opening quotes is not part of the text.
    keeps_first_line = old.startswith(('"""', "'''")) and not old[3:].startswith(("\n", "\r\n"))
    start = "" if keeps_first_line and not text.startswith("\n") else "\n"
    plain = "'''" not in text and not text.endswith("'") and not _CONTROL.search(text.replace("\n", ""))
    if plain and ('"' in text or "\\" in text or old.startswith("'''")):
        return f"'''{start}{text}'''"
    body = _escaped(text).replace('"""', '""\\"')
    if body.endswith('"'):
        body = body[:-1] + '\\"'
    return f'"""{start}{body}"""'


def _escaped(text: str) -> str:
    """Backslashes and control characters spelled out, line ends kept."""
    text = text.replace("\\", "\\\\")
    return _CONTROL.sub(lambda match: "\n" if match[0] == "\n" else f"\\u{ord(match[0]):04X}", text)

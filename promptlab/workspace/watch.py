"""Noticing that files of a workspace changed on disk, by looking: cheap enough to do once a second."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from promptlab.workspace.folder import EVALSETS, PROMPTS, SETTINGS_FILE

Snapshot = dict[str, tuple[int, int, int]]
"""Path relative to the root, with ``/`` between, to modification time (ns), size (bytes) and inode."""

_SUFFIXES = (".toml", ".jsonl")


def snapshot(root: Path) -> Snapshot:
    """How every file of a workspace stands now. No file is opened, and what cannot be seen is left out."""
    found: Snapshot = {}
    with contextlib.suppress(OSError):  # a file that is gone is a change too: it is simply not in the snapshot
        found[SETTINGS_FILE] = _mark(os.stat(root / SETTINGS_FILE))
    for folder in (PROMPTS, EVALSETS):
        _look(os.path.join(root, folder), folder, found)
    return found


def changes(before: Mapping[str, tuple[int, int, int]], after: Mapping[str, tuple[int, int, int]]) -> tuple[str, ...]:
    """Paths that are new, gone or different, sorted."""
    return tuple(sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)))


def _look(folder: str, shown: str, found: Snapshot) -> None:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:  # as above, also while we are looking
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = f"{shown}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                _look(entry.path, path, found)
            elif entry.name.endswith(_SUFFIXES):
                with contextlib.suppress(OSError):
                    found[path] = _mark(entry.stat())


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    # The inode: an editor that replaces the file may keep size and, on coarse clocks, time.
    return status.st_mtime_ns, status.st_size, status.st_ino

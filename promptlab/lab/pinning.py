"""The examples that a person keeps at hand: a few for each eval set, on this machine, in no commit."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from promptlab.runs.storage import faults_of, replace_file

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab

_Pins = dict[str, dict[str, list[str]]]
"""Folder of a workspace to eval set to ids: linked working trees share a file."""


def pinned(lab: Lab, evalset: str) -> tuple[str, ...]:
    """Ids of the pinned examples, in the order in which they were pinned; they may be gone from the eval set."""
    return tuple(_all(lab).get(str(lab.root), {}).get(evalset, ()))


def pin(lab: Lab, evalset: str, examples: Iterable[str]) -> None:
    """Pin these examples of an eval set and no others.

    Raises:
        StorageFault: They cannot be remembered.
    """
    pins = _all(lab)
    pins.setdefault(str(lab.root), {})[evalset] = list(dict.fromkeys(examples))
    path = lab.journal_root() / "pins.json"
    with faults_of(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, msgspec.json.encode(pins))


def _all(lab: Lab) -> _Pins:
    """What was pinned; a file that cannot be read, or is none of ours, has no pins."""
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((lab.journal_root() / "pins.json").read_bytes(), type=_Pins)
    return {}

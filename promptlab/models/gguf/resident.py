"""Local models that hold memory in this program: one at a time, unless the machine has room for more."""

from __future__ import annotations

import asyncio
from typing import Protocol
from weakref import WeakKeyDictionary

from promptlab.models.gguf.machine import available_memory

ROOM = 1 << 30
"""Bytes for a model's contexts, beside its file."""


class Resident(Protocol):
    """A model as far as its memory is concerned."""

    @property
    def size(self) -> int:
        """Bytes of its file."""
        ...

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer of it."""
        ...

    async def close(self) -> None: ...


# A model belongs to one event loop, and cannot be closed from another.
_loaded: WeakKeyDictionary[asyncio.AbstractEventLoop, list[Resident]] = WeakKeyDictionary()


def has_room(model: Resident) -> bool:
    """Whether a model can be loaded beside all that are.

    The system counts the files of loaded models as free, since it could read them again: at a price.
    """
    others = sum(other.size for other in _here() if other is not model)
    return model.size + others + ROOM <= available_memory()


async def make_room(model: Resident) -> None:
    """Close idle models, the one that was loaded first before the others, until this one has room."""
    for other in list(_here()):
        if has_room(model):
            return
        if other is not model and other.idle:
            await other.close()


def enter(model: Resident) -> None:
    """It is loaded from now on."""
    if model not in _here():
        _here().append(model)


def leave(model: Resident) -> None:
    """It holds no memory any more."""
    if model in _here():
        _here().remove(model)


def _here() -> list[Resident]:
    return _loaded.setdefault(asyncio.get_running_loop(), [])

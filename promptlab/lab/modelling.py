"""The models of a workspace one by one: all that is known of one, and how fast those in files are here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from msgspec import Struct

from promptlab.errors import ModelFault, UsageFault
from promptlab.lab import planning
from promptlab.models import registry
from promptlab.models.measures import remember
from promptlab.models.speed import Speed

if TYPE_CHECKING:
    from promptlab.lab.reading import Reader
    from promptlab.models.values import ModelDetails
    from promptlab.workspace.settings_values import ModelEntry


class SpeedStep(Struct, frozen=True):
    """One thing more is known of how fast a model is.

    Attributes:
        speed: All that is known of the model by now; None when nothing is.
        share: Of all that is to be measured, how much has been.
        eta: Seconds until all is measured, about; None while that cannot be said.
        problem: Why this model cannot be measured further, or "".
    """

    model: str
    speed: Speed | None
    share: float
    eta: float | None = None
    problem: str = ""


def details(lab: Reader, name: str) -> ModelDetails:
    """All that is known of a model without asking it. Reads a file as a whole, for its digest.

    Raises:
        NotFound: There is no model of that name.
    """
    planning.model_names(lab.workspace, (name,))
    return registry.details(lab.settings.models[name], lab.root)


async def measure_speeds(lab: Reader, names: Sequence[str], stop: asyncio.Event) -> AsyncGenerator[SpeedStep, None]:
    """Load models and time them, one after the other. What was measured is remembered, also when ``stop`` is set.

    Raises:
        NotFound: There is no model of one of the names.
        UsageFault: One of them is no file on this machine.
        StorageFault: What was measured cannot be remembered.
    """
    entries = [_measurable(lab, name) for name in planning.model_names(lab.workspace, tuple(names))]
    begin = time.monotonic()
    for index, entry in enumerate(entries):
        last: Speed | None = None
        try:
            async with aclosing(_speeds(lab, entry)) as speeds:
                while (speed := await _next(speeds, stop)) is not None:
                    last = speed
                    await asyncio.to_thread(remember, speed)
                    share = (index + speed.share) / len(entries)
                    eta = (time.monotonic() - begin) * (1 / share - 1)
                    yield SpeedStep(entry.name, speed, share, None if speed.prompt is None else eta)
        except ModelFault as fault:
            yield SpeedStep(entry.name, last, (index + 1) / len(entries), problem=str(fault))
        if stop.is_set():
            return


async def _next(speeds: AsyncGenerator[Speed, None], stop: asyncio.Event) -> Speed | None:
    """The next speed; None when there is none, or when it is no longer wanted."""
    coming = asyncio.ensure_future(anext(speeds, None))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((coming, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not coming.done():
            coming.cancel()
            await asyncio.wait((coming,))
    return None if coming.cancelled() else coming.result()


def _speeds(lab: Reader, entry: ModelEntry) -> AsyncGenerator[Speed, None]:
    from promptlab.models.gguf.measuring import measure

    assert entry.gguf is not None
    path = registry.resolve_gguf(entry.gguf, lab.root)
    return measure(path, context=entry.context, threads=entry.threads)


def _measurable(lab: Reader, name: str) -> ModelEntry:
    entry = lab.settings.models[name]
    if entry.gguf is None:
        raise UsageFault(f"{name} is an endpoint. Only models in files on this machine can be measured.")
    return entry

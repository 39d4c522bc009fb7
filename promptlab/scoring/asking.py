"""Asking a model for scores: what is known comes from the cache, and every request has an outcome."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from msgspec import structs

from promptlab.errors import ModelFault
from promptlab.models.cache import Cache
from promptlab.models.values import FATAL_FAULTS, Fault, Model, Outcome, Request


async def replies_of(
    model: Model, requests: dict[str, Request], cache: Cache | None
) -> AsyncGenerator[Outcome, None]:
    """Exactly one outcome for each request: known ones, then new ones, then faults for those that never came."""
    known = cache.get_many(list(requests)) if cache else {}
    for outcome in known.values():
        yield outcome
    left = {key: request for key, request in requests.items() if key not in known}
    if not left:
        return
    reason = Fault("malformed", "The model gave no answer.")
    stream = model.generate(tuple(left.values()))
    try:
        async for outcome in stream:
            if left.pop(outcome.key, None) is None:
                continue
            # Some endpoints cut an emoji in half at the token limit; half of one cannot be stored.
            outcome = structs.replace(outcome, text=outcome.text.encode("utf-8", "replace").decode())
            if cache:
                cache.put_many([outcome])
            yield outcome
            if outcome.fault is not None and outcome.fault.kind in FATAL_FAULTS:
                reason = outcome.fault
                break
    except ModelFault as fault:
        reason = Fault("unavailable", str(fault))
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
    for key in left:
        yield Outcome(key, finish="error", fault=reason)

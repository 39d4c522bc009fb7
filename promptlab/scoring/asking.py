"""Asking a model for scores: what is known comes from the cache, and every request has an outcome."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from promptlab.models.cache import Cache
from promptlab.models.values import Fault, Model, Outcome, Request
from promptlab.runs.asking import Reader, arrived
from promptlab.runs.progress import Meter

_AT_ONCE = 250
"""Replies that are handled in one go."""


async def replies_of(
    model: Model, requests: dict[str, Request], cache: Cache | None, meter: Meter | None = None
) -> AsyncGenerator[Outcome, None]:
    """The outcome of each request: known ones, then new ones, then faults for those that never came.

    Exactly one each, or less where ``meter`` says that a limit is reached: nothing further is asked then, and what is
    under way still comes.
    """
    spent = meter or Meter()
    known = cache.get_many(list(requests)) if cache else {}
    for outcome in known.values():
        yield outcome
    left = {key: request for key, request in requests.items() if key not in known}
    if not left or spent.used_up(0):
        return

    def heard(outcome: Outcome) -> None:
        spent.add(outcome)
        if spent.used_up(reader.traffic.in_flight):
            reader.end()

    reader = Reader(model, tuple(left.values()), heard)
    try:
        while batch := await arrived(reader.inbox, _AT_ONCE):
            if cache:
                cache.put_many(batch)
            for outcome in batch:
                if left.pop(outcome.key, None) is not None:
                    yield outcome
    finally:
        result = await reader.result()
    if isinstance(result, Exception):
        raise result
    if not isinstance(result, BaseException):
        fault = result or Fault("malformed", "The model gave no answer.")
        for key in left:
            yield Outcome(key, finish="error", fault=fault)

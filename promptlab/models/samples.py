"""Which requests are samples of one answer, so that an endpoint can be asked for them at once (``n``).

The prompt is then paid for once. All samples of such a request have the seed of the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptlab.models.values import Request
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.values import Message, Params

FIRST_ONLY = "tells the tokens of the first of several samples alone: those of the others are estimated by length"


def at_once(entry: ModelEntry) -> int:
    """Samples that an endpoint is asked for in one request, at most; the pieces of several would come mixed."""
    return 1 if entry.stream else entry.samples


def together(requests: Sequence[Request], most: int) -> Iterator[tuple[Request, ...]]:
    """The requests in groups of at most ``most`` that differ in key and seed alone, in the order of their first.

    Requests at temperature 0 stand alone: their samples would be the same, and some servers refuse them.
    """
    if most == 1:
        yield from ((one,) for one in requests)
        return
    groups: dict[tuple[tuple[Message, ...], Params] | str, list[Request]] = {}
    for one in requests:
        group = groups.setdefault((one.messages, one.params) if one.params.temperature > 0 else one.key, [])
        if group and (len(group) == most or not _alike(group[0], one)):
            yield tuple(group)
            group.clear()
        group.append(one)
    yield from map(tuple, groups.values())


def _alike(a: Request, b: Request) -> bool:
    asked = (a.constraint, a.logprobs, a.choice_probabilities)
    return asked == (b.constraint, b.logprobs, b.choice_probabilities)

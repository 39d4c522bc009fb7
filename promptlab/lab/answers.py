"""The outcomes of a run's table: facts in memory, long texts on disk beyond some megabytes.

A screen shows forty of ten thousand answers at a time; what it does not show need not be in memory. Texts are written
to a file that has no name any more when the first of them goes into it, so that nothing is left behind by a crash.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

import msgspec

from promptlab.lab.grid import Alike
from promptlab.models.values import Outcome, Usage

IN_MEMORY = 4_000_000
"""Characters of texts that one table keeps in memory before it writes further ones to disk."""

SHORT = 200
"""Characters of a text that is not worth a place on disk."""

LABEL = 40
"""Characters of a text that others may well have, too."""

ALL = slice(None)

_DISK = Path("/var/tmp")
"""Unlike /tmp, which is often in memory."""


class Answers:
    """Outcomes by the number of their cell. ``put`` from one thread; reading from any.

    Args:
        size: How many cells there are. The number ``size`` may be asked for, and has no outcome.
    """

    def __init__(self, size: int) -> None:
        self._facts: list[Outcome | None] = [None] * (size + 1)
        self._spilled: dict[int, tuple[int, int]] = {}
        self._usages = Alike[Usage]()
        self._texts = Alike[str]()
        self._costs = Alike[float | None]()
        self._characters = 0
        self._file: int | None = None
        self._end = 0

    def put(self, place: int, outcome: Outcome) -> None:
        """Take in an outcome; it takes the place of an earlier one."""
        size = len(outcome.text) + len(outcome.reasoning) + 40 * len(outcome.logprobs)
        self._spilled.pop(place, None)
        if size > SHORT:
            self._characters += size
            if self._characters > IN_MEMORY and (spot := self._written(outcome)) is not None:
                self._facts[place] = msgspec.structs.replace(outcome, text="", reasoning="", logprobs=())
                self._spilled[place] = spot
                return
        self._facts[place] = self._shared(outcome)

    def get(self, place: int) -> Outcome | None:
        """The whole outcome, or None where there is none yet."""
        spot = self._spilled.get(place)
        if spot is None or self._file is None:
            return self._facts[place]
        at, length = spot
        return _decoder.decode(os.pread(self._file, length, at))

    def facts(self, places: slice = ALL) -> list[Outcome]:
        """The outcomes that are there, each without its text where that lies on disk."""
        return [outcome for outcome in self._facts[places] if outcome is not None]

    def _shared(self, outcome: Outcome) -> Outcome:
        """The outcome with what many others have, too: such as a label, and its tokens."""
        usage, cost = self._usages.of(outcome.usage), self._costs.of(outcome.cost)
        text = self._texts.of(outcome.text) if len(outcome.text) <= LABEL else outcome.text
        return msgspec.structs.replace(outcome, text=text, usage=usage, cost=cost)

    def _written(self, outcome: Outcome) -> tuple[int, int] | None:
        """Where it lies on disk now, or None where it cannot: then it stays in memory, and nothing is lost."""
        try:
            data = _encoder.encode(outcome)
            if self._file is None:
                self._file = _nameless_file()
                weakref.finalize(self, os.close, self._file)
            if os.pwrite(self._file, data, self._end) < len(data):
                return None  # the disk is full
        except (OSError, UnicodeEncodeError):
            return None
        spot = (self._end, len(data))
        self._end += len(data)
        return spot


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Outcome)


def _nameless_file() -> int:
    folder = None if "TMPDIR" in os.environ or not os.access(_DISK, os.W_OK) else _DISK
    file, name = tempfile.mkstemp(prefix="promptlab-", dir=folder)
    with suppress(OSError):
        os.unlink(name)
    return file

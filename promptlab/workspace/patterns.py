"""A person's pattern on anybody's text, without holding up the program.

Python's ``re`` cannot be stopped once it has begun, and there are short patterns that take longer on a short text
than anybody can wait. So where a search could take many steps, it is done in a process of its own, which the system
ends after ``SECONDS`` of computing.
"""

from __future__ import annotations

import atexit
import json
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from promptlab.workspace.toml import shown

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

LONGEST = 20_000
"""Characters of a text that a pattern is run on."""

SECONDS = 1.0
"""Of computing that one search may take."""

_STEPS = 1_000_000
"""Steps that a search may take at worst to be done in this process: some hundredths of a second."""

_GIVE_UP = 3
"""A pattern that took too long so often is not tried again: a run has thousands of texts."""

_CHILD = Path(__file__).with_name("patterns_child.py")
_REPEATED_GROUP = re.compile(r"\)[*+{]")


class TooMuchSearch(Exception):
    """A search was not done, or not to its end; the text says why."""


class Match(NamedTuple):
    """Where a pattern is in a text. ``groups`` are its groups; None for one that took no part."""

    text: str
    groups: tuple[str | None, ...]
    end: int

    @property
    def first(self) -> str:
        """The first group that took part, or all of it."""
        return next((group for group in self.groups if group is not None), self.text)


def search(pattern: str, text: str, *, full: bool = False) -> Match | None:
    """Where a pattern that compiles is first found in a text, as ``re.search`` finds it.

    Args:
        full: It has to match the whole text, as ``re.fullmatch``.

    Raises:
        TooMuchSearch: The text is too long, or the search takes too long.
    """
    if len(text) > LONGEST:
        raise TooMuchSearch(f"The text has {len(text):,} characters, and a pattern is run on {LONGEST:,} at most.")
    if _steps(pattern, len(text)) > _STEPS:
        return _ELSEWHERE.search(pattern, text, full)
    found = re.fullmatch(pattern, text) if full else re.search(pattern, text)
    return Match(found[0], found.groups(), found.end()) if found else None


def _steps(pattern: str, length: int) -> float:
    """How many steps a search takes at worst, to an order of magnitude; never too few.

    Each repetition tries every length, from every place of the text; one of a group that repeats something itself
    tries every way to split it.
    """
    if _REPEATED_GROUP.search(pattern):
        return float("inf")
    repetitions = sum(map(pattern.count, "*+{"))
    return (length + 1.0) ** (repetitions + 1)


class _Elsewhere:
    """The process that searches. It starts with the first search that needs it, and ends with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._slow: Counter[str] = Counter()

    def search(self, pattern: str, text: str, full: bool) -> Match | None:
        why = (
            f"The pattern {shown(pattern, 60)} takes longer than {SECONDS:g} s on a text of {len(text):,} characters"
        )
        with self._lock:
            if self._slow[pattern] >= _GIVE_UP:
                raise TooMuchSearch(f"{why}, or did so on {_GIVE_UP} before it.")
            try:
                process = self._process = self._process or self._start()
            except OSError as fault:
                why = f"The pattern {shown(pattern, 60)} needs a process of its own, which does not start"
                raise TooMuchSearch(f"{why}: {fault.strerror}.") from None
            try:
                found = self._asked(process, [pattern, text, full])
            except (OSError, ValueError):  # the system ended it
                self._slow[pattern] += 1
                self.close()
                raise TooMuchSearch(f"{why}. Write it without repeating what repeats.") from None
        return Match(found[0], tuple(found[1]), found[2]) if found else None

    def _start(self) -> subprocess.Popen[bytes]:
        # -I and -S: it needs the standard library and nothing else, and starts in a hundredth of a second.
        command = [sys.executable, "-I", "-S", str(_CHILD), str(SECONDS)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _asked(
        self, process: subprocess.Popen[bytes], request: list[object]
    ) -> tuple[str, list[str | None], int] | None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        return cast("tuple[str, list[str | None], int] | None", json.loads(process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError):
                process.communicate()


_ELSEWHERE = _Elsewhere()
atexit.register(_ELSEWHERE.close)


# -- patterns in a JSON schema ----------------------------------------------------------------------

_Keyword = Callable[["Validator", object, object, Mapping[str, object]], "Generator[Exception] | None"]


@cache
def bounded(kind: type[Validator]) -> type[Validator]:
    """A validator of JSON schemas whose patterns are searched as ``search`` does; it raises ``TooMuchSearch``."""
    from jsonschema import validators

    names = ("pattern", "patternProperties", "additionalProperties", "unevaluatedProperties")
    known = cast("Mapping[str, _Keyword]", kind.VALIDATORS)
    extend = cast("Callable[[object, object], type[Validator]]", validators.extend)  # pyright: ignore[reportUnknownMemberType]  # untyped there
    return extend(kind, {name: _tried(known[name]) for name in names if name in known})


def _keys(value: object) -> list[str]:
    return list(cast("dict[str, object]", value)) if isinstance(value, dict) else []


def _tried(keyword: _Keyword) -> _Keyword:
    """A keyword that searches only what was searched in bounded time just before."""

    def checked(
        validator: Validator, value: object, instance: object, schema: Mapping[str, object]
    ) -> Generator[Exception]:
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and isinstance(instance, str):
            search(pattern, instance)
        for one, key in product(_keys(schema.get("patternProperties")), _keys(instance)):
            search(one, key)
        yield from keyword(validator, value, instance, schema) or ()

    return checked

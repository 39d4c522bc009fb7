"""Checking a file's tables key by key, so that everything wrong with the file is said at once."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, cast

from promptlab.errors import InvalidFile, Problem
from promptlab.workspace.scan import KeyPath, Place, places
from promptlab.workspace.toml import decode, did_you_mean, line_in, parse, show_path, shown

Check = Callable[[object], object]
"""Takes a raw value and gives the value to keep, or raises ``Expected``."""


_MAX_DEPTH = 60


class Expected(Exception):
    """A value is not what its key takes. The text completes the sentence "Expected …"."""

    def __init__(self, what: str, got: str = "", hint: str = "") -> None:
        self.what = what
        self.got = got
        self.hint = hint
        super().__init__(what)


class _Finding(NamedTuple):
    path: KeyPath
    message: str
    hint: str
    below: int


class Sheet:
    """What was found wrong in one file so far.

    Args:
        file: The file's path as the person knows it.
        locate: Gives the line of a key path, and the path as it is shown. Called only when something is wrong.
    """

    def __init__(self, file: str, locate: Callable[[KeyPath, int], tuple[int, str]]) -> None:
        self.file = file
        self._locate = locate
        self._findings: list[_Finding] = []

    def problem(self, path: KeyPath, message: str, hint: str = "", below: int = 0) -> None:
        """Note that something is wrong at ``path``, ``below`` lines into its value."""
        self._findings.append(_Finding(path, message, hint, below))

    def line(self, path: KeyPath) -> int:
        """The line on which ``path`` stands."""
        return self._locate(path, 0)[0]

    def table(
        self, raw: object, path: KeyPath, checks: Mapping[str, Check], required: Collection[str] = ()
    ) -> dict[str, object]:
        """The checked values of one table; what is wrong with a key is noted, and the key left out.

        Args:
            raw: What stands in the file at ``path``; anything but a table is a problem.
            checks: Every key that the table may have.
            required: Keys that it must have.
        """
        table = mapping(raw)
        if table is None:
            self.problem(path, f"Expected a table, got {kind(raw)}.")
            return {}
        values: dict[str, object] = {}
        for key, value in table.items():
            check = checks.get(key)
            if check is None:
                hint = did_you_mean(key, checks) or f"Known keys: {', '.join(checks)}."
                self.problem((*path, key), f"Unknown key `{shown(key)}`.", hint)
                continue
            try:
                values[key] = check(value)
            except Expected as fault:
                got = fault.got or kind(value)
                self.problem((*path, key), f"Expected {fault.what}, got {got}.", fault.hint)
        for key in required:
            if key not in table:
                self.problem(path, f"The key `{key}` is missing.", "Add it.")
        return values

    def problems(self) -> list[Problem]:
        """Everything noted so far, in the order of the file."""
        found: list[Problem] = []
        for path, message, hint, below in self._findings:
            line, key = self._locate(path, below)
            found.append(Problem(message, self.file, line, key, hint))
        return sorted(found, key=lambda problem: problem.line)

    def finish(self) -> None:
        """Raise ``InvalidFile`` with everything that was noted, if anything was."""
        if self._findings:
            raise InvalidFile(*self.problems())


def toml_sheet(data: bytes, file: str) -> tuple[dict[str, object], Sheet]:
    """A TOML file's tables, and the sheet on which to note what is wrong with them.

    Raises:
        InvalidFile: The bytes are not TOML at all.
    """
    root = parse(data, file)
    text = decode(data, file)
    found: dict[KeyPath, Place] = {}

    def locate(path: KeyPath, below: int) -> tuple[int, str]:
        if not found:
            found.update(places(text))
        return line_in(text, found, path, below), show_path(path)

    return root, Sheet(file, locate)


def kind(value: object) -> str:
    """What a raw value is, in a person's words. A text is never repeated: it might be a secret."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a huge number" if isinstance(value, int) and value.bit_length() > 64 else str(value)
        case str():
            return "text" if value else "an empty text"
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "a table"
        case None:
            return "null"
        case _:
            return "a date"


def text(value: object) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise Expected("text in quotes")
    return value


def word(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise Expected("a text that is not empty")
    return value


def words(value: object) -> list[str]:
    """A list of texts, none empty."""
    if not isinstance(value, list):
        raise Expected("a list of texts")
    texts = cast("list[object]", value)
    for item in texts:
        if not isinstance(item, str) or not item:
            raise Expected("a list of texts that are not empty", f"{kind(item)} in it")
    return cast("list[str]", texts)


def boolean(value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Expected("true or false")
    return value


def whole(low: int, high: int = 2**53) -> Check:
    """A whole number in a closed range."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Expected("a whole number " + _range(low, high if high < 2**53 else math.inf))
        return value

    return check


def number(low: float, high: float = math.inf, *, above: bool = False) -> Check:
    """A finite number in a closed range; with ``above``, ``low`` itself is left out."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Expected("a number " + _range(low, high, above))
        # Compared before it is converted: an integer may be too large for a float.
        if not low <= value <= min(high, 1e300) or (above and value == low):
            raise Expected("a number " + _range(low, high, above))
        return float(value)

    return check


def numbers(low: float, high: float = math.inf, *, above: bool = False) -> Check:
    """A table of such numbers as :func:`number` takes."""
    one = number(low, high, above=above)

    def check(value: object) -> dict[str, float]:
        table = mapping(value)
        if not table:
            raise Expected("a table of numbers", "" if table is None else "an empty one")
        return {key: cast("float", one(each)) for key, each in table.items()}

    return check


def items(value: object) -> list[object] | None:
    """The items of a list, or None for anything else."""
    return cast("list[object]", value) if isinstance(value, list) else None


def mapping(value: object) -> dict[str, object] | None:
    """The keys and values of a table, or None for anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _range(low: float, high: float, above: bool = False) -> str:
    if high == math.inf:
        return f"above {low}" if above else f"of at least {low}"
    return f"above {low}, at most {high}" if above else f"from {low} to {high}"


def one_of(*known: str) -> Check:
    """One of a few words."""

    def check(value: object) -> str:
        if isinstance(value, str) and value in known:
            return value
        got = f'"{shown(value)}"' if isinstance(value, str) else ""
        hint = did_you_mean(value, known) if isinstance(value, str) else ""
        raise Expected(" or ".join(f'"{name}"' for name in known), got, hint)

    return check


def anything(value: object) -> object:
    """Whatever stands there; looked at later."""
    return value


def plain(value: object, depth: int = 0) -> object:
    """JSON-like content: a date of TOML becomes its text; nan and infinity are refused, for JSON has none."""
    if depth > _MAX_DEPTH:
        raise Expected(f"at most {_MAX_DEPTH} lists and tables inside each other", "more")
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Expected("a finite number", str(value))
        return value
    if isinstance(value, list):
        return [plain(item, depth + 1) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: plain(item, depth + 1) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, datetime.date | datetime.time):  # a datetime is a date
        return value.isoformat()
    raise Expected("text, a number, true, false, a list, a table or a date")


def plain_table(value: object) -> object:
    """A table of JSON-like content."""
    if not isinstance(value, dict):
        raise Expected("a table")
    return plain(cast("object", value))

"""A metric of the workspace's own: a Python function, run in a process with limits of time and memory.

    [[metrics]]
    id = "python"
    name = "polite"
    python = "metrics/polite.py:score"

The function gets the example as a dict and the answer as a text, and returns a number, true or false, or None where
there is no score. Whatever goes wrong in it is a missing score with the reason. The process gets no variable of the
environment but PATH, HOME and the language: no key. It is no sandbox: it runs only what the person has trusted.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import cast

import msgspec

from promptlab.scoring.metric import Options
from promptlab.scoring.values import MetricInfo, Score
from promptlab.workspace import sheet as check
from promptlab.workspace.sheet import Check, Expected, Sheet
from promptlab.workspace.values import Example, MetricSpec

PYTHON = "python"
TIMEOUT, MEMORY = 5.0, 1024
GIVE_UP = 3
"""After so many deaths or timeouts in a row the rest is not tried: every one of them takes the whole time limit."""
_CHILD = Path(__file__).with_name("custom_child.py")
_START = 20.0  # seconds to start and load the file: it may import large libraries
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
_NAMED = re.compile(r"(?P<file>[^\\:\x00-\x1f]+\.py):(?P<function>[A-Za-z_]\w*)")

INFO = MetricInfo(PYTHON, "max", "numeric", None, None, "", "", 1, "a function of the workspace's own")


def _named(value: object) -> object:
    match = _NAMED.fullmatch(value) if isinstance(value, str) else None
    if match is None or match["file"].startswith("/") or ".." in match["file"].split("/"):
        raise Expected('a file of this workspace and a function in it, such as "metrics/polite.py:score"')
    return value


OPTIONS: dict[str, Check] = {
    "python": _named,
    "direction": check.one_of("max", "min", "info"),
    "binary": check.boolean,
    "low": check.number(-1e300),
    "high": check.number(-1e300),
    "unit": check.word,
    "timeout": check.number(0, 600, above=True),
    "memory": check.whole(64, 1 << 20),
    "content": check.word,
}


def check_range(options: Options, sheet: Sheet) -> None:
    """The lowest value is below the highest, and a yes-or-no metric needs neither."""
    low, high = options.get("low"), options.get("high")
    if low is not None and high is not None and not cast("float", low) < cast("float", high):
        sheet.problem(("low",), "`low` is not below `high`, which leaves no score.", "Exchange them.")
    if options.get("binary") and (low is not None or high is not None):
        sheet.problem(("binary",), "A yes-or-no metric is 0 or 1: `low` and `high` have no meaning.", "Remove them.")


def described(options: Options) -> MetricInfo:
    """What the scores of an entry are."""
    binary = bool(options.get("binary"))
    return msgspec.structs.replace(
        INFO,
        direction=options.get("direction", "max"),
        kind="binary" if binary else "numeric",
        low=0.0 if binary else options.get("low"),
        high=1.0 if binary else options.get("high"),
        unit=options.get("unit", ""),
        summary=f"{INFO.summary}: {options.get('python', '')}",
    )


def code_of(spec: MetricSpec) -> tuple[str, str]:
    """File and function of an entry, the file relative to the workspace root."""
    match = _NAMED.fullmatch(str(spec.options["python"]))
    assert match is not None, "the entry is valid"
    return match["file"], match["function"]


class CustomMetric:
    """One such metric, ready to score. The process starts with the first answer; ``close`` ends it."""

    def __init__(self, spec: MetricSpec, source: bytes, root: Path) -> None:
        """Take the source that was trusted: the file is not read again."""
        self.spec = spec
        self._info = described(spec.options)
        self._file, function = code_of(spec)
        self._head = {
            "file": self._file,
            "function": function,
            "source": source.decode("utf-8", "replace"),
            "memory": spec.options.get("memory", MEMORY),
        }
        self._limit = float(cast("float", spec.options.get("timeout", TIMEOUT)))
        self._root = root
        self._process: asyncio.subprocess.Process | None = None
        self._why = ""
        self._failures = 0

    async def score(self, example: Example, answer: str) -> Score:
        """The score of one answer; missing with the reason where there is none."""
        if self._failures >= GIVE_UP:
            return self._missing(
                f"not tried: {self._file} failed {GIVE_UP} times in a row, the last time: {self._why}"
            )
        request = {"example": msgspec.to_builtins(example), "output": answer}
        found = await self._asked(request)
        value = found.get("value")
        if not isinstance(value, int | float):
            return self._missing(str(found.get("missing", "the process gave no score")))
        return self._within(float(value))

    def _within(self, value: float) -> Score:
        low, high = self._info.low, self._info.high
        if self._info.kind == "binary" and value not in (0.0, 1.0):
            return self._missing(f"the function returned {value:g}, and `binary` allows 0 and 1")
        if (low is not None and value < low) or (high is not None and value > high):
            return self._missing(f"the function returned {value:g}, which is outside `low` and `high`")
        return Score(self.spec.name, value)

    def _missing(self, why: str) -> Score:
        return Score(self.spec.name, missing=why)

    async def _asked(self, request: object) -> dict[str, object]:
        """One line to the process, and its answer; a process that dies or takes too long is ended."""
        try:
            if self._process is None:
                started = await asyncio.wait_for(self._start(), _START)
                if "missing" in started:
                    self._failures, self._why = GIVE_UP, str(started["missing"])
                    await self.close()
                    return started
            found = await asyncio.wait_for(self._exchange(request), self._limit)
        except TimeoutError:
            why = f"it took longer than {self._limit:g} s" if self._process else "it did not start in time"
        except (OSError, ValueError):
            why = "its process ended: perhaps it used more memory than `memory` allows"
        else:
            self._failures = 0
            return found
        self._failures, self._why = self._failures + 1, why
        await self.close()
        return {"missing": why}

    async def _start(self) -> dict[str, object]:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_CHILD),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self._root,
            env={name: os.environ[name] for name in _PASSED if name in os.environ},
            start_new_session=True,
            limit=1 << 20,
        )
        return await self._exchange(self._head)

    async def _exchange(self, request: object) -> dict[str, object]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        return msgspec.json.decode(line, type=dict[str, object])

    async def close(self) -> None:
        """End the process and whatever it started."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

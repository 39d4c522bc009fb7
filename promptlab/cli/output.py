"""Data on stdout, narration on stderr. Nothing that a model or a file says reaches the terminal as escape codes."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

if TYPE_CHECKING:
    from promptlab.lab import Lab

Result = TypeVar("Result")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

json_option = click.option("--json", "as_json", is_flag=True, help="Print the data as JSON.")


def data(value: object) -> None:
    """One JSON document on stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def line(text: str = "") -> None:
    """One line of output, for people, on stdout."""
    click.echo(safe(text))


def say(text: str) -> None:
    """One line of narration on stderr."""
    click.echo(safe(text), err=True)


def confirm(question: str, *, abort: bool = False) -> bool:
    """Ask yes or no on stderr; no is the default.

    Raises:
        click.Abort: Nobody answers, or with ``abort`` the answer is no.
    """
    return click.confirm(safe(question), abort=abort, err=True)


def safe(text: str) -> str:
    """Text with control characters made visible: escape codes, bidi overrides, carriage returns."""
    return CONTROL.sub(_visible, text)


def styled(text: str, colour: str) -> str:
    """Text in a colour, where the person wants colours: NO_COLOR and TERM=dumb say no."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain else click.style(text, fg=colour)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else f"<U+{code:04X}>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> None:
    """Aligned columns on stdout; the last one is never padded."""
    cells = [[safe(cell).replace("\n", " ") for cell in row] for row in (head, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    for row in cells:
        texts = [
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        line("  ".join(texts).rstrip())


def open_lab(ctx: click.Context) -> Lab:
    """The workspace that the command works in."""
    path = ctx.find_root().obj
    assert isinstance(path, Path)
    from promptlab.lab import Lab  # nearly all of the program, which the screen's first picture does not wait for

    return Lab.open(path)


@asynccontextmanager
async def closing(lab: Lab) -> AsyncGenerator[Lab, None]:
    """Close the lab's models, whatever happens."""
    try:
        yield lab
    finally:
        await lab.close()


def run_async(work: Callable[[], Coroutine[object, object, Result]]) -> Result:
    return asyncio.run(work())


def is_terminal() -> bool:
    """Whether a person reads stderr as it is written."""
    return sys.stderr.isatty()

"""A text in the person's own editor, and back; or in their pager."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from textual.app import SuspendNotSupported

from promptlab.errors import PromptlabError, StorageFault
from promptlab.tui.safe import visible


class EditorFault(PromptlabError):
    """The person's editor or pager could not be run."""


def editor_command() -> list[str]:
    """``$VISUAL``, else ``$EDITOR``, else ``vi``, cut into words as a shell would.

    Raises:
        EditorFault: The variable is not a command line.
    """
    line = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    return _words(line, "$VISUAL or $EDITOR", "your editor, for example `export EDITOR=nano`")


def pager_command() -> list[str]:
    """``$PAGER``, else ``less``, cut into words as a shell would.

    Raises:
        EditorFault: The variable is not a command line.
    """
    return _words(os.environ.get("PAGER") or "less", "$PAGER", "your pager, for example `export PAGER=less`")


def _words(line: str, variable: str, example: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError as fault:
        raise EditorFault(f"{variable} is not a command line ({fault}): {line}") from fault
    if not words:
        raise EditorFault(f"{variable} is blank. Set it to {example}.")
    return words


def edit_outside(text: str, name: str, suspend: Callable[[], AbstractContextManager[None]]) -> str:
    """Let the person edit a text in their own editor, and give back what they saved.

    The text travels in a file of its own, so the editor cannot save over a change that it has not seen. Line
    ends stay as they are.

    Args:
        name: Name of the file that the editor shows, such as ``triage.toml``.
        suspend: Gives the terminal away while it is entered. Nothing may be raised inside: the toolkit would
            never take the terminal back.

    Raises:
        EditorFault: The editor is not there, or ended with an error; nothing was changed.
        StorageFault: The file could not be written.
    """
    command = editor_command()
    try:
        folder = tempfile.TemporaryDirectory(prefix="promptlab-")
    except OSError as fault:
        raise StorageFault(f"No temporary file could be made for the editor: {fault.strerror}.") from fault
    with folder:
        path = Path(folder.name) / name
        path.write_text(text, encoding="utf-8", newline="")
        if problem := _run([*command, str(path)], suspend):
            raise EditorFault(f"{problem}. Nothing was changed. $VISUAL or $EDITOR names your editor.")
        try:
            return path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise EditorFault(
                f"What {command[0]} saved cannot be read as UTF-8 text. Nothing was changed."
            ) from fault


def read_outside(text: str, suspend: Callable[[], AbstractContextManager[None]]) -> None:
    """Show a text in the person's own pager.

    Control characters are shown as symbols: a pager may hand escape codes on to the terminal.

    Raises:
        EditorFault: The pager is not there, or ended with an error.
        StorageFault: The file could not be written.
    """
    command = pager_command()
    try:
        file = tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="promptlab-", suffix=".txt")  # noqa: SIM115
    except OSError as fault:
        raise StorageFault(f"No temporary file could be made for the pager: {fault.strerror}.") from fault
    with file:
        file.write(visible(text))
        file.flush()
        if problem := _run([*command, file.name], suspend):
            raise EditorFault(f"{problem}. $PAGER names your pager.")


def _run(command: list[str], suspend: Callable[[], AbstractContextManager[None]]) -> str:
    """Give the terminal to a program; what went wrong, or "". Nothing is raised while the terminal is given away."""
    problem = ""
    try:
        with suspend():
            try:
                code = subprocess.run(command, check=False).returncode
                problem = f"{command[0]} ended with exit code {code}" if code else ""
            except (OSError, subprocess.SubprocessError) as fault:
                problem = f"{command[0]} could not be started: {fault}"
            except KeyboardInterrupt:
                problem = f"{command[0]} was interrupted"
    except SuspendNotSupported:
        problem = f"{command[0]} was not started: this terminal cannot be given to another program"
    return problem

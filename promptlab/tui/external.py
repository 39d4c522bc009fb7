"""A text in the person's own editor, and back."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from promptlab.errors import PromptlabError, StorageFault


class EditorFault(PromptlabError):
    """The person's editor could not be run."""


def editor_command() -> list[str]:
    """``$VISUAL``, else ``$EDITOR``, else ``vi``, cut into words as a shell would.

    Raises:
        EditorFault: The variable is not a command line.
    """
    line = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        words = shlex.split(line)
    except ValueError as fault:
        raise EditorFault(f"$VISUAL or $EDITOR is not a command line ({fault}): {line}") from fault
    if not words:
        raise EditorFault("$VISUAL or $EDITOR is blank. Set it to your editor, for example `export EDITOR=nano`.")
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
        problem = ""
        with suspend():
            try:
                code = subprocess.run([*command, str(path)], check=False).returncode
                problem = f"{command[0]} ended with exit code {code}" if code else ""
            except (OSError, subprocess.SubprocessError) as fault:
                problem = f"{command[0]} could not be started: {fault}"
            except KeyboardInterrupt:
                problem = f"{command[0]} was interrupted"
        if problem:
            raise EditorFault(f"{problem}. Nothing was changed. $VISUAL or $EDITOR names your editor.")
        try:
            return path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise EditorFault(
                f"What {command[0]} saved cannot be read as UTF-8 text. Nothing was changed."
            ) from fault

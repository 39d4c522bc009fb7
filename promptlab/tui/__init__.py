"""The screens. They talk to the lab only."""

from __future__ import annotations

from pathlib import Path


def main(path: Path) -> int:
    """Open the terminal program on the workspace that ``path`` lies in, and answer with an exit code.

    Raises:
        PromptlabError: The workspace does not open.
    """
    from promptlab.tui.app import run

    return run(path)

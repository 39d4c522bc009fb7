"""Texts that are being edited: what is on disk, what is on the screen, and how they come together again."""

from __future__ import annotations

import re
from dataclasses import dataclass

from promptlab.lab.values import FileText

WORDING = re.compile(r"""^content *= *(?:\"{3}\n?|'{3}\n?|"|')""", re.MULTILINE)


@dataclass
class Buffer:
    """One prompt's text.

    Attributes:
        saved: The file as it was last read or written here.
        text: The text as it stands in the editor.
    """

    saved: FileText
    text: str

    @property
    def edited(self) -> bool:
        """Whether the text differs from the file."""
        return self.text != self.saved.text

    def reread(self, now: FileText) -> bool:
        """Take in the file as it is on disk now; False when it changed under an edited text.

        A text that is not edited follows the file. An edited text stays, and so does the stamp: saving it will
        then meet the conflict instead of writing over the other change.
        """
        if now.stamp == self.saved.stamp:
            return True
        if self.edited and self.text != now.text:
            return False
        self.saved, self.text = now, now.text
        return True


def wording_start(text: str) -> tuple[int, int]:
    """Line and column where the words of a prompt's first message begin: what a person most likely wants to edit."""
    found = WORDING.search(text)
    before = text[: found.end()] if found else ""
    return before.count("\n"), len(before) - before.rfind("\n") - 1

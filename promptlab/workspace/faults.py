"""What can go wrong with the files of a workspace, beside a file that is invalid."""

from __future__ import annotations

from promptlab.errors import PromptlabError


class TemplateFault(PromptlabError):
    """A prompt could not be filled with an example's variables.

    Attributes:
        variable: The variable that is missing, or "" when something else went wrong.
    """

    def __init__(self, message: str, variable: str = "") -> None:
        self.variable = variable
        super().__init__(message)


class CannotEdit(PromptlabError):
    """A value cannot be replaced in place without touching the bytes around it."""


class FileChanged(PromptlabError):
    """The file is no longer what it was when it was read. Nothing was written, and both contents are here.

    Attributes:
        mine: The bytes that were to be written.
        theirs: The bytes on disk now, or None when the file is gone.
    """

    def __init__(self, path: str, mine: bytes, theirs: bytes | None) -> None:
        self.path = path
        self.mine = mine
        self.theirs = theirs
        what = "was deleted" if theirs is None else "was changed"
        super().__init__(f"{path} {what} since it was read, and nothing was written. Compare both and save again.")

"""Faults that a person can do something about: one clear sentence each, and the exit code that goes with it."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct


class ExitCode(IntEnum):
    """What the command line answers with."""

    DONE = 0
    GATE_FAILED = 1
    INVALID = 2
    MODEL_FAILED = 3
    CANCELLED = 4


class Problem(Struct, frozen=True):
    """One thing that is wrong in a file: what, where, what was expected, what to do.

    Attributes:
        message: What is wrong and what was expected, as one sentence without a place.
        file: The file's path as shown to the person (relative to the workspace where possible), or "".
        line: The line it stands on, counted from 1, or 0 when not known.
        key: The key path inside the file, such as ``messages[1].role``, or "".
        hint: What to do about it, as a short imperative sentence, or "".
    """

    message: str
    file: str = ""
    line: int = 0
    key: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.line else "")
        where = ": ".join(part for part in (place, self.key) if part)
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} {self.hint}" if self.hint else text


class PromptlabError(Exception):
    """A foreseeable fault. Its text is a sentence for the person at the terminal, never a traceback."""

    exit_code = ExitCode.INVALID


class InvalidFile(PromptlabError):
    """One or more problems in the files of a workspace."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class NotFound(PromptlabError):
    """A name that was asked for does not exist: a prompt, model, eval set, version, run, column or example."""


class UsageFault(PromptlabError):
    """A request that makes no sense as asked."""


class HistoryFault(PromptlabError):
    """Git could not do what was asked: no repository, no git, no identity, a read-only folder, a full disk."""


class CommitRefused(HistoryFault):
    """Git made no commit: a hook or the signing program refused, or somebody holds the index.

    Attributes:
        output: What git and the hooks printed.
    """

    def __init__(self, sentence: str, output: str) -> None:
        self.output = output
        super().__init__(sentence)


class StorageFault(PromptlabError):
    """A file could not be written: no permission, no space left."""


class ModelFault(PromptlabError):
    """A model cannot be used at all: file missing or corrupt, key missing, endpoint refused, engine not installed."""

    exit_code = ExitCode.MODEL_FAILED


class Cancelled(PromptlabError):
    """The person stopped the work; what was done so far is kept."""

    exit_code = ExitCode.CANCELLED

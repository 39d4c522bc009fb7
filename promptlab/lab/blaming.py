"""A prompt's file by line: who brought it, with which version, and what that did to the score."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from promptlab.history.blame import blame as origins
from promptlab.history.repository import Repository
from promptlab.history.values import Version
from promptlab.history.versions import version_bytes
from promptlab.lab.values import Blame, BlameLine, PromptPast, Subject


def blame(repo: Repository, subject: Subject, past: PromptPast, line: Sequence[Version]) -> Blame:
    """Every line of ``subject`` with the version since which it is there.

    Args:
        repo: The repository.
        subject: A version or the working copy.
        past: The prompt's past, for the scores.
        line: Its versions on this branch, oldest first.
    """
    at = next((i for i, version in enumerate(line) if version.content == subject.prompt.content), None)
    steps = line if at is None else line[: at + 1]
    data = version_bytes(repo, steps)
    known = [version for version in steps if version.blob in data]
    texts = [data[version.blob].decode("utf-8", "replace") for version in known]
    shown = subject.data.decode("utf-8", "replace")
    # The file may differ from the version's in comments, which make no version: those lines are nobody's yet.
    mine = Version(0, subject.prompt.content, "", "", 0, "", "", subject.source)
    bare = "*" if at is None else "–"
    changes = _changes(known, past)
    lines = shown.splitlines()
    owners = [*known, mine]
    return Blame(
        subject=subject.asked,
        metric=past.metric,
        lines=tuple(
            BlameLine(
                number=number,
                text=text,
                version=owner.label if owner.number else bare,
                commit=owner.commit,
                author=owner.author,
                time=owner.time,
                subject=owner.subject,
                change=changes.get(owner.content) if owner.number else None,
            )
            for number, (text, owner) in enumerate(
                zip(lines, (owners[at] for at in origins([*texts, shown])), strict=True), 1
            )
        ),
    )


def _changes(versions: list[Version], past: PromptPast) -> dict[str, float]:
    """Content hash to the change of the mean against the version before, where both were measured."""
    return {
        new.content: past.means[new.content] - past.means[old.content]
        for old, new in pairwise(versions)
        if old.content in past.means and new.content in past.means
    }

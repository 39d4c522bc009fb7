"""Annotated tags as they are stored: what each points at, who made it and when, and its text without a signature."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from promptlab.history.repository import Repository

_SIGNATURE = re.compile(r"^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE|SSH SIGNATURE)-----", re.MULTILINE)
_HEAD = re.compile(
    r"object (?P<target>[0-9a-f]+)\ntype (?P<kind>[a-z]+)\ntag (?P<name>[^\n]*)\n"
    r"(?:tagger (?P<tagger>[^\n]*?) ?<[^\n>]*>(?: (?P<time>[0-9]+) [+-][0-9]+)?\n)?"
)


class Annotated(NamedTuple):
    """One annotated tag.

    Attributes:
        name: What it was made as; somebody may have given the object other names since.
        target: Id of what it points at.
        kind: ``commit``, or what else that is.
        tagger: Name, as somebody wrote it; "" where the tag has none.
        time: Seconds since the epoch.
        text: Title, a blank line, and the rest.
    """

    name: str
    target: str
    kind: str
    tagger: str
    time: int
    text: str


def read_tags(repo: Repository, objects: Iterable[str]) -> dict[str, Annotated]:
    """Annotated tags by their ids; other objects, and tags that are missing or damaged, are left out.

    Raises:
        HistoryFault: Git failed.
    """
    return {name: parse(data) for name, data in repo.tags(objects).items()}


def parse(data: bytes) -> Annotated:
    """The parts of a tag object."""
    whole = data.decode("utf-8", "replace")
    head, _, text = whole.partition("\n\n")
    if "-----BEGIN " in text and (signature := _SIGNATURE.search(text)):
        text = text[: signature.start()]
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    parts = _HEAD.match(f"{head}\n")
    if parts is None:
        return Annotated("", "", "", "", 0, text)
    target, kind, name, tagger, time = parts.groups("")
    return Annotated(name, target, kind, tagger, int(time or 0), text)

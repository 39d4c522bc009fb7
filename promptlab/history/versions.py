"""The versions of a prompt: every distinct content that HEAD's history has seen, oldest first, with numbers."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from promptlab.errors import NotFound
from promptlab.history.git import plain
from promptlab.history.marks import list_marks, pinned
from promptlab.history.repository import Repository
from promptlab.history.timeline import timeline
from promptlab.history.values import Mark, Version
from promptlab.workspace.names import is_name

Whole = Callable[[Sequence[Version]], Sequence[Version]]
"""Turns the contents of a file's history into those of all that it stands for: a chain is more than its file."""


def versions(repo: Repository, name: str, path: str, whole: Whole = tuple) -> list[Version]:
    """The distinct contents of a prompt, oldest first.

    History is HEAD's first-parent line: what a merge brought in counts as of the merge. Renames are followed. A
    content that comes back after a revert keeps its first number, and a file that cannot be parsed is shown with its
    error and number 0 instead of stopping the list. A number that a tag ``<name>@v<n>`` pins belongs to its content
    for good, here and on every clone, also where HEAD's history does not have it (any more); derived numbers step
    around the pinned ones.

    Args:
        repo: The repository.
        name: The prompt's name.
        path: The file's path now, relative to the workspace.
        whole: What the contents of the file stand for.

    Raises:
        HistoryFault: Git failed.
    """
    found = whole(timeline(repo, repo.tree_path(path)))
    return _with_pins(found, _pins(repo, name, found))


def on_branch(repo: Repository, name: str, path: str, whole: Whole = tuple) -> list[Version]:
    """As ``versions``, without what is only pinned by a tag and those that cannot be parsed: a history in order.

    Raises:
        HistoryFault: Git failed.
    """
    found = whole(timeline(repo, repo.tree_path(path)))
    contents = {version.content for version in found}
    return [
        version
        for version in _with_pins(found, _pins(repo, name, found))
        if version.number and version.content in contents
    ]


def moved_by(
    repo: Repository, name: str, path: str, content: str, number: int, whole: Whole = tuple
) -> list[Version]:
    """The versions that would get another number if ``content`` were pinned to ``number``, as they are now.

    Args:
        repo: The repository.
        name: The prompt's name.
        path: The file's path now, relative to the workspace.
        content: Content hash.
        number: The number to pin.
        whole: What the contents of the file stand for.

    Raises:
        HistoryFault: Git failed.
    """
    found = whole(timeline(repo, repo.tree_path(path)))
    pins = _pins(repo, name, found)
    now = [version for version in _with_pins(found, pins) if version.content not in ("", content)]
    numbers = {version.content: version.number for version in _numbered(found, {**_bare(pins), content: number})}
    return [version for version in now if numbers.get(version.content, version.number) != version.number]


def _pins(repo: Repository, name: str, found: Iterable[Version]) -> dict[str, Mark]:
    """Content hash to the mark that pins its number."""
    names = dict.fromkeys([name, *_names(found)])
    contents = {version.content for version in found}
    pins = pinned(list_marks(repo, names), names)
    # A name that the prompt had once may be another prompt's by now: of its marks only those of our contents count.
    return {content: mark for content, mark in pins.items() if mark.prompt == name or content in contents}


def _bare(pins: dict[str, Mark]) -> dict[str, int]:
    return {content: mark.number for content, mark in pins.items()}


def _with_pins(found: Iterable[Version], pins: dict[str, Mark]) -> list[Version]:
    numbered = list(_numbered(found, _bare(pins)))
    contents = {version.content for version in numbered}
    for content, mark in sorted(pins.items(), key=lambda pin: pin[1].number):
        if content not in contents:
            place = next((at for at, each in enumerate(numbered) if each.number > mark.number), len(numbered))
            numbered.insert(place, _elsewhere(mark))
    return numbered


def _numbered(found: Iterable[Version], pins: dict[str, int]) -> Iterator[Version]:
    taken = set(pins.values())
    number = 0
    for version in found:
        if not version.content:
            yield version
        elif version.content in pins:
            yield msgspec.structs.replace(version, number=pins[version.content])
        else:
            number += 1
            while number in taken:
                number += 1
            yield msgspec.structs.replace(version, number=number)


def _elsewhere(mark: Mark) -> Version:
    """A pinned content that HEAD's history does not have."""
    return Version(
        number=mark.number,
        content=mark.content,
        blob=mark.blob,
        commit=mark.commit,
        time=mark.time,
        author=mark.author,
        subject=f"pinned by {mark.tag}, not in this branch's history",
        path=mark.path,
    )


def _names(found: Iterable[Version]) -> Iterator[str]:
    """The names that the file had, by its paths."""
    for path in {version.path: None for version in found}:
        folder, _, rest = path.partition("/")
        name = posixpath.splitext(rest)[0]
        if folder == "prompts" and is_name(name):
            yield name


def version_bytes(repo: Repository, wanted: Iterable[Version]) -> dict[str, bytes]:
    """The bytes of many versions by blob id, from one process."""
    return repo.blobs(version.blob for version in wanted if version.blob)


def at_revision(repo: Repository, rev: str, paths: Sequence[str]) -> bytes:
    """The bytes of a file at any git revision: ``main~20``, a tag, a hash.

    Args:
        repo: The repository.
        rev: The revision.
        paths: Names that the file has or had, relative to the workspace; the first that the revision has counts.

    Raises:
        NotFound: No such revision, or no such file in it.
    """
    commit = repo.rev_parse(rev)
    names = list(dict.fromkeys(f"{commit}:{repo.tree_path(path)}" for path in paths))
    found = repo.blobs(names)
    if not found:
        before = ", nor under a name that it had before" if len(names) > 1 else ""
        raise NotFound(f"{plain(paths[0])} does not exist at {commit[:12]}{before}.")
    return found[next(name for name in names if name in found)]

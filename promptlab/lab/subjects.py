"""From what a person writes — ``triage``, ``triage@v3``, ``triage@main~20``, a path — to a prompt with its bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from promptlab.errors import HistoryFault, NotFound, UsageFault
from promptlab.history.repository import Repository
from promptlab.history.values import Mark, Version
from promptlab.lab.values import Subject
from promptlab.workspace.chains import closed
from promptlab.workspace.folder import Workspace
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.toml import did_you_mean

Follow = Callable[[str, str], bytes]
"""Gives the bytes of a reference of a chain, ``triage`` or ``triage@v3``, as of a commit ("" is the working copy)."""

VERSION = re.compile(r"v([1-9][0-9]*)")
HASH = re.compile(r"[0-9a-f]{4,12}")


def split(asked: str) -> tuple[str, str]:
    """``triage@v3`` → ("triage", "v3"); without a suffix the second part is ""."""
    name, _, at = asked.partition("@")
    if not name or (not at and "@" in asked):
        raise UsageFault(
            f"“{asked}” is not a subject. Write a prompt's name, NAME@v3, NAME@HASH, NAME@STAGE or NAME@REVISION."
        )
    return name, at


def name_of(workspace: Workspace, text: str) -> str:
    """A prompt's name from its name or from the path of its file.

    Raises:
        NotFound: No prompt has that name.
    """
    names = workspace.prompt_names()
    if text in names:
        return text
    if text.endswith(".toml") or "/" in text:
        path = Path(text) if Path(text).is_absolute() else Path.cwd() / text
        for candidate in (path, workspace.root / text):
            try:
                relative = candidate.resolve().relative_to((workspace.root / "prompts").resolve())
            except ValueError:
                continue
            if (found := relative.with_suffix("").as_posix()) in names:
                return found
    there = ", ".join(names) if names else "none yet; create prompts/NAME.toml"
    raise NotFound(f"There is no prompt “{text}”. {_hint(text, names)}Prompts here: {there}.")


def working_copy(
    workspace: Workspace, name: str, asked: str, versions: list[Version], text: str | None, follow: Follow
) -> Subject:
    """The file as it is on disk, or ``text`` in its place."""
    source = workspace.prompt_path(name).relative_to(workspace.root).as_posix()
    data = workspace.read(source) if text is None else text.encode()
    return _subject(asked, name, source, data, versions, follow)


def no_chain(reference: str, commit: str) -> bytes:
    """Follows nothing: for what a chain refers to, which is no chain itself."""
    raise UsageFault("it is a chain, and a step asks one prompt.")


def _subject(
    asked: str, name: str, source: str, data: bytes, versions: list[Version], follow: Follow, at: str = ""
) -> Subject:
    """A prompt of these bytes. A chain has the number of its file together with all that it uses.

    Args:
        at: The commit whose files a chain uses, "" for those on disk.
    """
    own = parse_prompt(data, name, source)
    if not own.steps:
        return Subject(asked, own, label_of(own.content, versions), data, source.partition("@")[0], data)

    def fetch(reference: str) -> bytes | None:
        return follow(reference, at)

    prompt = parse_prompt(data, name, source, fetch)
    whole = closed(data, source, fetch)
    return Subject(asked, prompt, label_of(prompt.content, versions), data, source.partition("@")[0], whole)


def label_of(content: str, versions: list[Version]) -> str:
    """``v3`` when the content is a committed version, ``*`` when it is not."""
    return next((version.label for version in versions if version.content == content and version.number), "*")


def at_version(repository: Repository, name: str, at: str, versions: list[Version], follow: Follow) -> Subject:
    """A prompt at a version number, a content hash, a stage or a git revision.

    Raises:
        NotFound: The history has no such version.
    """
    version = find_version(name, at, versions)
    if version is not None:
        if version.error:
            raise NotFound(f"{name}@{at} cannot be used: {version.error}")
        blob = Blob(version.blob, version.content, version.commit)
        return _of_blob(repository, name, at, blob, versions, follow)
    mark = _on_stage(repository, name, at)
    if mark is not None:
        return _of_blob(repository, name, at, Blob(mark.blob, mark.content, mark.commit), versions, follow)
    return _at_revision(repository, name, at, versions, follow)


class Blob(NamedTuple):
    """Bytes in git, the content that they are known to have, and a commit that has the files beside them."""

    blob: str
    content: str
    commit: str


def _of_blob(
    repository: Repository, name: str, at: str, blob: Blob, versions: list[Version], follow: Follow
) -> Subject:
    data = repository.blobs([blob.blob]).get(blob.blob)
    if data is None:
        raise NotFound(f"The text of {name}@{at} is not in this clone. `promptlab pull` may bring it.")
    source = f"prompts/{name}.toml@{at}"
    found = _subject(f"{name}@{at}", name, source, data, versions, follow, blob.commit)
    if found.prompt.content == blob.content:
        return found
    if found.prompt.steps:
        raise NotFound(
            f"{name}@{at} is {blob.content}, and what it uses has changed since: a corpus or a stage. "
            f"With these it is {found.prompt.content}."
        )
    raise NotFound(
        f"The tag of {name}@{at} is damaged: it says {blob.content}, and the text is {found.prompt.content}."
    )


def _on_stage(repository: Repository, name: str, at: str) -> Mark | None:
    """The mark of a stage; None when the prompt never had a stage of this name."""
    from promptlab.history.marks import list_marks, stages

    mark = stages(list_marks(repository, [name])).get((name, at))
    if mark is not None and mark.cleared:
        raise NotFound(f"Nothing is on {name}@{at} since {mark.tag}. `promptlab stages {name} --all` shows what was.")
    return mark


def find_version(name: str, at: str, versions: list[Version]) -> Version | None:
    """The version that ``v3`` or a content hash names; None when ``at`` looks like neither."""
    if number := VERSION.fullmatch(at):
        wanted = int(number[1])
        found = next((version for version in versions if version.number == wanted), None)
        if found is None:
            newest = max((version.number for version in versions), default=0)
            have = f"its versions are v1 to v{newest}" if newest else "no version of it is committed yet"
            raise NotFound(f"There is no {name}@{at}: {have}. `promptlab log {name}` lists them.")
        return found
    if HASH.fullmatch(at):
        return next((version for version in versions if version.content.startswith(at)), None)
    return None


def _at_revision(repository: Repository, name: str, at: str, versions: list[Version], follow: Follow) -> Subject:
    from promptlab.history.marks import is_stage_name
    from promptlab.history.sharing import remotes
    from promptlab.history.versions import at_revision

    try:
        commit = repository.rev_parse(at)
    except NotFound as fault:
        there = " `promptlab pull` fetches stages that only a remote has." if remotes(repository) else ""
        if is_stage_name(at):
            raise NotFound(
                f"There is no {name}@{at}: nothing is on the stage {at}, and git knows no revision of that name. "
                f"`promptlab promote {name}@v1 {at}` would put a version there.{there}"
            ) from fault
        raise NotFound(f"There is no {name}@{at}: no version and no stage has that name. {fault}{there}") from fault
    source = f"prompts/{name}.toml"
    # The file may have had another name then.
    paths = [source, *(version.path for version in reversed(versions))]
    try:
        data = at_revision(repository, commit, paths)
    except HistoryFault as fault:
        raise NotFound(f"There is no {name}@{at}: {fault}") from fault
    return _subject(f"{name}@{at}", name, f"{source}@{at}", data, versions, follow, commit)


def _hint(word: str, known: list[str]) -> str:
    return f"{near} " if (near := did_you_mean(word, known)) else ""

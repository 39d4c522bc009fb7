"""The past of a chain: its versions are those of its file together with all that it uses, as each commit had them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from promptlab.errors import PromptlabError
from promptlab.history.timeline import timeline
from promptlab.history.values import Version
from promptlab.workspace.chains import references
from promptlab.workspace.prompts import parse_prompt

if TYPE_CHECKING:
    from promptlab.history.repository import Repository
    from promptlab.lab.reading import Reader


class _Moment(NamedTuple):
    """A commit that wrote the chain's file or one that it uses, with the chain's bytes as of then."""

    version: Version
    data: bytes


def with_uses(reader: Reader, name: str, own: Sequence[Version]) -> Sequence[Version]:
    """Every distinct content of a chain and what it uses, oldest first; a prompt's contents as they are.

    A commit that changes a prompt which the chain follows makes a version of the chain. A corpus is that of the disk,
    and what a stage means is what it means now.

    Args:
        reader: Of the workspace.
        name: The prompt's name.
        own: The distinct contents of its file, oldest first.
    """
    if not own or not _is_chain(reader, name, own[-1]):
        return own
    repo = reader.repository()
    source = f"prompts/{name}.toml"
    texts = repo.blobs(version.blob for version in own)
    mine = [_Moment(version, texts[version.blob]) for version in own if version.blob in texts]
    used = {reference: f"prompts/{reference}.toml" for moment in mine for reference in _followed(name, moment.data)}
    changes = [version for path in used.values() for version in timeline(repo, repo.tree_path(path))]
    commits = dict.fromkeys(version.commit for version in (*own, *changes))
    files = repo.blobs(f"{commit}:{repo.tree_path(path)}" for path in (source, *used.values()) for commit in commits)
    known = {version.commit for version in own}
    theirs = [
        _Moment(structs.replace(version, error="", path=source, blob=_blob_of(repo, version.commit, source)), data)
        for version in changes
        if version.commit not in known and (data := files.get(f"{version.commit}:{repo.tree_path(source)}"))
    ]
    moments = [*mine, *{moment.version.commit: moment for moment in theirs}.values()]
    return tuple(_distinct(reader, name, _in_order(repo, moments), files))


def own_is_committed(reader: Reader, name: str) -> bool:
    """Whether a chain's own file is as HEAD has it: where the chain is another one, something that it uses is edited.

    Raises:
        HistoryFault: Git failed.
    """
    source = f"prompts/{name}.toml"
    try:
        data = reader.workspace.read(source)
    except PromptlabError:
        return False
    if b"[[steps]]" not in data:
        return False
    there = f"HEAD:{reader.repository().tree_path(source)}"
    return reader.repository().blobs([there]).get(there) == data


def _is_chain(reader: Reader, name: str, newest: Version) -> bool:
    """Told by the file on disk, and where it is gone by the newest one in git: this is asked of every prompt."""
    try:
        data = reader.workspace.read(f"prompts/{name}.toml")
    except PromptlabError:
        data = reader.repository().blobs([newest.blob]).get(newest.blob, b"")
    return b"[[steps]]" in data


def _followed(name: str, data: bytes) -> list[str]:
    try:
        return [reference for reference in references(parse_prompt(data, name, name)) if "@" not in reference]
    except PromptlabError:
        return []


def _blob_of(repo: Repository, commit: str, path: str) -> str:
    return repo.git.word("rev-parse", "--verify", "--quiet", f"{commit}:{repo.tree_path(path)}") or ""


def _in_order(repo: Repository, moments: Sequence[_Moment]) -> list[_Moment]:
    line = repo.git.read("rev-list", "--first-parent", "--reverse", "HEAD", "--").decode("ascii").split()
    places = {commit: place for place, commit in enumerate(line)}
    return sorted(moments, key=lambda moment: places.get(moment.version.commit, -1))


def _distinct(reader: Reader, name: str, moments: Iterable[_Moment], files: Mapping[str, bytes]) -> Iterator[Version]:
    seen: set[str] = set()
    for moment in moments:
        version = _whole(reader, name, moment, files)
        identity = version.content or version.commit
        if identity not in seen:
            seen.add(identity)
            yield version


def _whole(reader: Reader, name: str, moment: _Moment, files: Mapping[str, bytes]) -> Version:
    """The version with the content of all of it; none, with the reason, where something of it cannot be had."""
    version = moment.version
    if version.error:
        return version

    def fetch(reference: str) -> bytes | None:
        path = reader.repository().tree_path(f"prompts/{reference}.toml")
        found = files.get(f"{version.commit}:{path}") if "@" not in reference else None
        return found if found is not None else reader.follow(None, reference, version.commit)

    try:
        return structs.replace(version, content=parse_prompt(moment.data, name, version.path, fetch).content)
    except PromptlabError as fault:
        return structs.replace(version, content="", error=str(fault))

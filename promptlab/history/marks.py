"""Names of versions: numbers that are pinned, and stages. Each is an annotated tag that is never moved.

``<prompt>@v<n>`` pins a number to a content. ``<prompt>#<stage>#<k>`` puts a version on a stage and
``<prompt>#<stage>!#<k>`` takes it off again; the highest k of a stage counts. The tags point at the commit of a run
or at an empty commit made for them, never at a commit of a branch, so that ``git describe`` does not see them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from promptlab import __version__
from promptlab.errors import HistoryFault, UsageFault
from promptlab.history import trailers
from promptlab.history.annotated import Annotated, read_tags
from promptlab.history.git import plain
from promptlab.history.pending import Folder
from promptlab.history.repository import Repository
from promptlab.history.tagging import empty_child, exists, make_tag, possible, tagger_of
from promptlab.history.trailers import quote
from promptlab.history.values import Mark, Named, RunRecord

PIN = re.compile(r"(?P<prompt>.+)@v(?P<number>[1-9][0-9]{0,8})")
STAGE = re.compile(r"(?P<prompt>.+)#(?P<stage>[a-z][a-z0-9-]*)(?P<clear>!?)#(?P<number>[1-9][0-9]{0,8})")
_STAGE_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LIKE_A_VERSION = re.compile(r"v[0-9]+|[0-9a-f]{4,12}")


def list_marks(repo: Repository, prompts: Collection[str] | None = None, *, below: str = "refs/tags/") -> list[Mark]:
    """Every name of a version, in the order they were given; tags that promptlab did not make are passed over.

    Args:
        repo: The repository.
        prompts: Only those of these prompts; None for all.
        below: Where the tags are.

    Raises:
        HistoryFault: Git failed.
    """
    starts = [below] if prompts is None else [f"{below}{name}" for name in prompts]
    refs = ((ref.removeprefix(below), tag_object) for ref, tag_object in repo.refs(*starts).items())
    named = {name: tag_object for name, tag_object in refs if (of := _prompt_of(name)) and of in (prompts or (of,))}
    tags = read_tags(repo, named.values()) if named else {}
    marks = (_mark(name, tags[tag_object]) for name, tag_object in named.items() if tag_object in tags)
    return sorted(filter(None, marks), key=lambda mark: (mark.time, mark.number, mark.tag))


def is_mark(tag: str) -> bool:
    """Whether a tag's name is that of a pinned version or a stage."""
    return bool(_prompt_of(tag))


def _prompt_of(tag: str) -> str:
    """The prompt that a tag by its name is about, "" for a tag that is no mark."""
    found = None if tag.startswith("run/") else PIN.fullmatch(tag) or STAGE.fullmatch(tag)
    return found["prompt"] if found else ""


def pinned(marks: Iterable[Mark], prompts: Iterable[str]) -> dict[str, Mark]:
    """Content hash to the mark that pins its number. Of two numbers for one content the higher counts."""
    names = set(prompts)
    numbers = sorted(
        (mark for mark in marks if not mark.stage and mark.prompt in names), key=lambda mark: mark.number
    )
    return {mark.content: mark for mark in numbers}


def stages(marks: Iterable[Mark]) -> dict[tuple[str, str], Mark]:
    """(prompt, stage) to the mark that counts, the cleared ones included."""
    ordered = sorted((mark for mark in marks if mark.stage), key=lambda mark: mark.number)
    return {(mark.prompt, mark.stage): mark for mark in ordered}


def pin(repo: Repository, named: Named, number: int) -> Mark:
    """Gives a version its number for good.

    Raises:
        UsageFault: The number belongs to another content.
        HistoryFault: No identity, the tag is refused, or the repository cannot be written.
    """
    tag = f"{named.prompt}@v{number}"
    there = next((m for m in list_marks(repo, [named.prompt]) if m.tag == tag), None)
    if there is not None and there.content != named.content:
        raise UsageFault(f"{tag} is pinned to {there.content} already, and a pinned number never moves.")
    if there is not None:
        return there
    return _make(repo, named, [tag], f"{named.prompt}@v{number} is {named.content}")


def promote(repo: Repository, named: Named, stage: str) -> Mark:
    """Puts a version on a stage: the next tag of the stage.

    Raises:
        UsageFault: The stage's name is none, or the version is on it already.
        HistoryFault: No identity, the tag is refused, or the repository cannot be written.
    """
    check_stage(stage)
    now = stages(list_marks(repo, [named.prompt])).get((named.prompt, stage))
    if now is not None and not now.cleared and now.content == named.content:
        raise UsageFault(f"{named.prompt}@{stage} is {named.content} already, since {now.tag}.")
    title = f"{named.prompt} {named.label} ({named.content}) is {stage}"
    first = now.number + 1 if now else 1
    return _make(repo, named, [f"{named.prompt}#{stage}#{first + step}" for step in range(_TRIES)], title)


def demote(repo: Repository, prompt: str, stage: str) -> Mark:
    """Takes the version off a stage; the tags that put it there stay.

    Raises:
        UsageFault: Nothing is on the stage.
        HistoryFault: As ``promote``.
    """
    check_stage(stage)
    now = stages(list_marks(repo, [prompt])).get((prompt, stage))
    if now is None or now.cleared:
        raise UsageFault(
            f"No version of {prompt} is on the stage {stage}: `promptlab stages {prompt}` lists what is on which."
        )
    named = Named(prompt, now.content, now.blob, now.path, now.commit, "")
    tags = [f"{prompt}#{stage}!#{now.number + 1 + step}" for step in range(_TRIES)]
    return _make(repo, named, tags, f"{prompt} ({now.content}) is no longer {stage}", at=now.commit)


_TRIES = 8  # numbers tried when another process takes the next one of a stage


def is_stage_name(name: str) -> bool:
    """Whether a stage may have this name: nothing that could be taken for a version."""
    return bool(_STAGE_NAME.fullmatch(name)) and not _LIKE_A_VERSION.fullmatch(name)


def check_stage(stage: str) -> None:
    """Refuses what could not be told from a version.

    Raises:
        UsageFault: It is no name of a stage.
    """
    if not is_stage_name(stage):
        raise UsageFault(
            f"“{plain(stage, 60)}” cannot be a stage: use small letters, digits and -, begin with a letter, and"
            " nothing that reads like a version or a hash. Such as production, staging."
        )


def message(named: Named, title: str) -> str:
    """The text of a mark's tag: a title, and the version as trailers."""
    lines = [
        f"Format: {trailers.FORMAT}",
        f"Version: {quote(named.prompt)}@{quote(named.content)} blob={quote(named.blob)} path={quote(named.path)}",
        *(_run_lines(named, named.run) if named.run else ()),
        f"Tool: promptlab {quote(__version__)}",
    ]
    return f"{plain(title)}\n\n" + "".join(f"Promptlab-{line}\n" for line in lines)


def parse(tag: str, text: str, *, commit: str, time: int, author: str) -> Mark | None:
    """What ``message`` wrote, or None when the tag is none of promptlab's."""
    pin_name, stage_name = PIN.fullmatch(tag), STAGE.fullmatch(tag)
    name = stage_name or pin_name
    title, lines = trailers.read(text)
    if (
        name is None
        or lines.get("Promptlab-Format") != [trailers.FORMAT]
        or len(lines.get("Promptlab-Version", ())) != 1
    ):
        return None
    version, *rest = lines["Promptlab-Version"][0].split(" ")
    values = dict[str, str](word.split("=", 1) for word in rest if "=" in word)
    prompt, content = trailers.pair(version)
    if prompt != name["prompt"] or not re.fullmatch("[0-9a-f]{12}", content):
        return None
    if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", values.get("blob", "")):
        return None
    return Mark(
        tag=tag,
        prompt=prompt,
        stage=stage_name["stage"] if stage_name else "",
        number=int(name["number"]),
        cleared=bool(stage_name and stage_name["clear"]),
        content=content,
        blob=values["blob"],
        path=trailers.unquote(values.get("path", "")),
        commit=commit,
        run=trailers.unquote(lines["Promptlab-Run"][0].partition(" ")[0]) if "Promptlab-Run" in lines else "",
        time=time,
        author=plain(author),
        title=plain(title),
    )


def _run_lines(named: Named, run: RunRecord) -> Iterator[str]:
    """The run that justifies the name, and what it measured of this version."""
    yield f"Run: {quote(run.id)}"
    columns = {line.column for line in run.columns if line.content == named.content}
    yield from (trailers.score_words(score) for score in run.scores if score.column in columns)


def _make(repo: Repository, named: Named, tags: list[str], title: str, at: str = "") -> Mark:
    """Makes the first of the tags that is free. ``at``: the commit to point at, when it is known."""
    if not possible(repo, tags[0]):
        raise HistoryFault(f"git does not accept {plain(tags[0])!r} as the name of a tag.")
    tagger = tagger_of(repo)
    text = message(named, title)
    with Folder(repo.common_dir).locked() as lock:
        tag = next((tag for tag in tags if not _taken(repo, tag)), None)
        if tag is None:
            raise HistoryFault(f"The tag {tags[0]} is there already, and is none that promptlab made: rename it.")
        commit = at or (named.run.commit if named.run else empty_child(repo, named.commit, text))
        make_tag(repo, tag, commit, tagger, text, lock)
    made = next((mark for mark in list_marks(repo, [named.prompt]) if mark.tag == tag), None)
    if made is None:
        raise HistoryFault(f"The tag {tag} was made and cannot be read again.")
    return made


def _taken(repo: Repository, tag: str) -> bool:
    """A number of a stage is used once, whether the tag sets or clears it."""
    other = tag.replace("!#", "#") if "!#" in tag else re.sub(r"#([0-9]+)$", r"!#\1", tag)
    return exists(repo, tag) or ("#" in tag and exists(repo, other))


def _mark(name: str, tag: Annotated) -> Mark | None:
    if tag.kind != "commit":
        return None
    return parse(name, tag.text, commit=tag.target, time=tag.time, author=tag.tagger)

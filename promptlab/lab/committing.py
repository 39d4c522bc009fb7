"""The person's own commit of edited prompts, eval sets and reviews: what it would hold, and a message for it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from promptlab.compare.values import DiffSpan
from promptlab.compare.words import word_diff
from promptlab.errors import InvalidFile, NotFound, PromptlabError, UsageFault
from promptlab.history.actions import CommitMade
from promptlab.history.committing import commit as commit_files
from promptlab.history.git import plain
from promptlab.history.staging import Edit, Kind, edits, staged_elsewhere
from promptlab.history.values import Committed
from promptlab.lab.comparing import prompt_fields, whole
from promptlab.lab.subjects import name_of
from promptlab.lab.values import FieldDiff
from promptlab.lab.wording import plural
from promptlab.workspace import edit
from promptlab.workspace.chains import references
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.values import Prompt

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab

_TITLE = 72  # characters that a title should stay below
_MESSAGE = re.compile(r"messages\[(\d+)\]\.(role|content)")
_STEP = re.compile(r"steps\.(\w+)\.(.+)")
_SHORT = 24  # characters of two values that are written out
_BESIDES = ("evalsets", "reviews", "promptlab.toml")
"""What of a workspace can be committed by name, besides prompts."""


class PromptEdit(Struct, frozen=True):
    """The edit of one prompt since HEAD, or of another file of the workspace.

    Attributes:
        name: Of the prompt; the path of another file.
        fields: What changed, field by field; of a text that does not load, the whole file's words as ``file``.
        problem: Why the text does not load, or "".
        parts: What changed in a few words each: ``reword the system message``, ``temperature 0.2 → 0.7``.
        verdicts: What stored runs of both texts say: a sentence for each model.
        stamp: Of the bytes that were shown, "" when the file is gone.
    """

    name: str
    path: str
    kind: Kind
    fields: tuple[FieldDiff, ...]
    problem: str
    parts: tuple[str, ...]
    verdicts: tuple[str, ...]
    stamp: str


class Proposal(Struct, frozen=True):
    """What a commit would hold, and the message that is offered for it.

    Attributes:
        notes: What is worth knowing first, as sentences.
    """

    edits: tuple[PromptEdit, ...]
    message: str
    notes: tuple[str, ...]


def propose(lab: Lab, names: Sequence[str] = ()) -> Proposal:
    """Everything that a commit of these would hold; without names, of all prompts that are edited.

    Args:
        lab: The lab.
        names: Prompts, eval sets, or paths below `evalsets/` and `reviews/`. A chain brings the edited prompts that
            it follows: without them its version would be another one than was tried.

    Raises:
        UsageFault: Nothing is edited, or a file is ignored by git or in conflict.
        NotFound: No prompt or eval set has that name.
        HistoryFault: There is no repository, or git failed.
    """
    repo = lab.repository()
    there = {_name(each): each for each in edits(repo, ["prompts"]) if each.path.endswith(".toml")}
    if names:
        others = {each.path: each for each in edits(repo, _BESIDES)}
        found = [each for name in names for each in _with_uses(lab, name, there, others)]
        wanted = list({each.path: each for each in found}.values())
    else:
        wanted = [each for each in there.values() if each.kind != "ignored"]
    if not wanted:
        raise UsageFault("No prompt is edited: all of them are as they were committed.")
    if torn := next((each for each in wanted if each.kind == "conflict"), None):
        raise UsageFault(f"{torn.path} is in conflict: resolve it and `git add` it, then commit.")
    shown = tuple(_edit(lab, each) for each in wanted)
    return Proposal(shown, _message(shown), _notes(lab, wanted))


def commit(lab: Lab, proposal: Proposal, message: str, *, screen: bool = False) -> Committed:
    """Makes the person's own commit of exactly what was proposed.

    Raises:
        UsageFault: A file changed since it was shown, the message is empty, or an operation is in progress.
        CommitRefused: A hook or the signing program refused.
        HistoryFault: Git could not do it.
    """
    for shown in proposal.edits:
        if _stamp(lab, shown.path) != shown.stamp:
            raise UsageFault(f"{shown.path} was changed since it was shown: look at it again.")
    made = commit_files(lab.repository(), [each.path for each in proposal.edits], message, screen=screen)
    lab.did(f"committed {made.commit[:8]} “{made.title}”", CommitMade(made))
    return made


def _name(each: Edit) -> str:
    return each.path.removeprefix("prompts/").removesuffix(".toml")


def _with_uses(lab: Lab, text: str, there: dict[str, Edit], others: dict[str, Edit]) -> list[Edit]:
    """The edits that a name or a path stands for, and those of prompts that a chain follows."""
    used = [there[name] for name in _followed(lab, text) if name in there]
    try:
        return [*_named(lab, text, there, others), *used]
    except UsageFault:
        if not used:
            raise
    return used


def _followed(lab: Lab, text: str) -> list[str]:
    """The prompts whose working copies a chain uses; none of a prompt, or where it does not load."""
    try:
        chain = _prompt(lab.workspace.read(f"prompts/{name_of(lab.workspace, text)}.toml"), text)
    except PromptlabError:
        return []
    return [name for name in references(chain) if "@" not in name] if isinstance(chain, Prompt) else []


def _named(lab: Lab, text: str, there: dict[str, Edit], others: dict[str, Edit]) -> list[Edit]:
    """The edits that a name or a path stands for: an eval set may be two files."""
    found = _besides(lab, text, others) if text not in there else [there[text]]
    if found is None:
        name = name_of(lab.workspace, text)
        found = [there[name]] if name in there else []
    if not found:
        raise UsageFault(f"{text} is as it was committed: there is nothing to commit.")
    if ignored := next((each.path for each in found if each.kind == "ignored"), ""):
        raise UsageFault(f"{ignored} is ignored by git (`git check-ignore -v {ignored}` says by which rule).")
    return found


def _besides(lab: Lab, text: str, others: dict[str, Edit]) -> list[Edit] | None:
    """The edits of an eval set, or of the file at a path; None where it is the name of neither."""
    path = posixpath.normpath(text)
    if path.partition("/")[0] in _BESIDES and (path in others or lab.workspace.locate(path).is_file()):
        return [others[path]] if path in others else []
    files = [f"evalsets/{text}{end}" for end in (".toml", ".jsonl")]
    if text in lab.workspace.prompt_names() or not any(
        f in others or lab.workspace.locate(f).is_file() for f in files
    ):
        return None
    return [others[file] for file in files if file in others]


def _notes(lab: Lab, wanted: Sequence[Edit]) -> tuple[str, ...]:
    repo = lab.repository()
    notes: list[str] = []
    if others := staged_elsewhere(repo, [each.path for each in wanted]):
        are = "is staged and stays so" if others == 1 else "are staged and stay so"
        notes.append(f"{plural(others, 'other file')} {are}, out of this commit.")
    notes += [
        f"A part of {each.path} is staged; the whole file as it is on disk is committed."
        for each in wanted
        if each.half
    ]
    if repo.git.word("symbolic-ref", "--quiet", "HEAD") is None:
        notes.append("HEAD is on no branch: the commit will be on none either.")
    return tuple(notes)


def _edit(lab: Lab, each: Edit) -> PromptEdit:
    name, repo = _name(each), lab.repository()
    head = repo.head()
    old = b""
    if each.kind != "new" and head:
        try:
            old = repo.read_file(head, each.path)
        except NotFound:
            old = b""
    new = b"" if each.kind == "deleted" else lab.workspace.read(each.path)
    if _noun(each.path) != "prompt":
        words = (FieldDiff("file", _words(old, new)),)
        return PromptEdit(each.path, each.path, each.kind, words, "", (), (), edit.stamp(new) if new else "")
    before, after = _prompt(old, name), _prompt(new, name)
    problem = str(after) if isinstance(after, InvalidFile) else ""
    if isinstance(before, Prompt) and isinstance(after, Prompt):
        fields = prompt_fields(before, after)
        verdicts = _verdicts(lab, name) if before.content != after.content else ()
    else:
        fields, verdicts = (), ()
    if not fields:
        fields = (FieldDiff("file", _words(old, new)),)
    parts = tuple(dict.fromkeys(part for field in fields if (part := _part(field, before, after))))
    return PromptEdit(name, each.path, each.kind, fields, problem, parts, verdicts, edit.stamp(new) if new else "")


def _prompt(data: bytes, name: str) -> Prompt | InvalidFile | None:
    if not data:
        return None
    try:
        return parse_prompt(data, name, f"prompts/{name}.toml")
    except InvalidFile as fault:
        return fault


def _words(old: bytes, new: bytes) -> tuple[DiffSpan, ...]:
    before, after = old.decode("utf-8", "replace"), new.decode("utf-8", "replace")
    if not before:
        return (DiffSpan("added", after),)
    return (DiffSpan("removed", before),) if not after else word_diff(before, after) or whole(after)


def _verdicts(lab: Lab, name: str) -> tuple[str, ...]:
    """What stored runs that have both texts say of the change."""
    try:
        found = lab.diff(f"{name}@HEAD", name).verdicts
    except PromptlabError:
        return ()  # a damaged run justifies nothing, and hinders no commit
    return tuple(f"{model}: {verdict.sentence}" for model, verdict in found)


def _stamp(lab: Lab, path: str) -> str:
    try:
        return edit.stamp(lab.workspace.read(path))
    except NotFound:
        return ""


# -- the message ---------------------------------------------------------------------------------------------------


def _message(found: Sequence[PromptEdit]) -> str:
    """A title that says what changed, then what runs say of it."""
    if len(found) == 1:
        title = _what(found[0])
    else:
        names = ", ".join(each.name for each in found)
        prompts = all(_noun(each.path) == "prompt" for each in found)
        title = f"Edit the prompts {names}" if prompts else f"Edit {names}"
        title = title if len(title) <= _TITLE else f"Edit {plural(len(found), 'prompt' if prompts else 'file')}"
    lines = [f"- {_what(each)}" for each in found] if len(found) > 1 else []
    several = len(found) > 1
    lines += [f"{each.name} on {said}" if several else f"On {said}" for each in found for said in each.verdicts]
    return "\n".join([title, "", *lines]) if lines else title


def _what(each: PromptEdit) -> str:
    """One edit as a title: ``triage: reword the system message, temperature 0.2 → 0.7``."""
    noun, verb = _noun(each.path), {"new": "Add", "deleted": "Remove"}.get(each.kind, "Edit")
    if noun != "prompt":
        return f"{verb} {each.path}"
    if verb != "Edit":
        return f"{verb} the prompt {each.name}"
    shown = len(each.parts)
    while shown > 1 and len(_titled(each, shown)) > _TITLE:
        shown -= 1
    return _titled(each, shown)


def _noun(path: str) -> str:
    return "prompt" if path.startswith("prompts/") else "file"


def _titled(each: PromptEdit, shown: int) -> str:
    more = f" and {len(each.parts) - shown} more" if shown < len(each.parts) else ""
    return f"{each.name}: {', '.join(each.parts[:shown])}{more}"


def _part(field: FieldDiff, before: Prompt | InvalidFile | None, after: Prompt | InvalidFile | None) -> str:
    """The change of one field in a few words, "" where that of another says it."""
    if field.field == "file":
        return "edit the file"
    old = "".join(span.text for span in field.spans if span.op != "added")
    new = "".join(span.text for span in field.spans if span.op != "removed")
    if step := _STEP.fullmatch(field.field):
        return _step_part(step[1], step[2], _steps(before), _steps(after), (old, new))
    if message := _MESSAGE.fullmatch(field.field):
        at = int(message[1])
        roles = [message.role for message in after.messages] if isinstance(after, Prompt) else []
        role = f"the {roles[at]} message" if at < len(roles) else f"message {at + 1}"
        if message[2] == "role":
            return f"change the role of message {at + 1}" if old and new else ""
        return f"{'reword' if old and new else 'add' if new else 'drop'} {role}"
    return _value_part(field.field.partition(".")[2], old, new)


def _steps(prompt: Prompt | InvalidFile | None) -> set[str]:
    return {step.name for step in prompt.steps} if isinstance(prompt, Prompt) else set()


def _step_part(step: str, key: str, before: set[str], after: set[str], texts: tuple[str, str]) -> str:
    """The change of one field of a chain's step; that of a step which is new or gone is said once."""
    if step not in before or step not in after:
        return f"{'add' if step in after else 'drop'} the step {step}"
    if _MESSAGE.search(key):
        return f"reword the prompt of {step}"
    return _value_part(f"{step}.{key}", *texts)


def _value_part(key: str, old: str, new: str) -> str:
    old, new = plain(old), plain(new)
    if len(old) + len(new) <= _SHORT:
        return f"{key} {old or 'unset'} → {new or 'unset'}"
    return f"change {key}"

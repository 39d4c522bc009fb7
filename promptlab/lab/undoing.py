"""Undoing the last thing that promptlab did here: what it was, what undoing it would do, and doing that."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from promptlab.errors import NotFound, UsageFault
from promptlab.history.actions import (
    Action,
    Actions,
    CommitMade,
    FilePatched,
    FileWritten,
    Pinned,
    RunSaved,
    RunsPruned,
    StageMoved,
)
from promptlab.history.git import plain
from promptlab.history.marks import demote, list_marks, promote, stages
from promptlab.history.undoing import bring_back, lost, take_commit_back, take_tag, why_commit_stays, why_tag_stays
from promptlab.history.values import Committed, Mark, Named
from promptlab.lab.wording import plural
from promptlab.workspace import edit
from promptlab.workspace.faults import FileChanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlab.lab.lab import Lab


_UNASKED = " No remote-tracking branch has the commit; no remote is asked, so a push to a URL is not seen."
"""What was looked at before a commit is taken back. A question to a remote could take long, or want a password."""


class Undo(Struct, frozen=True):
    """What undoing the last action would do.

    Attributes:
        done: What was done, in the past tense: ``saved the run …``.
        time: When, seconds since the epoch.
        effect: What undoing it does, as sentences.
        refusal: Why it cannot be undone, as a sentence, or "".
    """

    action: Action
    done: str
    time: int
    effect: str
    refusal: str = ""


def last_action(lab: Lab) -> Undo | None:
    """The last action in this workspace that stands, and what undoing it would do; None without one."""
    standing = Actions(lab.journal_root()).standing(lab.root)
    return _look(lab, standing[-1]) if standing else None


def undo(lab: Lab, what: Undo) -> str:
    """Undo an action that ``last_action`` gave. Gives a sentence on what was done.

    Raises:
        UsageFault: Something was done since, or it can no longer be undone.
        HistoryFault, StorageFault: Git could not do it, or the file cannot be written.
    """
    now = last_action(lab)
    if now is None or now.action.id != what.action.id:
        raise UsageFault("Something else was done in this workspace meanwhile: look at it before you undo it.")
    if now.refusal:
        raise UsageFault(now.refusal)
    said = _how(lab, now.action)()
    Actions(lab.journal_root()).undone(now.action)
    return said


def _look(lab: Lab, action: Action) -> Undo:
    look = partial(Undo, action, action.title, action.time)
    match action.what:
        case RunSaved(tag, tag_object, made):
            why = why_tag_stays(lab.repository(), tag, tag_object)
            effect = f"The tag {tag} goes; the run's commit stays in this clone and can be tagged again."
            return look(f"{effect}{_what_of_branch(lab, made)}", why)
        case Pinned(tag, tag_object):
            pushed = " Where it was pushed to it stays, and a pull brings it back."
            return look(f"The tag {tag} goes.{pushed}", why_tag_stays(lab.repository(), tag, tag_object))
        case StageMoved():
            return look(*_look_at_stage(lab, action.what))
        case CommitMade(made):
            to = f"back to {made.parent[:8]}" if made.parent else "back to no commit at all"
            where = made.branch.removeprefix("refs/heads/") or "HEAD"
            effect = f"{where} goes {to}. Your files stay as they are, and what was staged of them is staged again."
            why = why_commit_stays(lab.repository(), made)
            return look(effect if why else effect + _UNASKED, why)
        case RunsPruned(tags):
            gone = lost(lab.repository(), tags)
            why = f"Git has collected {gone[0]}, or its name is taken." if len(gone) == len(tags) else ""
            rest = f" {len(gone)} cannot: git has collected them." if gone else ""
            return look(f"{plural(len(tags) - len(gone), 'run')} will be there again.{rest}", why)
        case FileWritten(path, before, after):
            effect = f"{path} goes back to the text that it had." if before is not None else f"{path} is removed."
            return look(effect, _why_file_stays(lab, path, after))
        case FilePatched(path, after=after):
            return look(f"{path} goes back to the text that it had.", _why_file_stays(lab, path, after))


def _how(lab: Lab, action: Action) -> Callable[[], str]:
    match action.what:
        case RunSaved(tag, tag_object, made):
            return partial(_take_run, lab, tag, tag_object, made)
        case Pinned(tag, tag_object):
            return partial(_take_tag, lab, tag, tag_object)
        case StageMoved():
            return partial(_move_back, lab, action.what)
        case CommitMade():
            return partial(_take_commit_back, lab, action.what)
        case RunsPruned(tags):
            return partial(_bring_back, lab, tags)
        case FileWritten():
            return partial(_write_back, lab, action.what)
        case FilePatched():
            return partial(_patch_back, lab, action.what)


def was_saved_with(lab: Lab, made: Committed) -> bool:
    """Whether the last action saved a run and made this commit with it: undoing that undoes both."""
    standing = Actions(lab.journal_root()).standing(lab.root)
    last = standing[-1].what if standing else None
    return isinstance(last, RunSaved) and last.made is not None and last.made.commit == made.commit


def _what_of_branch(lab: Lab, made: Committed | None) -> str:
    """What becomes of a run's commit on the branch, as a sentence; "" where it has none."""
    if made is None:
        return ""
    branch = made.branch.removeprefix("refs/heads/")
    if why := why_commit_stays(lab.repository(), made):
        return f" Its commit {made.commit[:8]} on {branch} stays. {why}"
    to = made.parent[:8] or "no commit"
    return f" {branch} goes back to {to}; its files stay below results/, untracked.{_UNASKED}"


def _take_run(lab: Lab, tag: str, tag_object: str, made: Committed | None) -> str:
    # The branch first: where it cannot go back after all, the run is still saved, and can be undone again.
    stays = made is None or why_commit_stays(lab.repository(), made)
    said = "" if made is None or stays else f"{_take_commit_back(lab, CommitMade(made))} "
    return said + _take_tag(lab, tag, tag_object)


def _take_tag(lab: Lab, tag: str, tag_object: str) -> str:
    kept = take_tag(lab.repository(), tag, tag_object)
    lab.untagged(tag)
    return f"{tag} is gone; `git update-ref 'refs/tags/{tag}' '{kept}'` brings it back."


def _bring_back(lab: Lab, tags: dict[str, str]) -> str:
    gone = set(lost(lab.repository(), tags))
    bring_back(lab.repository(), {tag: tag_object for tag, tag_object in tags.items() if tag not in gone})
    return f"{plural(len(tags) - len(gone), 'run')} came back."


def _take_commit_back(lab: Lab, what: CommitMade) -> str:
    left = take_commit_back(lab.repository(), what.made)
    head = what.made.parent[:8]
    text = f"HEAD is {head} again." if head else "There is no commit any more."
    staged = f" Staged since, and left so: {', '.join(left)}." if left else ""
    return f"{text} The commit was {what.made.commit[:8]}; `git reflog` knows it.{staged}"


# -- stages: no tag is taken away, the next one says what was true before ----------------------------------------


def _look_at_stage(lab: Lab, what: StageMoved) -> tuple[str, str]:
    marks = {mark.tag: mark for mark in list_marks(lab.repository())}
    made = marks.get(what.tag)
    if made is None:
        return "", f"The tag {what.tag} is gone, or has another number since a pull."
    stage = f"{made.prompt}@{made.stage}"
    now = stages(marks.values())[made.prompt, made.stage]
    if (now.content, now.cleared) != (made.content, made.cleared):
        return "", f"{stage} was changed since, by {now.tag} ({now.author}): promote or demote says what you want."
    before = marks.get(what.before)
    then = f"{before.content} is on {stage} again" if before and not before.cleared else f"nothing is on {stage}"
    return f"One more tag says that {then}; tags of a stage are never taken away.", ""


def _move_back(lab: Lab, what: StageMoved) -> str:
    repo = lab.repository()
    marks = {mark.tag: mark for mark in list_marks(repo)}
    made, before = marks[what.tag], marks.get(what.before)
    stage = f"{made.prompt}@{made.stage}"
    if before is None or before.cleared:
        return f"Nothing is on {stage} now: {demote(repo, made.prompt, made.stage).tag}."
    return f"{stage} is {before.content} again: {promote(repo, _named(lab, before), made.stage).tag}."


def _named(lab: Lab, mark: Mark) -> Named:
    """The version that a mark named, with the run that justified it, if that is still here."""
    run = next((record for record in lab.records() if record.id == mark.run), None)
    label = next((v.label for v in lab.versions(mark.prompt) if v.content == mark.content and v.number), "*")
    return Named(mark.prompt, mark.content, mark.blob, mark.path, mark.commit, label, run)


# -- files ---------------------------------------------------------------------------------------------------------


def _stamp(lab: Lab, path: str) -> str:
    try:
        return edit.stamp(lab.workspace.read(path))
    except NotFound:
        return ""


def _why_file_stays(lab: Lab, path: str, after: str) -> str:
    return "" if _stamp(lab, path) == after else f"{path} was changed since: nothing is undone."


def _write_back(lab: Lab, what: FileWritten) -> str:
    if what.before is not None:
        return _put_back(lab, what.path, what.before.encode(), what.after)
    if _stamp(lab, what.path) != what.after:
        raise UsageFault(f"{plain(what.path)} was changed in this moment: nothing is undone.")
    lab.workspace.locate(what.path).unlink()
    return f"{what.path} is removed."


def _patch_back(lab: Lab, what: FilePatched) -> str:
    now = lab.workspace.read(what.path)
    return _put_back(lab, what.path, now[: what.at] + what.before + now[what.at + what.length :], what.after)


def _put_back(lab: Lab, path: str, data: bytes, after: str) -> str:
    try:
        edit.write_if_unchanged(lab.workspace.locate(path), data, after)
    except FileChanged as fault:
        raise UsageFault(f"{plain(path)} was changed in this moment: nothing is undone.") from fault
    return f"{path} has the text that it had."

"""Committing a prompt from a screen, and taking back the last action: what is asked, said and shown on the way."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from promptlab.errors import CommitRefused, PromptlabError
from promptlab.history.values import Committed
from promptlab.lab import wording
from promptlab.lab.committing import Proposal
from promptlab.tui.background import in_thread
from promptlab.tui.safe import one_line
from promptlab.tui.screens.commit_dialog import CommitDialog, Typed
from promptlab.tui.screens.history_rows import ago
from promptlab.tui.typed import app_of, prompts_screen
from promptlab.tui.widgets.dialog import Answer, Question
from promptlab.tui.widgets.wrapping import Piece

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.tui.screens.page import Page

_AGAIN = Answer("again", "E", "Edit the message")
_TERMINAL = Answer("terminal", "T", "Try again in the terminal")


async def commit_prompt(page: Page, name: str) -> None:
    """Show what committing a prompt would hold, let the message be edited, and commit."""
    session = page.session
    if name in session.unsaved and not await prompts_screen(page).saving.save(name):
        return  # it was said why, or the person goes on editing
    lab = await session.lab()
    while True:
        try:
            proposal = await in_thread(partial(lab.proposal, [name]))
        except PromptlabError as fault:
            session.say(str(fault), bad=True)
            return
        message = session.messages.get(name, proposal.message)
        typed = await app_of(page).push_screen_wait(CommitDialog(proposal, message))
        if typed.message != proposal.message:
            session.messages[name] = typed.message
        if not typed.commit:
            session.say("Nothing is committed.")
            return
        made, again = await _try(page, lab, proposal, typed)
        if made is not None:
            session.messages.pop(name, None)
            told = await in_thread(partial(_told, lab, proposal, made))
            session.say(" ".join([told, *made.notes, "u takes it back."]))
            session.saved()
        if not again:
            return


def _told(lab: Lab, proposal: Proposal, made: Committed) -> str:
    """What a commit has made of the prompts, and what is known of the change. Asks git: called in a thread."""
    prompts = [each for each in proposal.edits if each.path.startswith("prompts/") and each.kind != "deleted"]
    try:
        versions = [f"{each.name}@{lab.past(each.name).current}" for each in prompts]
    except PromptlabError:
        versions = []  # it is committed, and that is said whatever can be read after it
    # The rest of a verdict is in the message of the commit.
    known = [wording.headline(said) for each in prompts for said in each.verdicts]
    if not known and any(each.kind == "changed" for each in prompts):
        known = ["No run compares it with the version before yet"]
    what = f"as {', '.join(versions)}" if versions else made.title
    return " ".join([f"committed {made.commit[:8]} {what}.", *(f"{said}." for said in known)])


async def _try(page: Page, lab: Lab, proposal: Proposal, typed: Typed) -> tuple[Committed | None, bool]:
    """Commit. Gives what was made, and whether the person wants to see message and diff once more."""
    session = page.session
    session.say("committing: your hooks run …")
    commit = partial(lab.commit, proposal, typed.message)
    try:
        return await in_thread(partial(commit, screen=True)), False
    except CommitRefused as refused:
        fault = refused
    except PromptlabError as other:
        session.say(str(other), bad=True)
        return None, False
    session.say(str(fault), bad=True)
    answer = await app_of(page).push_screen_wait(_refusal(fault))
    if answer != _TERMINAL.name:
        return None, answer == _AGAIN.name
    # Nothing may be raised inside: the toolkit would never take the terminal back.
    made: Committed | None = None
    said = ""
    with app_of(page).suspend():
        try:
            made = commit()
        except CommitRefused as refused:
            said = f"{refused} {refused.output}"
        except PromptlabError as other:
            said = str(other)
    if said:
        session.say(said, bad=True)
    return made, False


def _refusal(fault: CommitRefused) -> Question:
    body = [Piece(f"{fault}\n\n"), Piece(fault.output or "It said nothing.", "accent")]
    return Question("Git made no commit", body, [_AGAIN, _TERMINAL], cancel="Close")


async def undo_last(page: Page) -> None:
    """Say what was done last and what undoing it would do; ask, and do it."""
    session = page.session
    lab = await session.lab()
    try:
        last = await in_thread(lab.last_action)
        if last is None:
            session.say("promptlab has done nothing here that could be undone.")
            return
        if last.refusal:
            session.say(f"Last: {last.done}. It cannot be undone. {last.refusal}", bad=True)
            return
        when = ago(last.time, time.time())
        since = "just now" if when == "now" else f"{when} ago"
        body = [Piece(f"Last, {since}: "), Piece(f"{last.done}.\n\n", "strong"), Piece(last.effect)]
        question = Question("Undo?", body, [Answer("undo", "U", "Undo it")])
        if await app_of(page).push_screen_wait(question) != "undo":
            return
        session.say(one_line(await in_thread(partial(lab.undo, last))))
    except PromptlabError as fault:
        session.say(str(fault), bad=True)
    session.saved()

"""Naming a version from History: on a stage, off it, its number pinned. Each is shown first, and asked for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.history.values import RunRecord
from promptlab.lab.listing import marked
from promptlab.lab.storing import saved_summary
from promptlab.lab.values import PromptRun
from promptlab.tui.background import in_thread
from promptlab.tui.screens.history_rows import Moment, Timeline, subject_of
from promptlab.tui.screens.runs_dialog import RunsDialog
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.dialog import Answer, Ask, Question
from promptlab.tui.widgets.wrapping import Piece

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.tui.screens.past import PastPage

USUAL = ("production", "staging")


async def promote(page: PastPage, timeline: Timeline, moment: Moment) -> None:
    """Put a version on a stage, with the run that justifies it."""
    session, lab = page.session, await page.session.lab()
    try:
        subject = await in_thread(partial(subject_of, lab, moment))
        records = await in_thread(partial(lab.records_of, subject))
        if not records:
            session.say(f"No saved run measured {moment.name}: r runs it, and c in Results keeps the run.", bad=True)
            return
        stage = await _stage(page, lab, timeline, moment)
        record = await _run(page, lab, records) if stage else None
        if not stage or record is None:
            return
        now = next((each for each in timeline.stages if each.mark.stage == stage), None)
        before = f"It is {now.version} ({now.mark.content}) now." if now else "Nothing is on it now."
        body = [
            Piece(f"{timeline.name} {moment.name} goes on {stage}. {before}\n\n"),
            Piece("because of the run  ", "dim"),
            Piece(f"{record.title}\n", "strong"),
            Piece(f"{record.tag}\n\n", "accent"),
            Piece("One more tag in this clone says so; `promptlab push` tells others. u takes it back.", "dim"),
        ]
        question = Question(f"Put {moment.name} on {stage}?", body, [Answer("promote", "P", "Put it there")])
        if await app_of(page).push_screen_wait(question) != "promote":
            return
        mark = await in_thread(partial(lab.promote, subject.asked, stage, record.id))
    except PromptlabError as fault:
        session.say(str(fault), bad=True)
        return
    session.say(f"{timeline.name}@{stage} is {mark.content} now: {mark.tag}. u takes it back.")
    session.saved()


async def demote(page: PastPage, timeline: Timeline, moment: Moment) -> None:
    """Take a version off the stage that it is on."""
    session, lab = page.session, await page.session.lab()
    there = timeline.on(moment)
    if not there:
        session.say(f"{moment.name} is on no stage: P puts it on one.")
        return
    stage = there[0]
    body = [
        Piece(f"Then nothing is on {timeline.name}@{stage}. One more tag in this clone says so; none is removed.")
    ]
    question = Question(f"Take {moment.name} off {stage}?", body, [Answer("demote", "D", "Take it off")])
    if await app_of(page).push_screen_wait(question) != "demote":
        return
    try:
        mark = await in_thread(partial(lab.demote, timeline.name, stage))
    except PromptlabError as fault:
        session.say(str(fault), bad=True)
        return
    session.say(f"Nothing is on {timeline.name}@{stage} now: {mark.tag}. u takes it back.")
    session.saved()


async def pin(page: PastPage, timeline: Timeline, moment: Moment) -> None:
    """Pin the number of a version for good."""
    session, lab = page.session, await page.session.lab()
    if moment.kind != "version" or moment.error:
        session.say(f"{moment.name} has no number to pin: a committed version has.", bad=True)
        return
    body = [
        Piece(f"{timeline.name}@{moment.label} will name {moment.content} on every branch and clone, "),
        Piece("also after a rebase or squash. It is a tag in this clone; `promptlab push` sends it."),
    ]
    question = Question(f"Pin the number {moment.label}?", body, [Answer("pin", "T", "Pin it")])
    if await app_of(page).push_screen_wait(question) != "pin":
        return
    try:
        mark = await in_thread(partial(lab.tag, moment.ref))
    except PromptlabError as fault:
        session.say(str(fault), bad=True)
        return
    session.say(f"{mark.tag} is {mark.content} for good. u takes it back.")
    session.saved()


async def publish(page: PastPage, run: PromptRun | None) -> None:
    """Commit a summary of a run on the branch."""
    session, lab = page.session, await page.session.lab()
    if run is None or run.run.record is None:
        session.say("Only a saved run can be published: put the cursor on one.", bad=True)
        return
    body = [
        Piece(f"{run.run.title}\n\n", "strong"),
        Piece(
            "A summary of at most 2 KB is committed on the branch, so that it is seen in a review (all of the run in "
        ),
        Piece("branch mode). What you have staged stays staged. Nothing is pushed; u takes it back."),
    ]
    question = Question(f"Publish the run {run.run.id[-6:]}?", body, [Answer("publish", "S", "Publish")])
    if await app_of(page).push_screen_wait(question) != "publish":
        return
    try:
        done = await in_thread(partial(lab.publish, run.run.id))
    except PromptlabError as fault:
        session.say(str(fault), bad=True)
        return
    there = "is there already" if done.before else f"is in {done.commit[:8]}; u takes it back"
    session.say(f"The summary on {done.branch} {there}.")
    session.saved()


async def _stage(page: PastPage, lab: Lab, timeline: Timeline, moment: Moment) -> str:
    now = [f"{each.mark.stage} is {each.version}" for each in timeline.stages]
    hint = f"Now: {', '.join(now)}." if now else f"Such as {' or '.join(USUAL)}. Nothing is on a stage yet."
    free = next((name for name in USUAL if name not in timeline.on(moment)), USUAL[0])
    return await app_of(page).push_screen_wait(
        Ask(f"Put {moment.name} on which stage?", hint, lab.stage_problem, value=free)
    )


async def _run(page: PastPage, lab: Lab, records: list[RunRecord]) -> RunRecord | None:
    if len(records) == 1:
        return records[0]
    runs = [saved_summary(record) for record in records]
    lost = await in_thread(partial(marked, lab, runs))
    runs = [lost.get(run.id, run) for run in runs]
    chosen = await app_of(page).push_screen_wait(RunsDialog(runs, "Which run justifies it?"))
    return next((record for record in records if record.id == chosen), None)

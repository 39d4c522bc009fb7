"""What Results does with a run as a whole: keep it in git, draw it, write it to a file, ask again for what failed."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.tui.background import in_thread
from promptlab.tui.job import Job
from promptlab.tui.screens.detail import save_pieces
from promptlab.tui.screens.figures import Figures
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.dialog import Answer, Ask, Question

if TYPE_CHECKING:
    from promptlab.lab import Lab, RunTable
    from promptlab.tui.screens.page import Page


async def commit_run(page: Page, table: RunTable) -> bool:
    """Keep a run in git, after showing what that means; whether it was kept now."""
    session = page.session
    if table.tag:
        session.say(f"already saved: {table.tag}")
        return False
    if table.state == "running":
        session.say("The run is still going on. x stops it; then c saves what is done.", bad=True)
        return False
    if session.history_problem:
        session.say(f"{session.history_problem} The run is kept in the journal.", bad=True)
        return False
    from promptlab.lab.message import title
    from promptlab.lab.storing import saved_note, size_note

    lab = await session.lab()
    note = size_note(await in_thread(partial(lab.size_of, table.run)))
    pieces = save_pieces(table, await in_thread(partial(title, table)), lab.settings.results, note)
    question = Question("Keep this run in git?", pieces, [Answer("commit", "C", "Commit")])
    if await app_of(page).push_screen_wait(question) != "commit":
        return False
    session.say("saving …")
    try:
        saved = await in_thread(partial(lab.save, table.run))
        left = await in_thread(partial(_not_committed, lab, table))
    except PromptlabError as fault:
        session.say(str(fault), bad=True)
        return False
    said = f"saved as {saved_note(saved)}"
    session.say(f"{said} {left}" if left else said.rstrip("."), bad=bool(saved.unpublished))
    session.saved()
    return True


def _not_committed(lab: Lab, table: RunTable) -> str:
    """What of the run's texts is no version yet, and how to make it one, as a sentence; "" of none."""
    left: list[str] = []
    for name, content in {each.prompt: each.content for each in table.variants if each.version == "*"}.items():
        with suppress(PromptlabError):  # a prompt that is gone: the run is kept, and there is nothing to commit
            if content not in {version.content for version in lab.past(name).versions}:
                left.append(name)
    return f"The text of {', '.join(left)} is not committed yet: 1, then c." if left else ""


async def show_figures(page: Page, table: RunTable, metric: str) -> None:
    """The run in tables and drawings."""
    await app_of(page).push_screen_wait(Figures(table, metric))


async def export_run(page: Page, table: RunTable) -> None:
    """Ask for a file, and write every answer of the run to it."""
    from promptlab.lab.run_files import write_run

    session = page.session
    lab = await session.lab()
    ask = Ask(
        "Write every answer to which file?",
        ".csv for a spreadsheet, .jsonl as it is; below the workspace unless the path says otherwise.",
        lambda _: "",
        value=f"{table.subject.replace('/', '-')}-{table.run[-6:]}.csv",
    )
    name = await app_of(page).push_screen_wait(ask)
    if not name:
        return
    path = lab.root / Path(name).expanduser()
    try:
        rows = await in_thread(partial(write_run, table, path))
    except PromptlabError as fault:
        session.say(str(fault), bad=True)
        return
    session.say(f"wrote {rows:,} rows to {path}")


async def retry_failures(page: Page, table: RunTable) -> None:
    """Ask again for the cells of a run that failed; everything else of it stays as it was."""
    from promptlab.tui.screens.spending import agreed

    session = page.session
    if session.running:
        session.say("A run is going on: x stops it.", bad=True)
        return
    lab = await session.lab()
    session.say("planning …")
    try:
        if not await page.trusted(lab, [variant.model for variant in table.variants]):
            session.say("Not started: the endpoint is not trusted.")
            return
        plan, journal = await in_thread(partial(lab.retry, table.run))
        job = await in_thread(lambda: Job(lab, plan, run=partial(lab.run, journal=journal)))
        if not await agreed(page, lab, plan):
            journal.close()
            session.say("Not started. What was asked for the estimate is kept in the cache.")
            return
    except PromptlabError as fault:
        session.say(str(fault), bad=True)
        return
    session.start(job)

"""Asking before a run that costs more than the workspace's threshold."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.lab.limits import parse_limits
from promptlab.runs.values import UNLIMITED
from promptlab.tui.background import in_thread
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.dialog import Answer, Ask, Question
from promptlab.tui.widgets.wrapping import Piece

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.runs.values import Plan
    from promptlab.tui.screens.page import Page


async def ask_limits(page: Page) -> None:
    """Ask for limits, for the run that is going on and for those to come."""
    session = page.session
    hint = "Any of: cost 2, tokens 5000, minutes 10, at once 8 (0 pauses). Or none."
    dialog = Ask("Limits of runs", hint, _problem, value=session.limits.words)
    if not (text := await app_of(page).push_screen_wait(dialog)):
        return
    session.limits = parse_limits(text)
    job = session.job
    try:
        if job is not None and job.active:
            await in_thread(partial(job.limit, session.limits))
    except PromptlabError as fault:
        session.say(str(fault), bad=True)
        return
    session.say(f"limits: {session.limits.words}")


def _problem(text: str) -> str:
    try:
        parse_limits(text)
    except PromptlabError as fault:
        return str(fault)
    return ""


async def agreed(page: Page, lab: Lab, plan: Plan) -> bool:
    """Whether a run may spend what it will cost: asked above ``ask_above``, from a few answers that it needs anyway.

    Raises:
        ModelFault: A model cannot be used at all.
    """
    above = lab.settings.defaults.ask_above
    if page.session.limits.budget != UNLIMITED or not any(entry.price for entry in lab.settings.models.values()):
        return True
    page.session.say("looking at what it will cost …")
    found = await lab.estimate(plan, above)
    if found is None or (found.cost <= above and not found.failed):
        return True
    over = f"That is above ask_above = {above:g} in [defaults] of promptlab.toml"
    why = f"Some answers failed: {found.failed} So this is not certain" if found.cost <= above else over
    body = [
        Piece(f"{found.sentence}\n\n"),
        Piece(f"{why}, so you are asked first. ", "dim"),
        Piece("What was asked for this estimate is in the cache and part of the run.", "dim"),
    ]
    question = Question("Spend this?", body, [Answer("spend", "S", "Run it")])
    return await app_of(page).push_screen_wait(question) == "spend"

"""Running the columns of Compare again: on the example that is shown, on other columns, or on all examples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.lab.values import RunRequest
from promptlab.runs.values import Variant
from promptlab.tui.background import in_thread
from promptlab.tui.job import Job
from promptlab.tui.screens.sheet import Sheet
from promptlab.tui.screens.trial import few_examples, no_candidate, run_dialog
from promptlab.tui.screens.trying import Ready
from promptlab.tui.typed import app_of, prompts_screen

if TYPE_CHECKING:
    from promptlab.tui.screens.compare import CompareScreen

_OTHER_SEEDS = "other seeds"


def subject_of(variant: Variant) -> str:
    """What to run for a column: a version by its content, so that it stays that one; else the working copy."""
    return f"{variant.prompt}@{variant.content}" if "@" in variant.subject else variant.prompt


def request_of(sheet: Sheet, examples: Sequence[str], rewritten: str = "") -> RunRequest:
    """The columns of a sheet once more.

    Args:
        examples: To run.
        rewritten: Letter of the column whose prompt was edited: the working copy takes its place. A baseline stays,
            and the working copy stands beside it.
    """
    subjects: list[str] = []
    for column in sheet.columns:
        variant = sheet.variant(column)
        if rewritten and _same_text(variant, sheet.variant(rewritten)):
            stays = column == sheet.top.baseline and variant.version != "*"
            subjects += [f"{variant.prompt}@{variant.content}"] if stays else []
            subjects.append(variant.prompt)
        else:
            subjects.append(subject_of(variant))
    subjects = list(dict.fromkeys(subjects))
    overrides = sheet.variant(sheet.columns[0]).overrides.split(", ")
    return RunRequest(
        tuple(subjects),
        models=tuple(dict.fromkeys(sheet.variant(column).model for column in sheet.columns)),
        evalset=sheet.top.evalset,
        trials=1,
        baseline=subjects[0] if len(subjects) > 1 else "",
        overrides=tuple((name, text) for name, sign, text in (one.partition("=") for one in overrides) if sign),
        only=tuple(examples),
        again=len(subjects) == 1 and any(_OTHER_SEEDS in variant.overrides for variant in sheet.top.variants),
    )


def first_request(ready: Ready) -> RunRequest:
    """The prompt as it stands beside the last version with another text, on a few examples."""
    prompt, past = ready.prompt, ready.past
    older = [v for v in past.versions if not v.error and v.content != prompt.content] if past else []
    subjects = (*(f"{prompt.name}@{version.label}" for version in older[-1:]), prompt.name)
    examples = few_examples(ready.evalset, ready.at)
    return RunRequest(subjects, (), ready.evalset.name, 1, subjects[0] if older else "", only=examples)


def _same_text(one: Variant, other: Variant) -> bool:
    return (one.prompt, one.content) == (other.prompt, other.content)


class Running:
    """What the Compare screen does to run something."""

    def __init__(self, screen: CompareScreen) -> None:
        self._screen = screen

    async def here(self, rewritten: str = "") -> Job | None:
        """Run the columns on the example that is shown and on the pinned ones: only what is not known is asked."""
        screen = self._screen
        prompts = prompts_screen(screen)
        if screen.sheet is None:
            ready = await prompts.ready()
            if ready is None:
                return None
            return await self._begin(first_request(ready), scratch=True)
        return await self._begin(request_of(screen.sheet, screen.pins.chosen, rewritten), scratch=True)

    async def choose(self) -> None:
        """Ask for versions and models, and run them on the example that is shown and the pinned ones."""
        ready = await self._ready()
        if ready is None:
            return
        examples = self._screen.pins.chosen or (ready.evalset.examples[ready.at].id,)
        request = await self._ask(ready, examples)
        if request is not None:
            await self._begin(request, scratch=True)

    async def everything(self) -> None:
        """Ask for versions and models, and run all examples: a run that is kept."""
        ready = await self._ready()
        if ready is not None and (request := await self._ask(ready)) is not None:
            await self._begin(request, scratch=False)

    async def _begin(self, request: RunRequest, *, scratch: bool) -> Job | None:
        screen = self._screen
        job = await screen.begin(request, prompts_screen(screen).drafts, scratch=scratch)
        if job is not None:
            await screen.adopt()
        return job

    async def _ask(self, ready: Ready, only: tuple[str, ...] = ()) -> RunRequest | None:
        screen = self._screen
        if screen.occupied():
            return None
        lab = await screen.session.lab()
        models, defaults = await in_thread(lab.models), await in_thread(lab.default_models)
        sheet = screen.sheet
        used = list(dict.fromkeys(v.model for v in sheet.top.variants)) if sheet else []
        dialog = run_dialog(ready, models, used or defaults, only=only)
        return await app_of(screen).push_screen_wait(dialog)

    async def _ready(self) -> Ready | None:
        """What there is to run: the prompt of the column under the cursor, or the one that Prompts is about."""
        screen = self._screen
        prompts, sheet = prompts_screen(screen), screen.sheet
        if sheet is None:
            return await prompts.ready()
        name = sheet.variant(screen.column).prompt
        lab = await screen.session.lab()
        try:
            prompt = (await in_thread(partial(lab.subject, name, prompts.drafts))).prompt
            past = await in_thread(partial(lab.past, name))
            evalset = await in_thread(partial(lab.evalset, sheet.top.evalset))
        except PromptlabError as fault:
            screen.session.say(str(fault), bad=True)
            return None
        if refusal := no_candidate(prompt):
            screen.session.say(refusal, bad=True)
            return None
        return Ready(prompt, past, evalset, 0, prompts.drafts)

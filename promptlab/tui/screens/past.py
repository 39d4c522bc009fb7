"""What Diff and History share: which prompt they show, when they read it again, running its versions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.tui.background import in_thread
from promptlab.tui.job import Job
from promptlab.tui.safe import one_line
from promptlab.tui.screens.committing import commit_prompt
from promptlab.tui.screens.page import Page
from promptlab.tui.screens.picking import Find
from promptlab.tui.screens.preview import best_evalset
from promptlab.tui.screens.prompts import NO_EXAMPLES
from promptlab.tui.screens.run_dialog import RunDialog
from promptlab.tui.screens.trial import model_options, no_candidate
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.ticks import Option

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.workspace.values import EvalSet

NO_PROMPTS = "No prompt yet: press 1, then n, to create one."


class PastPage(Page):
    """A screen about the past of one prompt. It reads whenever it is shown, and when something changes."""

    def on_screen_resume(self) -> None:
        """Read again: a commit or a run may have been made meanwhile, here or in another terminal."""
        self.reload()

    def reload(self) -> None:
        """Read again if the screen is shown; what is shown stays until that is done."""
        if app_of(self).screen is self:
            self.run_worker(self._reload, group="past", exclusive=True)

    async def _reload(self) -> None:
        lab = await self.session.lab()
        if not self.session.prompt:
            rows = await in_thread(lab.prompts)
            self.session.prompt = rows[0].name if rows else ""
        await self.show_past(lab, self.session.prompt)

    @abstractmethod
    async def show_past(self, lab: Lab, name: str) -> None:
        """Read and show the past of a prompt; ``name`` is "" when the workspace has none."""

    # -- what the app tells -------------------------------------------------------------------------------

    def files_changed(self, paths: tuple[str, ...]) -> None:
        """The working copy may be another text now."""
        if any(path.startswith("prompts/") for path in paths):
            self.reload()

    def job_ended(self, job: Job) -> None:
        """There is one more run."""
        if not job.scratch:
            self.reload()

    def history_changed(self) -> None:
        """There may be another version, or a run was saved."""
        self.reload()

    # -- choosing the prompt ------------------------------------------------------------------------------

    def action_pick(self) -> None:
        """Choose the prompt to show."""
        self.run_worker(self._pick, group="ask", exclusive=True)

    async def _pick(self) -> None:
        lab = await self.session.lab()
        names = [row.name for row in await in_thread(lab.prompts)]
        if not names:
            self.session.say(NO_PROMPTS)
            return
        name = await app_of(self).push_screen_wait(Find("Show the past of", names, self.session.prompt))
        if name and name != self.session.prompt:
            self.session.prompt = name
            self.reload()

    def action_commit(self) -> None:
        """Commit the prompt, after showing what changed and a message."""
        if self.session.prompt:
            self.run_worker(partial(commit_prompt, self, self.session.prompt), group="ask", exclusive=True)

    # -- running ------------------------------------------------------------------------------------------

    async def ask_run(
        self, name: str, options: Sequence[Option], *, models: Sequence[str] = (), evalset: str = ""
    ) -> None:
        """Ask which versions to run on which models, run them, and go to Results.

        Args:
            models: To tick; the default ones where none is named.
            evalset: To run over; the one that fits the prompt where none is named.
        """
        if self.occupied():
            return
        lab = await self.session.lab()
        ticked = next((option.name for option in options if option.ticked), name)
        try:
            if refusal := no_candidate((await in_thread(partial(lab.subject, ticked))).prompt):
                self.session.say(refusal, bad=True)
                return
            cases = await in_thread(
                partial(lab.evalset, evalset) if evalset else partial(fitting_evalset, lab, ticked)
            )
            known, defaults = await in_thread(lab.models), await in_thread(lab.default_models)
        except PromptlabError as fault:
            self.session.say(str(fault), bad=True)
            return
        if cases is None or not cases.examples:
            self.session.say(NO_EXAMPLES, bad=True)
            return
        cells = len(cases.examples) * cases.decision.trials
        lines = model_options(known, models or defaults)
        request = await app_of(self).push_screen_wait(
            RunDialog(f"Run {one_line(name)}", options, lines, cases.name, cells)
        )
        if request is not None and await self.begin(request, {}) is not None:
            await app_of(self).run_action("app.go('results')")

    def working_copy(self, name: str, *, ticked: bool) -> Option:
        """The line of the run dialog for the file as it is on disk."""
        unsaved = "; the text in the editor is not saved and not this one" if name in self.session.unsaved else ""
        return Option(name, f"working copy  the file as it is{unsaved}", ticked=ticked)


def fitting_evalset(lab: Lab, subject: str) -> EvalSet | None:
    """The eval set whose examples have the variables of the prompt, its own among equals.

    Those that do not load are left out.

    Raises:
        PromptlabError: The prompt does not load.
    """
    found: list[EvalSet] = []
    for name in lab.evalset_names():
        try:
            found.append(lab.evalset(name))
        except PromptlabError:
            continue  # Prompts has said so.
    prompt = lab.subject(subject).prompt
    return best_evalset(found, lab.evalset_for(prompt), lab.variables(prompt))

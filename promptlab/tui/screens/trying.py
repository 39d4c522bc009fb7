"""Running what is in the editor: a trial whose outputs show below it, or a run of all examples on Results."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from textual.timer import Timer

from promptlab.lab.values import PromptPast
from promptlab.tui.background import in_thread
from promptlab.tui.job import Job
from promptlab.tui.safe import one_line, plain
from promptlab.tui.screens.trial import companions, run_dialog, trial_pieces, trial_request
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.textview import TextView
from promptlab.workspace.values import EvalSet, Example, Prompt

if TYPE_CHECKING:
    from promptlab.lab import RunTable
    from promptlab.tui.screens.prompts import PromptsScreen

REPAINT = 1 / 15


class Ready(NamedTuple):
    """What there is to run.

    Attributes:
        prompt: The text in the editor, parsed.
        at: The example in the preview.
        drafts: Prompt name to text that is not saved.
        input: What the person typed to try it on, in place of examples.
    """

    prompt: Prompt
    past: PromptPast | None
    evalset: EvalSet
    at: int
    drafts: dict[str, str]
    input: Example | None = None


def _text(screen: PromptsScreen) -> tuple[str, str]:
    """Name and text of what is in the editor."""
    buffer = screen.buffers.get(screen.current)
    return screen.current, buffer.text if buffer else ""


class Trying:
    """What the Prompts screen does to run a text."""

    def __init__(self, screen: PromptsScreen) -> None:
        self._screen = screen
        self._job: Job | None = None
        self._tried = ("", "")
        self._painted = (-1, 0)
        self._timer: Timer | None = None

    async def trial(self) -> None:
        """Try the text on a few examples, beside its last version where they differ."""
        ready = await self._screen.ready()
        if ready is None:
            return
        tried = _text(self._screen)
        request = trial_request(ready.prompt, ready.past, ready.evalset, ready.at, ready.input)
        job = await self._screen.begin(request, ready.drafts, scratch=True)
        if job is not None:
            self._job, self._tried, self._painted = job, tried, (-1, 0)
            self._screen.view("trial")
            if self._timer is None:
                self._timer = self._screen.set_interval(REPAINT, self._paint)
            self._timer.resume()

    def tried(self, name: str) -> RunTable | None:
        """The table of the last trial, where it was of this prompt."""
        return self._job.table if self._job is not None and self._tried[0] == name else None

    def _paint(self) -> None:
        job = self._job
        if job is None or self._timer is None:
            return
        now = (job.table.revision, job.heard)
        if now != self._painted or not job.active:
            self._painted = now
            self._screen.query_one("#trial", TextView).show(trial_pieces(job), keep_place=True)
            self.title()
        if not job.active:
            self._timer.pause()
            self._screen.look_soon(0)  # what the answers took says what tokens are

    def title(self) -> None:
        """Say what the pane shows, and whether that is still about the text in the editor."""
        job = self._job
        if job is None:
            return
        name, text = _text(self._screen)
        of = "" if (name, text) == self._tried else " of an earlier text"
        if name != self._tried[0]:
            of = f" of {one_line(self._tried[0])}"
        self._screen.query_one("#trial", TextView).border_title = plain(f"trial{of}")

    async def ask(self, until_clear: bool = False) -> None:
        """Ask what to run, run it, and go to Results."""
        screen = self._screen
        if screen.occupied() or (ready := await screen.ready()) is None:
            return
        lab = await screen.session.lab()
        models, defaults = await in_thread(lab.models), await in_thread(lab.default_models)
        others = await in_thread(partial(companions, lab, ready.prompt, ready.evalset))
        dialog = run_dialog(ready, models, defaults, until_clear=until_clear, others=others)
        request = await app_of(screen).push_screen_wait(dialog)
        if request is not None and await screen.begin(request, ready.drafts) is not None:
            await app_of(screen).run_action("app.go('results')")

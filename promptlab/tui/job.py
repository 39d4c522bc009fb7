"""A run that is going on: it belongs to the session, so that leaving its screen does not end it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.lab.limits import Limits, hold
from promptlab.lab.values import CellScored
from promptlab.lab.wording import seconds
from promptlab.runs.values import CellId, CellText, Ended, ModelDied, ModelLoading, Noticed, Plan, Progress, Started
from promptlab.tui.background import in_thread

if TYPE_CHECKING:
    from promptlab.lab import Lab, RunTable
    from promptlab.lab.values import LabEvent

    Run = Callable[..., AsyncGenerator[LabEvent, None]]

_BAR = 12


def shown(text: CellText) -> tuple[CellId, str]:
    """A cell, and what of its text is shown while it is written."""
    said = f"{text.step}: {text.text}" if text.step else text.text
    return (text.column, text.example, text.trial), said


class Job:
    """One run, from its plan to its last event.

    Attributes:
        table: The grid, filled by the lab as cells arrive.
        scratch: A trial on a few examples: it is not kept in the list of runs.
        texts: What a model has written so far for cells without an outcome; of a chain with the name of the step.
        heard: Grows with every change of ``texts``.
        reason: Why it is not complete, as a sentence, or "".
        notices: What the person should know of it, each a sentence.
        elsewhere: Another process does it: this one only looks.
        limits: What it may take.
    """

    elsewhere = False

    def __init__(self, lab: Lab, plan: Plan, *, scratch: bool = False, run: Run | None = None) -> None:
        """Prepare a run.

        Args:
            scratch: Nothing of it is kept.
            run: What does it, in place of ``lab.run``.
        """
        self.plan = plan
        self.table: RunTable = lab.table(plan)
        self.scratch = scratch
        self.progress = Progress(total=plan.size)
        self.texts: dict[CellId, str] = {}
        self.heard = 0
        self.reason = ""
        self.notices: list[str] = []
        self.active = True
        self.limits = Limits()
        self._lab = lab
        self._run: Run = run or lab.run
        self._loading = ""
        self._stop = asyncio.Event()
        self._begun = time.monotonic()
        self._took = 0.0

    @property
    def can_be_left(self) -> bool:
        """Whether a process of its own could go on with it: it is kept, and has cells to ask."""
        return self.active and bool(self.table.run) and not self.scratch and self.progress.done < self.progress.total

    def stop(self) -> None:
        """Finish the cells in flight and end; what is done is kept."""
        self._stop.set()

    def limit(self, limits: Limits) -> None:
        """Keep to other limits from now on.

        Raises:
            PromptlabError: It has ended meanwhile, or the word cannot be written.
        """
        self.limits = limits
        if self.table.run and not self.scratch:
            hold(self._lab.journal_root(), self.table.run, limits)

    async def run(self, changed: Callable[[], None]) -> None:
        """Do the run. ``changed`` is called after events that a status line shows."""
        try:
            budget = self.limits.budget
            events = self._run(self.plan, self.table, stop=self._stop, scratch=self.scratch, budget=budget)
            async for event in events:
                self._take(event)
                if isinstance(event, Started) and self.limits.most is not None:
                    await in_thread(partial(self.limit, self.limits))
                if not isinstance(event, CellScored | CellText):
                    changed()
        except PromptlabError as fault:
            self.reason = str(fault)
            self.table.state = "partial"
        finally:
            self.ended()
            changed()

    def ended(self) -> None:
        """There is nothing more to come."""
        self.active = False
        self._took = time.monotonic() - self._begun

    def _take(self, event: LabEvent) -> None:
        match event:
            case CellText():
                cell, text = shown(event)
                self.texts[cell] = text
                self.heard += 1
            case CellScored(column=column, example=example, trial=trial):
                self.texts.pop((column, example, trial), None)
                self._loading = ""
            case ModelLoading(model=model) | ModelDied(model=model):  # a new process is started at once
                self._loading = model
            case Progress():
                self.progress = event
                self._loading = ""
            case Noticed(message=message):
                self.notices.append(message)
            case Ended(progress=progress, reason=reason):
                self.progress, self.reason = progress, reason
            case _:
                self._loading = ""

    @property
    def line(self) -> str:
        """How far it is: ``▕███▌     ▏ 37/360 · 14/s · 1,240 tokens/s · 22 s left · 2 failed``."""
        progress = self.progress
        if self._loading and self.active:
            return f"starting {self._loading} …"
        if not self.active:
            return ""
        full = round(_BAR * progress.done / progress.total) if progress.total else 0
        parts = [f"▕{'█' * full}{' ' * (_BAR - full)}▏ {progress.done}/{progress.total}"]
        parts += [f"{one.step} {one.done}/{one.total}" for one in progress.steps]
        if progress.rate:
            parts.append(f"{progress.rate:.3g}/s")
        if progress.token_rate:
            parts.append(f"{progress.token_rate:,.0f} tokens/s")
        if progress.eta:
            parts.append(f"{seconds(progress.eta)} left")
        if progress.failed:
            parts.append(f"{progress.failed} failed")
        if progress.limit:
            parts.append(f"{progress.in_flight} of {progress.limit} in flight")
        parts += [f"{cost:.3g} {currency}" for currency, cost in progress.cost.items()]
        if self.limits != Limits():
            parts.append(f"at most {self.limits.words}")
        if self._stop.is_set():
            parts.append("stopping")
        return " · ".join(parts)

    @property
    def result(self) -> str:
        """What to say when it has ended."""
        progress = self.progress
        word = {"complete": "done", "cancelled": "stopped", "partial": "ended early"}.get(self.table.state, "ended")
        text = f"{word}: {progress.done}/{progress.total} answers in {seconds(self._took)}"
        if progress.cached:
            text += f", {progress.cached} known before"
        if progress.failed and not self.reason.startswith(f"{progress.failed} of "):  # which says it already
            text += f", {progress.failed} failed"
        if self.notices:
            text += f". {self.notices[-1]}".removesuffix(".")
        # The figures say already after how many cells it was stopped.
        why = self.reason.removeprefix(f"Stopped after {progress.done} of {progress.total} cells.").strip()
        if not why:
            return text
        return f"{text}. {why}" if why.endswith(("?", "!")) else f"{text}. {why}".rstrip(". ") + "."

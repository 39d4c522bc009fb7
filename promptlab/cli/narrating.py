"""What a run says of itself on stderr while it goes on."""

from __future__ import annotations

import time

import click

from promptlab.cli.output import is_terminal, say
from promptlab.lab.wording import plural, seconds
from promptlab.runs.values import Ended, ModelDied, ModelLoading, Noticed, Plan, Progress, Started


class Narrator:
    """Progress on stderr: one line that is rewritten on a terminal, else a line every few seconds."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.live = is_terminal()
        self.last = 0.0
        self.width = 0

    def tell(self, event: object) -> None:
        match event:
            case Started():
                columns = plural(len(self.plan.variants), "column")
                again = f", {event.resumed} answered before" if event.resumed else ""
                self._say(f"{plural(len(self.plan.examples), 'example')} × {columns}: {self.plan.size} cells{again}.")
            case ModelLoading():
                self._progress(f"starting {event.model} …", now=True)
            case ModelDied(model, reason):
                self._say(f"{model}: its process died ({reason}). What it was at work on is asked once more.")
            case Progress():
                self._progress(progress_text(event))
            case Noticed(message=message):
                self._say(message)
            case Ended():
                self._say(ended_text(event))
            case _:
                pass

    def _say(self, text: str) -> None:
        self._clear()
        say(text)

    def _progress(self, text: str, *, now: bool = False) -> None:
        if not self.live:
            if now or time.monotonic() - self.last > 5:
                self.last = time.monotonic()
                say(text)
            return
        self._clear()
        self.width = len(text)
        click.echo(text, err=True, nl=False)

    def _clear(self) -> None:
        if self.width:
            click.echo("\r" + " " * self.width + "\r", err=True, nl=False)
            self.width = 0


def progress_text(progress: Progress) -> str:
    """Such as ``37/360 · 14.2 cells/s · 1,240 tokens/s · ETA 23 s · 2 failed · mini``; of chains ``draft 2/60``."""
    parts = [f"{progress.done}/{progress.total}"]
    parts += [f"{one.step} {one.done}/{one.total}" for one in progress.steps]
    if progress.rate:
        parts.append(f"{progress.rate:.1f} cells/s")
    if progress.token_rate:
        parts.append(f"{progress.token_rate:,.0f} tokens/s")
    if progress.eta is not None:
        parts.append(f"ETA {seconds(progress.eta)}")
    if progress.failed:
        kinds = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in progress.faults.items())
        parts.append(f"{progress.failed} failed" + (f" ({kinds})" if kinds else ""))
    if progress.retried:
        parts.append(f"{progress.retried} retried")
    if progress.limit:
        parts.append(f"{progress.in_flight} of {progress.limit} in flight")
    parts += [f"{cost:.4g} {currency}" for currency, cost in progress.cost.items()]
    return " · ".join([*parts, progress.model] if progress.model else parts)


def ended_text(event: Ended) -> str:
    progress = event.progress
    text = f"{progress.done} of {progress.total} cells in {seconds(progress.elapsed)}"
    text += f", {progress.cached} from the cache" if progress.cached else ""
    text += f", {progress.failed} failed" if progress.failed else ""
    return f"{text}. {event.reason}".rstrip()

"""Bisect from History: what will be searched is shown first, then each step as it comes, then what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Static

from promptlab.errors import PromptlabError
from promptlab.lab import wording
from promptlab.lab.values import Bisection, BisectRequest, BisectStep
from promptlab.lab.wording import plural
from promptlab.tui.background import in_thread
from promptlab.tui.safe import plain
from promptlab.tui.screens.diff_fields import inline_pieces
from promptlab.tui.screens.history_rows import Moment, Timeline, date
from promptlab.tui.screens.reading import Reading
from promptlab.tui.typed import app_of
from promptlab.tui.widgets.dialog import Answer, Question
from promptlab.tui.widgets.textview import diff_pieces
from promptlab.tui.widgets.wrapping import Piece, logical_lines, wrap

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.tui.screens.past import PastPage

SHOWN = 10
_MARGIN = 34  # cells of version, date, author and change beside a line
_AROUND = 12  # cells of a screen's width that no text has: the frame around it and the scroll bar


class Searching(Reading):
    """A search while it goes on. Esc stops it; what was answered stays in the cache."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("x", "close", "Stop", show=False)]

    def __init__(self, lab: Lab, request: BisectRequest) -> None:
        super().__init__(f"Bisect {request.subject}", (), "Esc stops it; what was answered is kept in the cache")
        self._lab = lab
        self._request = request
        self._told: list[Piece] = [Piece("running the good end …\n", "dim")]
        self._stop = asyncio.Event()

    def on_mount(self) -> None:
        """Begin."""
        super().on_mount()
        self._tell()
        self.run_worker(self._search, group="bisect")

    def on_unmount(self) -> None:
        """Stop when the dialog is left: nothing goes on unseen."""
        self._stop.set()

    def _tell(self, *pieces: Piece) -> None:
        self._told += pieces
        self.view.show(self._told, keep_place=True)

    async def _search(self) -> None:
        try:
            async with aclosing(self._lab.bisect(self._request, self._stop)) as events:
                async for event in events:
                    self._tell(*(found_pieces(event) if isinstance(event, Bisection) else step_pieces(event)))
        except PromptlabError as fault:
            if self._stop.is_set():
                return
            self._tell(Piece(f"\n{fault}\n", "bad"))
        self.query_one("#hint", Static).update(plain("y copies · Esc closes", "$foreground-muted"))


async def bisect(page: PastPage, timeline: Timeline, ends: Sequence[Moment]) -> None:
    """Ask, then search between two marked versions, or the oldest and the newest."""
    session, lab = page.session, await page.session.lab()
    if session.running:
        session.say("A run is going on: x stops it.", bad=True)
        return
    good, bad = (moment.ref.partition("@")[2] for moment in ends) if len(ends) == 2 else ("", "")
    versions = [m for m in timeline.moments if m.kind == "version" and not m.error]
    if len(ends) == 2 and any(moment.kind != "version" or moment.error for moment in ends):
        session.say("Bisect searches between committed versions: mark two of these with space.", bad=True)
        return
    if len(versions) < 2:
        session.say("It takes two committed versions to search between.", bad=True)
        return
    older, newer = ends if len(ends) == 2 else (versions[-1], versions[0])
    try:
        models = await in_thread(lab.default_models)
    except PromptlabError as fault:
        session.say(str(fault), bad=True)
        return
    model = timeline.only.removeprefix("model ") if timeline.only.startswith("model ") else ""
    request = BisectRequest(timeline.name, good=good, bad=bad, model=model)
    body = [
        Piece(
            f"Find the version between {older.name} (good) and {newer.name} (bad) where the primary metric of the "
        ),
        Piece(f"eval set got worse, on {model or (models[0] if models else 'no model')}.\n\n"),
        Piece("Stored outputs are used; a few examples of each version on the way are run, no more than it takes. "),
        Piece("Nothing is saved. Mark two versions with space to search between these; f chooses the model.", "dim"),
    ]
    question = Question(f"Bisect {timeline.name}?", body, [Answer("bisect", "B", "Search")])
    if await app_of(page).push_screen_wait(question) != "bisect":
        return
    if not await page.trusted(lab, (model,) if model else models[:1]):
        session.say("Not started: the endpoint is not trusted.")
        return
    await app_of(page).push_screen_wait(Searching(lab, request))


def step_pieces(step: BisectStep) -> list[Piece]:
    """One version that was looked at."""
    if step.side == "skipped":
        return [Piece(f"{step.version:>8}  passed over, it cannot be run: {step.reason}\n", "warn")]
    asked = f"{plural(step.asked, 'cell')} asked" if step.asked else "nothing asked"
    said = f"  on {plural(step.examples, 'example')}, {asked}; {plural(step.left, 'version')} left\n"
    return [
        Piece(f"{step.version:>8}  "),
        Piece(f"{step.side:<5}", "good" if step.side.endswith("good") else "bad"),
        Piece(said, "dim"),
    ]


def found_pieces(found: Bisection) -> list[Piece]:
    """What was found: the version, its words, the examples that got worse."""
    bad, good = found.first_bad, found.last_good
    pieces = [
        Piece(f"\n{bad.label} is the first bad version", "strong"),
        Piece(f" on {found.model} · {found.metric}; the last good one is {good.label}\n"),
    ]
    if found.between:
        pieces.append(Piece(f"It could also be {', '.join(found.between)}: these could not be run.\n", "warn"))
    pieces += [Piece(bad.commit[:8], "accent"), Piece(f"  {date(bad.time)}  {bad.author}  {bad.subject}\n\n")]
    pieces += inline_pieces(found.fields)
    pieces.append(Piece(f"\n── {plural(len(found.flips), 'example')} got worse ──\n", "head"))
    for flip in found.flips[:SHOWN]:
        pieces += [Piece(f"▼ {flip.example}  ", "bad"), *diff_pieces(flip.spans), Piece("\n")]
    rest = len(found.flips) - SHOWN
    pieces += [Piece(f"and {rest} more\n", "dim")] if rest > 0 else []
    versions = plural(found.looked_at, "version")
    figures = f"{versions} and {found.cells} cells looked at, {found.asked} asked; "
    figures += f"full runs of these versions take {found.full}."
    return [*pieces, Piece(f"\n{figures}\n", "dim")]


def blame_pieces(lab: Lab, moment: Moment, width: int) -> list[Piece]:
    """Each line of a text with the version that brought it, in rows of so many cells: a line that is longer goes on
    beside the margin. Asks git: to be called in a thread."""
    blame = lab.blame(moment.ref)
    runs = lab.runs_of(lab.past_name_of(moment.ref)) if blame.metric else ()
    info = lab.metric_info(blame.metric, runs)
    pieces: list[Piece] = []
    last = ""
    for line in blame.lines:
        change = wording.change(line.change, info).partition(" ")[0]
        when = date(line.time)[:10] if line.time else ""
        # A block of lines of one version says it once.
        head = f"{line.version:>4} {when:10} {line.author[:10]:10} {change:>7}" if line.version != last else ""
        last = line.version
        for _, row in wrap(logical_lines([Piece(line.text)]), max(width - _MARGIN - 3, 1)):
            pieces += [Piece(f"{head:<{_MARGIN}} │ ", "accent"), *row, Piece("\n")]
            head = ""
    unit = ", in points" if info and wording.is_share(info) else ""
    title = f"change: of the mean {blame.metric} with that version{unit}\n\n" if blame.metric else ""
    return [Piece(title, "dim"), *pieces]


async def show_blame(page: PastPage, timeline: Timeline, moment: Moment) -> None:
    """Show who brought each line of a text."""
    lab = await page.session.lab()
    if moment.error or not moment.ref:
        page.session.say(f"{moment.name} does not load, or is in no commit: it has no lines to blame.", bad=True)
        return
    try:
        width = app_of(page).size.width - _AROUND
        pieces = await in_thread(partial(blame_pieces, lab, moment, width))
    except PromptlabError as fault:
        page.session.say(str(fault), bad=True)
        return
    await app_of(page).push_screen_wait(Reading(f"Blame of {timeline.name} {moment.name}", pieces))

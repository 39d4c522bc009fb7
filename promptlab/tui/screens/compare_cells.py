"""One answer as Compare shows it: what came back or is being written, what it scored and why, what was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from promptlab.lab import wording
from promptlab.models.values import Outcome
from promptlab.scoring.values import Score
from promptlab.tui.screens.detail import growing_pieces, input_pieces, score_pieces, value_text
from promptlab.tui.screens.sheet import Place, Sheet
from promptlab.tui.screens.trace import tree_pieces
from promptlab.tui.widgets.textview import Piece, diff_pieces
from promptlab.workspace.values import Example

if TYPE_CHECKING:
    from promptlab.lab import RunTable
    from promptlab.tui.job import Job

NOT_RUN = "not asked yet: r runs this example"


class Look(NamedTuple):
    """What the panes show: the words that changed, the scores with their reasons, the messages that were sent.

    Attributes:
        beside: The baseline stands beside the others: its words need not be shown again where none of them is left.
    """

    words: bool = True
    scores: bool = True
    sent: bool = False
    beside: bool = False


class Shot(NamedTuple):
    """All that the text of one pane depends on: two that are equal look the same.

    Attributes:
        place: Where the answer is, or None.
        outcomes: The answer of each trial.
        against: Letter of the column that it is held against, "" for the baseline itself; ``base`` its answers.
        writing: What was written so far, None where nothing is to come.
    """

    column: str
    example: str
    look: Look
    place: Place | None
    outcomes: tuple[Outcome | None, ...]
    scores: tuple[Score, ...]
    against: str
    base: tuple[Outcome | None, ...]
    writing: str | None
    top: RunTable


def shot_of(sheet: Sheet, job: Job | None, column: str, example: str, look: Look) -> Shot:
    """One pane at this moment."""
    place = sheet.place(column, example)
    base = sheet.baseline_of(column)
    against = base if base != column else ""
    writing = sheet.writing(job, column, example) if place is None else None
    scores = tuple(place.table.scores(place.column, example).values()) if place else ()
    beside = _outcomes(sheet.place(base, example), example) if against and look.words else ()
    return Shot(column, example, look, place, _outcomes(place, example), scores, against, beside, writing, sheet.top)


def _outcomes(place: Place | None, example: str) -> tuple[Outcome | None, ...]:
    if place is None:
        return ()
    return tuple(place.table.outcome(place.column, example, trial) for trial in range(place.table.trials))


# -- the line of columns, and the frame of a pane -----------------------------------------------------


def mark_of(shot: Shot) -> str:
    """How an answer fared, in a few cells: ``✓``, ``0.67``, ``!``, ``▶`` while it is written, ``…`` before that."""
    if shot.place is None:
        return "·" if shot.writing is None else "▶" if shot.writing else "…"
    if any(outcome is not None and outcome.fault for outcome in shot.outcomes):
        return "!"
    table = shot.place.table
    info = table.infos.get(table.primary)
    score = next((score for score in shot.scores if score.metric == table.primary), None)
    if info is None or score is None:
        return "…" if info else ""
    if score.value is None:
        return "–"
    if info.kind == "binary" and score.value in (0.0, 1.0):
        return "✓" if score.value else "✗"
    return wording.score(score, info)


def figures_of(shot: Shot) -> str:
    """For the lower frame: ``412 ms · 61 tok/s · 58 tok · cached``, or what is being waited for."""
    if shot.place is None:
        return "writing" if shot.writing else "waiting" if shot.writing is not None else ""
    outcome = next((outcome for outcome in shot.outcomes if outcome is not None), None)
    if outcome is None or outcome.fault is not None:
        return ""
    written = outcome.usage.completion
    parts = [wording.seconds(outcome.latency)] if outcome.latency else []
    if outcome.latency and written:
        parts.append(f"{written / outcome.latency:.0f} tok/s")
    if written:
        parts.append(f"{written} tok")
    if outcome.cost is not None and shot.place.table.currency:
        parts.append(f"{outcome.cost:.3g} {shot.place.table.currency}")
    return " · ".join([*parts, *(["cached"] if outcome.cached else [])])


# -- the text of a pane ---------------------------------------------------------------------------------


def shot_pieces(shot: Shot) -> list[Piece]:
    """The text of a pane. May take the time of a word diff: called in a thread where there is an answer."""
    pieces = _written(shot) if shot.place is None else _answers(shot, shot.place)
    answered = any(outcome is not None and outcome.fault is None for outcome in shot.outcomes)
    if shot.place is not None and shot.look.scores and answered:  # else all of them are missing for that one reason
        pieces += score_pieces(*shot.place, shot.example)
    if shot.look.sent and (sent := shot.place or _planned(shot)):
        pieces += input_pieces(*sent, shot.example)
    return pieces


def _planned(shot: Shot) -> Place | None:
    """Where the messages of an answer that is to come can be read."""
    return Place(shot.top, shot.column) if shot.writing is not None else None


def _written(shot: Shot) -> list[Piece]:
    if shot.writing is None:
        return [Piece(f"{NOT_RUN}\n", "dim")]
    if not shot.writing:
        return [Piece("waiting …\n", "dim")]
    return growing_pieces(shot.writing)


def _answers(shot: Shot, place: Place) -> list[Piece]:
    pieces: list[Piece] = []
    for trial, outcome in enumerate(shot.outcomes):
        if len(shot.outcomes) > 1:
            pieces.append(Piece(f"── {trial + 1} of {len(shot.outcomes)} ──\n", "head"))
        base = shot.base[trial] if trial < len(shot.base) else None
        pieces += _answer(shot, outcome, base)
        if trace := place.table.trace(place.column, shot.example, trial):
            pieces += tree_pieces(trace)
    return pieces


def _answer(shot: Shot, outcome: Outcome | None, base: Outcome | None) -> list[Piece]:
    if outcome is None:
        return [Piece("waiting …\n", "dim")]
    if outcome.fault is not None:
        return [Piece(f"! {outcome.fault.message}\n", "bad")]
    if not outcome.stored:
        return [Piece(f"{outcome.shown}\n", "dim")]
    if not outcome.text and (base is None or not base.text):
        return [Piece("(an empty answer)\n", "dim")]
    if base is None or base.fault is not None or not base.stored:
        return [Piece(outcome.text), Piece("\n")]
    if base.text == outcome.text:
        return [Piece(f"the same as {shot.against}\n", "dim"), Piece(outcome.text), Piece("\n")]
    from promptlab.compare.words import word_diff

    spans = word_diff(base.text, outcome.text)
    if shot.look.beside and not any(span.op == "same" and span.text.strip() for span in spans):
        return [Piece(f"other words than {shot.against}\n", "dim"), Piece(outcome.text), Piece("\n")]
    legend = [Piece("[-", "mark"), Piece(f"only {shot.against}", "removed"), Piece("-]", "mark"), Piece(" ")]
    legend += [Piece("{+", "mark"), Piece(f"only {shot.column}", "added"), Piece("+}\n", "mark")]
    return [*legend, *diff_pieces(spans), Piece("\n")]


# -- the example above the columns -----------------------------------------------------------------------


def case_pieces(example: Example, table: RunTable) -> list[Piece]:
    """The example: its tags, its variables, what is right, and what judges of the answers."""
    pieces: list[Piece] = []
    marks = [*example.tags, *filter(None, (example.group, example.split))]
    if marks:
        pieces.append(Piece(f"{' · '.join(marks)}\n", "dim"))
    for key, value in example.vars.items():
        pieces += [Piece(key, "accent"), Piece(f" = {value_text(value)}\n")]
    for name, value in (("expected", example.expected), ("reference", example.reference or None)):
        if value is not None:
            pieces += [Piece(name, "good"), Piece(f" = {value_text(value)}\n")]
    judged = [f"{name} by {judge.name}" if name != judge.name else name for name, judge in table.judges.items()]
    rules = [name for name in table.infos if name not in table.judges]
    scored = "; ".join(filter(None, (", ".join(rules), "judge " + ", ".join(judged) if judged else "")))
    return [*pieces, Piece(f"scored by {scored}\n", "dim")] if scored else pieces

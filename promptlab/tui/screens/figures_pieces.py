"""A run in tables and drawings: by tag, how scores and latencies spread, one against the other, labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from promptlab.errors import UsageFault
from promptlab.lab import wording
from promptlab.lab.parts import By, Confusion, Part, breakdown, confusion
from promptlab.tui.safe import one_line
from promptlab.tui.widgets.cells import fit
from promptlab.tui.widgets.histogram import Series, histogram_pieces
from promptlab.tui.widgets.lines import Tone
from promptlab.tui.widgets.plot import Point, Scale, draw
from promptlab.tui.widgets.wrapping import Piece

if TYPE_CHECKING:
    from promptlab.lab import RunTable

_PLOT = 18
"""Lines of a scatter plot, at most."""
_LABEL = 24
"""Cells of a tag or label, at most."""


class Room(NamedTuple):
    """Cells to draw on."""

    width: int
    height: int


View = Callable[["RunTable", str, Room], list[Piece]]
"""A run and a metric, drawn. May take a while: called in a thread."""


def columns_pieces(table: RunTable) -> list[Piece]:
    """What the letters stand for."""
    return [
        piece
        for variant in table.variants
        for piece in (Piece(f"{variant.column} ", "head"), Piece(f"{variant.label}\n", "dim"))
    ]


# -- parts ----------------------------------------------------------------------------------------------


def by_tag(table: RunTable, metric: str, room: Room) -> list[Piece]:
    """The metric on each tag, group and split that the examples have."""
    pieces = [Piece("Parts are looked at, not tested: no verdict is drawn from them.\n", "dim")]
    found = False
    ways: tuple[By, ...] = ("tag", "group", "split")
    for by in ways:
        try:
            parts = breakdown(table, by, metric).parts
        except UsageFault:
            continue
        found = True
        pieces += [Piece(f"\n── by {by} ──\n", "head"), *_parts(table, metric, parts, room)]
    return pieces if found else [Piece("No example of this run has a tag, a group or a split.\n", "dim")]


def _parts(table: RunTable, metric: str, parts: tuple[Part, ...], room: Room) -> list[Piece]:
    info = table.infos[metric]
    width = min(max(len(one_line(part.value)) for part in parts), _LABEL, room.width // 3)
    pieces: list[Piece] = []
    before = None
    for part in parts:
        name = one_line(part.value) or "none"
        head = f"{fit(name, max(width, 4))} {part.examples:>5}" if part.value != before else " " * (max(width, 4) + 6)
        before = part.value
        pieces += [Piece(f"{head}  "), Piece(f"{part.column} ", "head"), Piece(wording.mean(part.mean, info))]
        if part.effect is not None:
            effect, low, high = (wording.effect(value, info, part.scale) for value in part.effect)
            tone: Tone = "good" if part.better > part.worse else "bad" if part.worse > part.better else "dim"
            pieces += [
                Piece(f"  ▲ {part.better} ▼ {part.worse}", tone),
                Piece(f"  {effect} [{low}, {high}]".replace(" points,", ",").replace(" points]", "]"), "dim"),
            ]
        pieces.append(Piece("\n"))
    return pieces


# -- spread ---------------------------------------------------------------------------------------------


def scores(table: RunTable, metric: str, room: Room) -> list[Piece]:
    """How many answers have which score."""
    info = table.infos[metric]
    series: list[Series] = []
    missing: list[str] = []
    for variant in table.variants:
        values = table.values(variant.column, metric)
        known = [value for value in values.values() if value is not None]
        series.append(Series(variant.column, known))
        if len(known) < len(values):
            missing.append(f"{variant.column} {len(values) - len(known)}")
    pieces = [Piece(f"── {metric} ──\n", "head")]
    pieces += histogram_pieces(
        series, lambda value: f"{value:.3g}" if not info.unit else _written(value, info.unit), room.width
    )
    return [*pieces, Piece(f"\nwithout a score: {', '.join(missing)}\n", "warn")] if missing else pieces


def _written(value: float, unit: str) -> str:
    return wording.seconds(value) if unit == "s" else f"{value:.3g}"


def latencies(table: RunTable, metric: str, room: Room) -> list[Piece]:
    """How long answers took; those from the cache took as long when they were asked for."""
    series = [Series(variant.column, _seconds(table, variant.column)) for variant in table.variants]
    pieces = [Piece("── seconds to the whole answer ──\n", "head")]
    pieces += histogram_pieces(series, wording.seconds, room.width)
    pieces.append(Piece("\n"))
    for variant in table.variants:
        summary = table.summary(variant.column)
        if summary.latency_p50 is not None and summary.latency_p95 is not None:
            half, most = wording.seconds(summary.latency_p50), wording.seconds(summary.latency_p95)
            pieces += [Piece(f"{variant.column} ", "head"), Piece(f"p50 {half} · p95 {most}\n")]
    return pieces


def _seconds(table: RunTable, column: str) -> list[float]:
    outcomes = (
        table.outcome(column, example.id, trial) for example in table.examples for trial in range(table.trials)
    )
    return [outcome.latency for outcome in outcomes if outcome is not None and outcome.latency > 0]


# -- one against the other ------------------------------------------------------------------------------


def against_latency(table: RunTable, metric: str, room: Room) -> list[Piece]:
    """Each column's mean against its median latency; of a metric with many values each answer's score, too."""
    info = table.infos[metric]
    means: list[Point] = []
    for variant in table.variants:
        summary = table.summary(variant.column)
        mean = summary.means.get(metric)
        if mean is not None and summary.latency_p50 is not None:
            means.append(Point(summary.latency_p50, mean.mean, mean.low, mean.high, variant.column, front=True))
    if not means:
        return [Piece("No column has both scores and latencies yet.\n", "dim")]
    answers = [] if info.kind in ("binary", "preference", "set") else _answers(table, metric)
    up = Scale(metric, partial(wording.number, info=info))
    height = min(_PLOT, max(room.height, 8))
    rows = draw([*answers, *means], Scale("latency", wording.seconds), up, room.width, height)
    if not rows:
        return [Piece("The plot needs more room.\n", "dim")]
    pieces = [piece for row in rows for piece in (*row, Piece("\n"))]
    marks = "◆ the mean of a column at its median latency, │ its interval"
    return [*pieces, Piece(f"\n{marks}{'; ○ one answer' if answers else ''}\n", "dim")]


def _answers(table: RunTable, metric: str) -> list[Point]:
    found: list[Point] = []
    for variant in table.variants:
        for example, value in table.values(variant.column, metric).items():
            outcome = table.outcome(variant.column, example)
            if value is not None and outcome is not None and outcome.latency > 0:
                found.append(Point(outcome.latency, value, math.nan, math.nan, ""))
    return found


# -- labels ---------------------------------------------------------------------------------------------


def labels(table: RunTable, metric: str, room: Room) -> list[Piece]:
    """Which label was answered where which was right, for every column."""
    pieces: list[Piece] = []
    try:
        for variant in table.variants:
            pieces += _confusion(confusion(table, variant.column), room)
    except UsageFault as fault:
        return [Piece(f"{fault}\n", "dim")]
    return pieces


def _confusion(found: Confusion, room: Room) -> list[Piece]:
    names = [one_line(label) for label in (*found.labels, "(other)")]
    wide = min(max(map(len, names), default=1), _LABEL)
    each = max(min(wide, (room.width - wide - 2) // len(names) - 1), 3)
    pieces = [
        Piece(f"── {found.column} {found.label} ──", "head"),
        Piece(" right label down, answer across\n", "dim"),
    ]
    pieces.append(Piece(f"{' ' * wide} {' '.join(fit(name, each, 'right') for name in names)}\n", "dim"))
    for at, counts in enumerate(found.counts):
        pieces.append(Piece(f"{fit(names[at], wide)} "))
        for place, count in enumerate(counts):
            tone: Tone = "dim" if not count else "good" if place == at else "bad"
            pieces.append(Piece(f"{fit(str(count or '·'), each, 'right')} ", tone))
        pieces.append(Piece("\n"))
    missing = wording.plural(found.missing, "answer")
    return [*pieces, *([Piece(f"without a score: {missing}\n", "warn")] if found.missing else []), Piece("\n")]


VIEWS: tuple[tuple[str, View], ...] = (
    ("by tag", by_tag),
    ("scores", scores),
    ("latency", latencies),
    ("score against latency", against_latency),
    ("labels", labels),
)

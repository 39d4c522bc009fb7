"""What changed in the scores and outputs between two versions: a row an example, the largest change first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from promptlab.compare.values import ExampleDelta, Verdict
from promptlab.lab import wording
from promptlab.lab.values import OutputDiff, SubjectDiff
from promptlab.scoring.values import Score
from promptlab.tui.screens.diff_fields import change_pieces
from promptlab.tui.widgets.lines import Tone
from promptlab.tui.widgets.textview import Piece
from promptlab.tui.widgets.virtual_table import Cell, Column

BETTER, WORSE, EQUAL, UNKNOWN = "▲", "▼", "=", "?"
_TONES: dict[str, Tone] = {BETTER: "good", WORSE: "bad", EQUAL: "dim", UNKNOWN: "warn"}


class Change(NamedTuple):
    """One example on both sides; ``output`` is None when both answered the same text."""

    example: str
    before: float | None
    after: float | None
    mark: str
    output: OutputDiff | None

    @property
    def delta(self) -> float | None:
        """After − before, in the metric's own sign."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before


def models_of(diff: SubjectDiff) -> tuple[str, ...]:
    """The models that have answered both versions."""
    return tuple(dict.fromkeys([*(model for model, _ in diff.verdicts), *(output.model for output in diff.outputs)]))


def verdict_of(diff: SubjectDiff, model: str) -> Verdict | None:
    """The verdict on one model; None when the primary metric cannot decide."""
    return next((verdict for name, verdict in diff.verdicts if name == model), None)


def changes_of(diff: SubjectDiff, model: str) -> list[Change]:
    """The largest change of the score first, then missing scores, other words, and what is the same."""
    outputs = {output.example: output for output in diff.outputs if output.model == model}
    verdict = verdict_of(diff, model)
    if verdict is None:
        return [Change(output.example, None, None, UNKNOWN, output) for output in outputs.values()]
    found = [
        Change(each.example, each.baseline, each.candidate, _mark(each), outputs.get(each.example))
        for each in verdict.deltas
    ]
    return sorted(found, key=_order)


def _mark(each: ExampleDelta) -> str:
    if each.delta is None:
        return UNKNOWN
    return BETTER if each.delta > 0 else WORSE if each.delta < 0 else EQUAL


def _order(change: Change) -> tuple[float, bool, bool, str]:
    delta = change.delta
    return -abs(delta) if delta else 0.0, delta is not None, change.output is None, change.example


class ChangeRows:
    """Rows of the table of examples."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = changes

    def __len__(self) -> int:
        return len(self.changes)

    def key(self, row: int) -> str:
        """The example's id."""
        return self.changes[row].example

    def cell(self, row: int, column: str) -> Cell:
        """What stands in one place of the table."""
        change = self.changes[row]
        match column:
            case "mark":
                return Cell(change.mark, _TONES[change.mark])
            case "example":
                return Cell(change.example)
            case "before":
                return Cell(_number(change.before))
            case "after":
                return Cell(_number(change.after))
            case "delta":
                delta = change.delta
                return Cell("–" if delta is None else f"{delta:+.4g}" if delta else "0", _TONES[change.mark])
            case _:
                return Cell("≠" if change.output else "", "accent")


def columns(before: str, after: str) -> tuple[Column, ...]:
    """The columns of the table, headed by the two versions."""
    return (
        Column("mark", "", 1),
        Column("example", "example", 8, grow=True),
        Column("before", before, 7, "right"),
        Column("after", after, 7, "right"),
        Column("delta", "Δ", 7, "right"),
        Column("words", "text", 4, drop=1),
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def counts(verdict: Verdict | None, changes: Sequence[Change]) -> str:
    """``▲ 18 better  ▼ 7 worse  = 95 same``."""
    if verdict is None:
        return f"{wording.plural(sum(change.output is not None for change in changes), 'output')} with other words"
    text = f"{BETTER} {verdict.better} better  {WORSE} {verdict.worse} worse  {EQUAL} {verdict.same} same"
    lacking = sum(change.mark == UNKNOWN for change in changes)
    return f"{text}  {UNKNOWN} {lacking} without a score" if lacking else text


def output_pieces(change: Change, verdict: Verdict | None, before: str, after: str) -> list[Piece]:
    """Scores and word diff of one example's outputs, and below them how the verdict was reached."""
    pieces: list[Piece] = []
    if change.output is None:
        pieces += [
            Piece(change.mark, _TONES[change.mark]),
            Piece(
                f" {verdict.metric if verdict else 'score'} {_number(change.before)} → {_number(change.after)}\n\n"
            ),
        ]
        same = "Both versions answered the same, word for word."
        lacking = "One version has no score here, or both have none. Results says why."
        pieces.append(Piece(lacking if change.mark == UNKNOWN else same, "dim"))
        pieces.append(Piece("\n"))
    else:
        pieces += _scores(change, verdict, before, after)
        pieces.append(Piece("\n"))
        pieces += change_pieces(change.output.spans)
    if verdict is not None:
        pieces.append(Piece("\n── how the verdict was reached ──\n", "head"))
        pieces += [Piece(f"{note}\n") for note in verdict.notes]
        pieces.append(Piece(f"{verdict.method}\n", "dim"))
    return pieces


def _scores(change: Change, verdict: Verdict | None, before: str, after: str) -> list[Piece]:
    assert change.output is not None
    old = {score.metric: score for score in change.output.before}
    new = {score.metric: score for score in change.output.after}
    pieces: list[Piece] = []
    for metric in dict.fromkeys([*old, *new]):
        if verdict is not None and metric == verdict.metric:
            pieces += [Piece(change.mark, _TONES[change.mark]), Piece(f" {metric} ", "strong")]
        else:
            pieces.append(Piece(f"  {metric} "))
        pieces.append(Piece(f"{_score(old.get(metric))} → {_score(new.get(metric))}\n"))
        for label, score in ((before, old.get(metric)), (after, new.get(metric))):
            if score is not None and score.detail:
                pieces.append(Piece(f"    {label}: {score.detail}\n", "dim"))
    return pieces


def _score(score: Score | None) -> str:
    return "–" if score is None else wording.score(score, None)

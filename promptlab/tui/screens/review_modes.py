"""What the Review screen can ask about a run, and the texts that it shows."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from promptlab.lab.agreeing import People
from promptlab.lab.responding import Response
from promptlab.lab.reviewing import Asked, Task, kind_for
from promptlab.tui.widgets.wrapping import Piece

if TYPE_CHECKING:
    from promptlab.lab import RunTable
    from promptlab.runs.values import Progress

LEFT, RIGHT, EVEN = 0.0, 1.0, 0.5
_BAR = 20


class Mode(NamedTuple):
    """One question about a run's answers.

    Attributes:
        metric: The judge metric that asks the same, "" for the answer as a whole.
        grades: Of a ``grade``, each is one key.
    """

    kind: Asked
    metric: str
    question: str
    grades: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Two or three words."""
        kinds = {"pairwise": "choose", "thumb": "right or wrong", "grade": "grade"}
        return f"{kinds[self.kind]}{f' · {self.metric}' if self.metric else ''}"


def modes_of(table: RunTable) -> tuple[Mode, ...]:
    """The questions of the run's judges, and those that any run can be asked. A scale must be of single digits."""
    found: list[Mode] = []
    for metric, judge in table.judges.items():
        asked = judge.judge
        if asked is None:
            continue
        kind = kind_for(table, metric)
        if kind == "grade":
            low, high = asked.scale or (0, 0)
            if asked.scale is None or not 0 <= low < high <= 9:
                continue
            question = f"{asked.criterion or 'How good is the answer?'} Keys {low} to {high}."
            found.append(Mode("grade", metric, question, tuple(range(low, high + 1))))
        else:
            question = "Which answer is better?" if kind == "pairwise" else "Is that so of the answer?"
            found.append(Mode(kind, metric, f"{question} {asked.criterion}".rstrip()))
    kinds = {mode.kind for mode in found}
    if "pairwise" not in kinds and table.candidate != table.baseline:
        found.insert(0, Mode("pairwise", "", "Which answer is better?"))
    if "thumb" not in kinds:
        found.append(Mode("thumb", "", "Is the answer right?"))
    return tuple(sorted(found, key=lambda mode: mode.kind != "pairwise"))


def seed_of(run: str, by: str) -> int:
    """The same order and sides whenever a person comes back to a run, and another person's own."""
    return zlib.crc32(f"{run}\0{by}".encode()) % 1000


def case_pieces(mode: Mode, task: Task) -> list[Piece]:
    """What the question is, and what the answers are to."""
    pieces = [Piece(f"{mode.question}\n", "strong")]
    for name, value in task.example.vars.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        pieces += [Piece(f"{name}  ", "dim"), Piece(f"{text}\n")]
    for name in ("context", "reference", "feedback"):
        if text := getattr(task.example, name):
            pieces += [Piece(f"{name}  ", "dim"), Piece(f"{text}\n")]
    if task.example.expected is not None:
        pieces += [Piece("expected  ", "dim"), Piece(f"{task.example.expected}\n")]
    return pieces


def waiting_pieces(mode: Mode, done: int, run: Progress | None) -> list[Piece]:
    """Why nothing is asked: no answer is there that could be, or no more of them.

    Args:
        mode: The question.
        done: How many were asked, and answered.
        run: How far the run is that these are the answers of; None when it has ended.
    """
    if run is not None:
        there = f"{run.done} of {run.total} cells are done"
        said = f"All {done} so far are answered: {there}" if done else f"Nothing can be asked yet: {there}"
        return [Piece(f"{said}. ", "strong"), Piece("More comes by itself while the run goes on.\n")]
    if done:
        return [
            Piece(f"All {done} are answered. ", "good"),
            Piece("m asks another question, u takes the last back.\n"),
        ]
    why = "no example has two different answers" if mode.kind == "pairwise" else "no cell has an answer"
    return [
        Piece(f"Nothing can be asked: {why}. ", "strong"),
        Piece("m asks another question, o opens another run.\n"),
    ]


def done_pieces(mode: Mode, rates: Sequence[Response], found: Sequence[People]) -> list[Piece]:
    """All is answered: what people said and how far the judges agree, now that it cannot sway anybody."""
    pieces: list[Piece] = []
    pieces += [Piece(f"{rate.sentence}\n") for rate in rates if (rate.kind, rate.metric) == (mode.kind, mode.metric)]
    if not found:
        return [*pieces, Piece("No judge of this run was asked the same.", "dim")]
    for one in found:
        pieces.append(Piece(f"\n{one.sentence}\n", "strong" if one.metric == mode.metric else ""))
        for column, mean in one.corrected.items():
            said = f"{mean.mean:.3g} [{mean.low:.3g}, {mean.high:.3g}], {mean.method}"
            pieces.append(Piece(f"{column} corrected by people: {said}\n", "dim"))
    return pieces


def bar(done: int, total: int) -> str:
    """``12/50 ▕████▊               ▏``."""
    eighths = round(done / total * _BAR * 8) if total else 0
    full, part = divmod(eighths, 8)
    drawn = "█" * full + (" ▏▎▍▌▋▊▉"[part] if part else "")
    return f"{done}/{total} ▕{drawn:<{_BAR}}▏"

"""A chain's way to its outcome as text: a tree in the detail pane, and each step in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.lab.trace_lines import StepDiff, StepLine, lines_of, sources_of, state_of, trace_diff
from promptlab.runs.traces import StepTrace, Trace
from promptlab.tui.widgets.lines import Tone
from promptlab.tui.widgets.textview import Piece, diff_pieces

if TYPE_CHECKING:
    from promptlab.lab import RunTable

TONES: dict[str, Tone] = {"done": "good", "skipped": "dim", "failed": "bad", "blocked": "dim"}
_LONGEST = 100


def tree_pieces(trace: Trace) -> list[Piece]:
    """One line a step, with what is slow, costly or failed marked. It says at a glance where a chain went wrong."""
    pieces = [Piece("\n── steps ──\n", "head")]
    lines = lines_of(trace)
    for index, line in enumerate(lines):
        branch = "└ " if index == len(lines) - 1 else "├ "
        pieces += [Piece(branch, "dim"), *_line(line, trace), Piece("\n")]
    return pieces


def _line(line: StepLine, trace: Trace) -> list[Piece]:
    pieces = [Piece(f"{line.mark} {line.step}", TONES[line.state]), Piece(f"  {line.op}", "dim")]
    if line.figures:
        pieces.append(Piece(f"  {line.figures}", "dim"))
    pieces += [Piece(f"  {flag}", "warn") for flag in line.flags]
    if line.said:
        pieces.append(Piece(f"  {_short(line.said)}", TONES[line.state] if line.state != "done" else ""))
    elif line.step != trace.answer and line.text:
        pieces.append(Piece(f"  {_short(line.text)}"))
    return pieces


def step_pieces(table: RunTable, column: str, example: str, trial: int, trace: Trace, *, diff: bool) -> list[Piece]:
    """Each step in full: its output (against the baseline's, step by step), and every question with its answer."""
    base = table.baseline_of(column)
    other = table.trace(base, example, trial) if diff and base != column else None
    changes = {one.step: one for one in trace_diff(other, trace)} if other is not None else {}
    pieces: list[Piece] = []
    for step in trace.steps:
        pieces += [Piece("\n"), *step_detail(step, changes.get(step.step), (base, column))]
    return pieces


def step_detail(step: StepTrace, change: StepDiff | None, columns: tuple[str, str]) -> list[Piece]:
    """One step: what came of it, with the words that changed; every question with its answer; sources of passages.

    Args:
        change: Against the step of another column, None where there is none.
        columns: The letters of the other one and of this.
    """
    before, after = columns
    pieces = [Piece(f"── step {step.step} ──", "head")]
    if change is not None and change.spans:
        pieces += [Piece(f" [-{before}-]{{+{after}+}}\n", "dim"), *diff_pieces(change.spans), Piece("\n")]
    else:
        pieces += [Piece(f" {change.said or 'the same'}\n" if change else "\n", "dim"), *_outcome(step)]
    if change is not None and change.before is not None and change.before.problem and change.said:
        pieces.append(Piece(f"{before}: {change.before.problem}\n", "dim"))
    pieces += [Piece(f"from {source}\n", "dim") for source in sources_of(step)]
    if change is not None and change.asked:
        pieces += [Piece("asked otherwise  ", "accent"), *diff_pieces(change.asked), Piece("\n")]
    return [*pieces, *_calls(step)]


def _outcome(step: StepTrace) -> list[Piece]:
    if step.state == "done":
        return [Piece(f"{step.text}\n")]
    return [Piece(f"{step.problem}\n", TONES[state_of(step)])]


def _calls(step: StepTrace) -> list[Piece]:
    pieces: list[Piece] = []
    for call in step.calls:
        for message in call.messages:
            pieces += [Piece(f"{call.label}: {message.role}  ", "accent"), Piece(f"{message.content}\n", "dim")]
        said = call.outcome.fault.message if call.outcome.fault else call.outcome.text
        tone: Tone = "bad" if call.outcome.fault else ""
        pieces += [Piece(f"{call.label} →  ", "accent"), Piece(f"{said}\n", tone)]
    return pieces


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"

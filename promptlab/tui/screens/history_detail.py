"""What there is to say about one version or one run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.lab import wording
from promptlab.lab.values import PromptRun
from promptlab.tui.screens.diff_fields import inline_pieces
from promptlab.tui.screens.history_rows import Moment, Timeline, date, subject_of
from promptlab.tui.widgets.lines import Tone
from promptlab.tui.widgets.wrapping import Piece

if TYPE_CHECKING:
    from promptlab.lab import Lab, RunTable

OPENED = 3
"""Runs of a version that are opened to tell their means with intervals; the others are named."""
NO_COMMITS = "No version of {name} is committed yet. c commits it, which makes v1."
NO_RUN = "No run has measured this text: r runs it."
_TONES: dict[str, Tone] = {"BETTER": "good", "WORSE": "bad", "INVALID": "warn"}


def moment_pieces(lab: Lab, timeline: Timeline, moment: Moment) -> list[Piece]:
    """A version, its runs, and the change to the version before. Opens runs: to be called in a thread."""
    pieces = [Piece(f"{timeline.name} {moment.name}", "head")]
    if moment.content and moment.kind != "draft":
        pieces.append(Piece(f"  {moment.content}", "dim"))
    if moment.current and moment.kind == "version":
        pieces.append(Piece("  = working copy", "good"))
    pieces.append(Piece("\n"))
    if moment.commit:
        pieces += [Piece(moment.commit[:12], "accent"), Piece(f"  {date(moment.time)}  {moment.author}\n")]
    pieces.append(Piece(f"{moment.error or moment.message}\n", "bad" if moment.error else ""))
    for stage in timeline.stages:
        if stage.mark.stage in timeline.on(moment):
            why = f", because of the run {stage.mark.run[-6:]}" if stage.mark.run else ""
            pieces += [Piece(f"◆ {stage.mark.stage}", "good"), Piece(f" since {date(stage.mark.time)}{why}\n")]
    pieces += _note(timeline)
    if moment.score is not None:
        mean = wording.known(moment.score, timeline.info)
        change = timeline.change(moment)
        pieces += [Piece("\n"), Piece(f"{timeline.metric} {mean} {change}".rstrip(), "strong"), Piece("\n")]
    pieces.append(Piece("\n── runs ──\n", "head"))
    if not moment.runs:
        pieces.append(Piece(f"{NO_RUN}\n", "dim"))
    for run in moment.runs[:OPENED]:
        pieces += [Piece(run.run.id[-6:], "accent"), Piece(f"  {date(run.run.time)}  "), *_state(run), Piece("\n")]
        pieces += _columns(lab, run, moment.content)
    if len(moment.runs) > OPENED:
        pieces.append(Piece(f"and {wording.plural(len(moment.runs) - OPENED, 'older run')}\n", "dim"))
    return pieces + change_since(lab, timeline, moment)


def run_pieces(lab: Lab, timeline: Timeline, moment: Moment, run: PromptRun) -> list[Piece]:
    """A run: its title, its columns with means and intervals, its verdicts; then the change of its version."""
    pieces = [Piece(f"run {run.run.id}", "head"), Piece("  "), *_state(run), Piece("\n")]
    pieces += [Piece(f"{run.run.title}\n", "strong"), Piece(f"{date(run.run.time)}\n")]
    if run.run.record is not None:
        pieces += [
            Piece(run.run.record.tag, "accent"),
            Piece("\n"),
            Piece(f"{run.run.record.commit[:12]}\n", "accent"),
        ]
    else:
        pieces.append(Piece("In no tag yet: c in Results keeps it.\n", "warn"))
    pieces.append(Piece("\n── columns ──\n", "head"))
    pieces += _columns(lab, run, "")
    return pieces + change_since(lab, timeline, moment)


def change_since(lab: Lab, timeline: Timeline, moment: Moment) -> list[Piece]:
    """The field diff to the version before."""
    from promptlab.lab.comparing import prompt_fields

    before = timeline.before(moment)
    if before is None:
        first = "There is no version before it." if moment.kind == "version" else ""
        return [Piece(f"\n{first}\n", "dim")] if first else []
    pieces = [Piece(f"\n── change {before.name} → {moment.name} ──\n", "head")]
    if moment.error:
        return [*pieces, Piece("This text does not load, so its fields cannot be compared.\n", "dim")]
    try:
        fields = prompt_fields(subject_of(lab, before).prompt, subject_of(lab, moment).prompt)
    except PromptlabError as fault:
        return [*pieces, Piece(f"{fault}\n", "bad")]
    return pieces + inline_pieces(fields)


def _note(timeline: Timeline) -> list[Piece]:
    """Why there is no history, and what to do about it."""
    if timeline.problem:
        return [Piece(f"\n{timeline.problem}\n", "warn")]
    if not timeline.past.versions:
        return [Piece(f"\n{NO_COMMITS.format(name=timeline.name)}\n", "warn")]
    return []


def _state(run: PromptRun) -> Sequence[Piece]:
    match run.run.state:
        case "saved":
            return []
        case "unsaved":
            return [Piece("not saved", "warn")]
        case other:
            return [Piece(other, "warn")]


def _columns(lab: Lab, run: PromptRun, content: str) -> list[Piece]:
    """Each column with its means and its verdict; only those that ran ``content`` when it is given."""
    try:
        table = lab.open_run(run.run.id)
    except PromptlabError as fault:
        return [Piece(f"{fault}\n", "bad")]
    cells = wording.plural(len(table.examples), "example")
    pieces = [Piece(f"{table.evalset} · {cells}\n", "dim")]
    for variant in table.variants:
        if content in ("", variant.content):
            label = variant.model if content else variant.label
            pieces += [Piece(f"{variant.column} {label}\n"), *_means(table, variant.column)]
    return pieces


def _means(table: RunTable, column: str) -> list[Piece]:
    pieces: list[Piece] = []
    means = table.summary(column).means
    for metric in sorted(means, key=lambda metric: metric != table.primary):
        mean = wording.mean(means[metric], table.infos[metric])
        pieces.append(Piece(f"  {metric} {mean}\n", "strong" if metric == table.primary else "dim"))
    verdict = table.verdict(column)
    if verdict is not None:
        head, _, rest = verdict.sentence.partition(":")
        against = table.variant(table.baseline_of(column)).label
        pieces += [Piece(f"  {head}", _TONES.get(verdict.status, "")), Piece(f" against {against}:{rest}\n", "dim")]
    return pieces

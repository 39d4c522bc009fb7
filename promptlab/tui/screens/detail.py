"""Everything about one cell: what came back and how it differs from the baseline's, scores, input, figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.lab import wording
from promptlab.lab.judged import judgings
from promptlab.scoring.values import MetricInfo, Score
from promptlab.tui.screens.trace import step_pieces, tree_pieces
from promptlab.tui.widgets.lines import Tone
from promptlab.tui.widgets.textview import Piece, diff_pieces

if TYPE_CHECKING:
    from promptlab.lab import RunTable
    from promptlab.workspace.settings_values import Results

NOTHING: Mapping[int, str] = {}

_TAIL = 6_000
"""Characters of an answer that is being written that are shown: its end, which is what one reads."""

_SHORT = 80
"""Characters of two answers that have no word in common and are shown one below the other."""

_LONG = 2_000
"""Characters of two answers that have no word in common above which one is shown without the other before it."""


def detail_pieces(
    table: RunTable, column: str, example: str, *, diff: bool, written: Mapping[int, str] = NOTHING
) -> list[Piece]:
    """The detail of a cell. May take the time of a word diff: called in a thread.

    Args:
        diff: Show the words that changed against the baseline's output, where there are two outputs.
        written: Trial to what a model has written so far, where there is no outcome yet.
    """
    case, variant = table.example(example), table.variant(column)
    pieces = [Piece(example, "head"), Piece(f"  {column} {variant.label}", "accent")]
    if case.tags or case.group:
        pieces.append(Piece(f"  {' '.join((*case.tags, *filter(None, [case.group])))}", "dim"))
    pieces.append(Piece("\n"))
    for trial in range(table.trials):
        pieces += _output(table, column, example, trial, diff, written.get(trial, ""))
        if trace := table.trace(column, example, trial):
            pieces += tree_pieces(trace)
    if case.expected is not None:
        pieces += [Piece("\nexpected  ", "dim"), Piece(f"{value_text(case.expected)}\n")]
    if case.reference:
        pieces += [Piece("\nreference  ", "dim"), Piece(f"{case.reference}\n")]
    pieces += score_pieces(table, column, example)
    pieces += input_pieces(table, column, example)
    pieces += _reasoning(table, column, example)
    for trial in range(table.trials):
        if trace := table.trace(column, example, trial):
            pieces += step_pieces(table, column, example, trial, trace, diff=diff)
    return [*pieces, *figure_pieces(table, column, example)]


def growing_pieces(text: str) -> list[Piece]:
    """A text that is being written: of a long one the end."""
    hidden = len(text) - _TAIL
    before = [Piece(f"… {hidden:,} characters before this …\n", "dim")] if hidden > 0 else []
    return [*before, Piece(text[-_TAIL:]), Piece("▌\n", "accent")]


def _output(table: RunTable, column: str, example: str, trial: int, diff: bool, written: str) -> list[Piece]:
    title = "output" if table.trials == 1 else f"output {trial + 1} of {table.trials}"
    outcome = table.outcome(column, example, trial)
    if outcome is None and written:
        return [Piece(f"── {title} ──\n", "head"), *growing_pieces(written)]
    if outcome is None:
        return [Piece(f"── {title} ──\n", "head"), Piece("not there yet\n", "dim")]
    if outcome.fault is not None:
        return [Piece(f"── {title} ──\n", "head"), Piece(f"! {outcome.fault.message}\n", "bad")]
    if not outcome.stored:
        return [Piece(f"── {title} ──\n", "head"), Piece(f"{outcome.shown}\n", "dim")]
    base_column = table.baseline_of(column)
    base = table.outcome(base_column, example, trial) if diff and column != table.baseline else None
    if base is None or base.fault is not None or not base.stored:
        return [Piece(f"── {title} ──\n", "head"), Piece(f"{outcome.text}\n")]
    against = f"{base_column} {table.variant(base_column).label}"
    if base.text == outcome.text:
        pieces = [Piece(f"{outcome.text}\n")]
        return [Piece(f"── {title} ──", "head"), Piece(f" the same as {against}\n", "dim"), *pieces]
    from promptlab.compare.words import word_diff

    spans = word_diff(base.text, outcome.text)
    nothing_shared, size = all(span.op != "same" for span in spans), len(base.text) + len(outcome.text)
    if nothing_shared and size > _LONG:
        said = Piece(f" other words than {against}\n", "dim")
        return [Piece(f"── {title} ──", "head"), said, Piece(f"{outcome.text}\n")]
    if nothing_shared and size <= _SHORT:
        # Two answers are read faster than one text with marks.
        both = [
            Piece(f"{base_column}  {base.text}\n", "dim"),
            Piece(f"{column}  "),
            Piece(f"{outcome.text}\n", "strong"),
        ]
        return [Piece(f"── {title} ──\n", "head"), *both]
    legend = f" [-only {base_column}-] {{+only {column}+}}\n"
    return [Piece(f"── {title} ──", "head"), Piece(legend, "dim"), *diff_pieces(spans), Piece("\n")]


def score_pieces(table: RunTable, column: str, example: str) -> list[Piece]:
    """A cell's scores by metric, with their reasons, and what judges said in their own words."""
    scores = table.scores(column, example)
    if not scores:
        return []
    pieces = [Piece("\n── scores ──\n", "head")]
    width = max(len(name) for name in scores)
    for name, score in scores.items():
        mark, tone = _mark(score, table.infos.get(name))
        pieces += [Piece(f"{mark} ", tone), Piece(f"{name:<{width}}  ", "strong" if name == table.primary else "")]
        pieces.append(Piece(wording.score(score, table.infos.get(name)), "warn" if score.value is None else ""))
        delta = table.delta(column, example, name) if name in table.infos and column != table.baseline else None
        if delta:
            pieces.append(Piece(f"  {'▲' if delta > 0 else '▼'} {abs(delta):.3g}", "good" if delta > 0 else "bad"))
        pieces.append(Piece(f"  {score.detail}\n" if score.detail else "\n", "dim"))
    return [*pieces, *_replies(table, column, example)]


def _reasoning(table: RunTable, column: str, example: str) -> list[Piece]:
    """What the model thought before it answered, while the run's journal is there: a saved run has answers alone."""
    pieces: list[Piece] = []
    for trial in range(table.trials):
        outcome = table.outcome(column, example, trial)
        if outcome is not None and outcome.reasoning:
            title = "reasoning" if table.trials == 1 else f"reasoning {trial + 1} of {table.trials}"
            pieces += [Piece(f"\n── {title} ──\n", "head"), Piece(f"{outcome.reasoning.strip()}\n", "dim")]
    return pieces


def _replies(table: RunTable, column: str, example: str) -> list[Piece]:
    """What judges replied, in their own words."""
    pieces: list[Piece] = []
    for trial in range(table.trials):
        for name, score in table.trial_scores(column, example, trial).items():
            if score.replies:
                title = name if table.trials == 1 else f"{name}, output {trial + 1}"
                pieces.append(Piece(f"\n── {title}: what the judge said ──\n", "head"))
                pieces += [Piece(f"{wording.said(reply)}\n") for reply in score.replies]
    return pieces


def _mark(score: Score, info: MetricInfo | None) -> tuple[str, Tone]:
    if score.value is None:
        return "–", "warn"
    if info is None or info.kind != "binary" or info.direction == "info" or 0 < score.value < 1:
        return " ", ""  # right in some of several trials is neither
    good = (score.value >= 1.0) == (info.direction != "min")
    return ("✓" if score.value else "✗"), "good" if good else "bad"


def input_pieces(table: RunTable, column: str, example: str) -> list[Piece]:
    """The messages as a cell's model was sent them."""
    try:
        messages = table.rendered(column, example)
    except PromptlabError as fault:
        return [Piece("\n── input ──\n", "head"), Piece(f"{fault}\n", "bad")]
    pieces: list[Piece] = []
    for message in messages:
        pieces += [Piece(f"\n── input: {message.role} ──\n", "head"), Piece(f"{message.content}\n")]
    return pieces


def figure_pieces(table: RunTable, column: str, example: str) -> list[Piece]:
    """How long a cell's answer took, what it cost, and with which parameters it was asked for."""
    outcome = table.outcome(column, example)
    if outcome is None or outcome.fault is not None:
        return []
    params = table.variant(column).params
    used = outcome.usage
    thought = f" ({used.reasoning} of them reasoning)" if used.reasoning else ""
    facts = [
        f"{wording.seconds(outcome.latency)}{', from the cache' if outcome.cached else ''}",
        f"{used.prompt} tokens in, {used.completion} out{thought}, ended by {outcome.finish}",
        f"temperature {params.temperature:g}, at most {params.max_tokens} tokens, seed {params.seed}",
    ]
    if outcome.cost is not None:
        facts.append(f"cost {outcome.cost:.6f}")
    if outcome.fingerprint:
        facts.append(f"model build {outcome.fingerprint}")
    return [Piece("\n── figures ──\n", "head"), Piece("\n".join(facts) + "\n", "dim")]


def verdict_pieces(table: RunTable) -> list[Piece]:
    """Every column's verdict in plain words, the primary metric first, and what it rests on. Called in a thread."""
    if table.state == "running":
        return [Piece("The run is still going on. A verdict is given when it has ended.")]
    from promptlab.lab.sequential import saving_of

    base = table.variant(table.baseline)
    notes = [Piece(f"{metric}: {doubt}\n", "warn") for metric, doubt in table.doubts.items()]
    notes += [Piece(f"{judging.sentence}\n", "dim") for judging in judgings(table)]
    if saving := saving_of(table):
        notes.append(Piece(f"{saving.sentence}\n", "accent"))
    pieces = [*notes, Piece(f"Baseline: {table.baseline} {base.label}, on {table.evalset}\n", "dim")]
    if len(table.variants) < 2:
        return [*pieces, Piece("\nThere is one column, so nothing to compare it with. R runs two versions.")]
    for variant in table.variants:
        column = variant.column
        if column == table.baseline:
            continue
        against = table.variant(table.baseline_of(column))
        pieces.append(Piece(f"\n{column} {variant.label}", "head"))
        pieces.append(Piece(f"  against {against.column} {against.label}\n", "dim"))
        for metric in sorted(table.infos, key=lambda name: name != table.primary):
            verdict = table.verdict(column, metric)
            if verdict is None:
                continue
            primary = metric == table.primary
            pieces.append(Piece(f"{verdict.sentence}\n", "strong" if primary else ""))
            if primary:
                pieces += [Piece(f"  {note}\n", "dim") for note in (verdict.method, *verdict.notes) if note]
        for guard in table.guardrails(column):
            pieces.append(Piece(f"guardrail {guard.sentence}\n", "" if guard.status == "HELD" else "warn"))
    return pieces


def save_pieces(table: RunTable, title: str, results: Results, size_note: str) -> list[Piece]:
    """What saving a run would put into git, and what it leaves alone."""
    kept = f"results/{table.subject}/{table.run}/"
    pieces = [Piece(f"{title}\n\n", "strong")]
    pieces += [Piece("tag      ", "dim"), Piece(f"run/{table.subject}/{table.run}\n")]
    pieces += [
        Piece("holds    ", "dim"),
        Piece(f"{kept}{{run.toml, metrics.jsonl, outputs.jsonl}} and the files used\n"),
    ]
    for variant in table.variants:
        pieces += [Piece(f"{variant.column:<9}", "dim"), Piece(f"{variant.label}\n")]
    if table.state != "complete":
        pieces.append(Piece("\nThe run is not complete: it is saved as partial.\n", "warn"))
    if results.store_outputs != "all":
        kept_texts = "Only texts of failures" if results.store_outputs == "failures" else "No texts"
        pieces.append(Piece(f"\n{kept_texts} are stored (store_outputs); all scores are.\n", "warn"))
    if size_note:
        pieces.append(Piece(f"\n{size_note}\n", "warn"))
    own = "A commit of its own, held by the tag."
    if results.mode == "branch":
        text = f"{own} Its files are committed on the branch, too; what is staged or edited stays so."
    else:
        text = f"{own} HEAD, index and working tree stay as they are."
    return [*pieces, Piece(f"\n{text}", "dim")]


def value_text(value: object) -> str:
    """A value of an example as it is shown: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
